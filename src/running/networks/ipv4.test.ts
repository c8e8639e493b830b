import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  contains,
  formatIpv4,
  formatSubnet,
  lastOf,
  overlaps,
  parseRoutes,
  pickSubnet,
  subnetOf,
  tryParseCidr,
  tryParseIpv4,
} from "./ipv4.ts";

test("addresses as numbers and back", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 0xffffffff }), (value) => tryParseIpv4(formatIpv4(value)) === value));
  for (const text of ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "::1", "1.2.3.-4"])
    assert.equal(tryParseIpv4(text), undefined, text);
});

test("subnets", () => {
  const { address, subnet } = tryParseCidr("10.1.2.3/20")!;
  assert.deepEqual(
    [formatIpv4(address), formatSubnet(subnet), formatIpv4(lastOf(subnet))],
    ["10.1.2.3", "10.1.0.0/20", "10.1.15.255"],
  );
  for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "10.0.0.0/8/8"])
    assert.equal(tryParseCidr(text), undefined, text);
  assert.equal(formatIpv4(lastOf(subnetOf(0, 0))), "255.255.255.255");
});

test("overlap is the same as sharing an address", () => {
  const anySubnet = fc
    .tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 32 }))
    .map(([at, bits]) => subnetOf(at, bits));
  fc.assert(
    fc.property(
      anySubnet,
      anySubnet,
      (one, other) => overlaps(one, other) === (contains(one, other.base) || contains(other, one.base)),
    ),
  );
});

test("pools are docker's, in its order, and none touches what is taken", () => {
  const picked: string[] = [];
  for (let round = 0; round < 40; round++) {
    const next = pickSubnet([
      tryParseCidr("172.19.128.0/24")!.subnet,
      ...picked.map((text) => tryParseCidr(text)!.subnet),
    ]);
    if (next !== undefined) picked.push(formatSubnet(next));
  }
  assert.equal(picked.length, 14 + 16);
  assert.deepEqual(picked.slice(0, 3), ["172.17.0.0/16", "172.18.0.0/16", "172.20.0.0/16"]);
  assert.deepEqual(picked.slice(-2), ["192.168.224.0/20", "192.168.240.0/20"]);
});

test("the kernel's table of routes, without the default one", () => {
  const text =
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" +
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\nnonsense\n";
  assert.deepEqual(
    parseRoutes(text).map(({ subnet, device }) => `${formatSubnet(subnet)} ${device}`),
    ["192.0.2.0/24 eth0"],
  );
});
