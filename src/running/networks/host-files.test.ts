import assert from "node:assert/strict";
import { test } from "node:test";
import { hostHostsText, hostsText, parseExtraHost, resolvFiles } from "./host-files.ts";

test("--add-host", () => {
  assert.deepEqual(parseExtraHost("db:10.0.0.1", "172.17.0.1"), { host: "db", ip: "10.0.0.1" });
  assert.deepEqual(parseExtraHost("db=::1", ""), { host: "db", ip: "::1" });
  assert.deepEqual(parseExtraHost("db:[fe80::1]", ""), { host: "db", ip: "fe80::1" });
  assert.deepEqual(parseExtraHost("host.docker.internal:host-gateway", "172.17.0.1"), {
    host: "host.docker.internal",
    ip: "172.17.0.1",
  });
  assert.throws(() => parseExtraHost("db", ""), { message: 'bad format for add-host: "db"' });
  assert.throws(() => parseExtraHost("db:999.0.0.1", ""), { message: 'invalid IP address in add-host: "999.0.0.1"' });
  assert.throws(() => parseExtraHost("a\nb:10.0.0.1", ""), /bad format/);
});

test("hosts", () => {
  const text = hostsText({
    extraHosts: [{ host: "db", ip: "10.0.0.1" }],
    addresses: ["172.17.0.2"],
    hostname: "web",
    domainname: "example.org",
  });
  assert.ok(text.startsWith("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"));
  assert.ok(text.endsWith("10.0.0.1\tdb\n172.17.0.2\tweb.example.org web\n"));
  assert.equal(
    hostHostsText("127.0.0.1 localhost", [{ host: "db", ip: "10.0.0.1" }]),
    "127.0.0.1 localhost\n10.0.0.1\tdb\n",
  );
});

test("resolv.conf", () => {
  const host =
    "# by hand\nnameserver 127.0.0.53 # stub\nnameserver fe80::1%eth0\ndomain a.example\nsearch b.example c.example\noptions edns0\noptions trust-ad\n";
  const plain = { servers: [], search: [], options: [] };
  assert.deepEqual(resolvFiles(plain, host, true), {
    text: "nameserver 127.0.0.11\nsearch b.example c.example\noptions edns0 trust-ad ndots:0\n",
    upstreams: undefined,
  });
  assert.equal(
    resolvFiles(plain, host, false).text,
    "nameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch b.example c.example\noptions edns0 trust-ad\n",
  );
  assert.deepEqual(resolvFiles({ servers: ["9.9.9.9"], search: ["."], options: ["ndots:2"] }, host, true), {
    text: "nameserver 127.0.0.11\noptions ndots:2\n",
    upstreams: ["9.9.9.9"],
  });
  assert.throws(() => resolvFiles({ servers: ["dns.example"] }, host, true), {
    message: "IP address is not correctly formatted: dns.example",
  });
});
