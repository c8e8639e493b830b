import assert from "node:assert/strict";
import { test } from "node:test";
import { leftoverRemoval, leftoverTables, portRules } from "./netfilter.ts";

const MARK = "0123456789abcdef";

test("leftovers are told by the mark, and what is kept stays", () => {
  const saved = [
    "*nat",
    ":PREROUTING ACCEPT [0:0]",
    ":SWP-aaaaaaaaaaaa - [0:0]",
    ":SWP-bbbbbbbbbbbb - [0:0]",
    ":SWP-cccccccccccc - [0:0]",
    ":SWP-eeeeeeeeeeee - [0:0]",
    `-A PREROUTING ! -i sw-+ -m addrtype --dst-type LOCAL -m comment --comment "slipway:${MARK}" -j SWP-aaaaaaaaaaaa`,
    `-A PREROUTING ! -i sw-+ -m addrtype --dst-type LOCAL -m comment --comment "slipway:${MARK}" -j SWP-bbbbbbbbbbbb`,
    '-A PREROUTING ! -i sw-+ -m addrtype --dst-type LOCAL -m comment --comment "slipway:ffffffffffffffff" -j SWP-cccccccccccc',
    "-A PREROUTING -j DOCKER",
    "COMMIT",
    "*filter",
    ":SW-dddddddddddd - [0:0]",
    `-A FORWARD -m comment --comment "slipway:${MARK}" -j SW-dddddddddddd`,
    "COMMIT",
  ].join("\n");
  assert.deepEqual(leftoverRemoval(saved, MARK, new Set(["SWP-bbbbbbbbbbbb"])).split("\n"), [
    "*nat",
    `-D PREROUTING ! -i sw-+ -m addrtype --dst-type LOCAL -m comment --comment "slipway:${MARK}" -j SWP-aaaaaaaaaaaa`,
    "-F SWP-aaaaaaaaaaaa",
    "-X SWP-aaaaaaaaaaaa",
    "-F SWP-eeeeeeeeeeee",
    "-X SWP-eeeeeeeeeeee",
    "COMMIT",
    "*filter",
    `-D FORWARD -m comment --comment "slipway:${MARK}" -j SW-dddddddddddd`,
    "-F SW-dddddddddddd",
    "-X SW-dddddddddddd",
    "COMMIT",
    "",
  ]);
  assert.equal(leftoverRemoval("*nat\nCOMMIT\n", MARK, new Set()), "");
});

test("tables of nft likewise", () => {
  const listed = [
    { name: "SW-aaaaaaaaaaaa", mark: MARK },
    { name: "SW-bbbbbbbbbbbb", mark: MARK },
    { name: "SW-cccccccccccc", mark: "f".repeat(16) },
    { name: "filter", mark: MARK },
  ];
  assert.equal(leftoverTables(listed, MARK, new Set(["SW-bbbbbbbbbbbb"])), "delete table ip SW-aaaaaaaaaaaa\n");
});

test("what is published on loopback or over IPv6 alone needs no rules", () => {
  const port = { protocol: "tcp", hostPort: 80, address: "172.17.0.2", containerPort: 80 } as const;
  for (const hostIp of ["127.0.0.1", "127.0.0.5", "::", "::1"])
    assert.equal(portRules("iptables", "a".repeat(64), [{ ...port, hostIp }], MARK), "");
  assert.match(
    portRules("iptables", "a".repeat(64), [{ ...port, hostIp: "192.0.2.1" }], MARK),
    /-d 192\.0\.2\.1\/32 -p tcp --dport 80 -j DNAT --to-destination 172\.17\.0\.2:80/,
  );
});
