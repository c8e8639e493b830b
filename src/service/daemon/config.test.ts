// buildkitd.toml: BuildKit's own example of a file, values that can't be meant, and what has no effect.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDaemonConfig } from "./index.ts";

const DISK = 1000e9;
const read = (text: string) => parseDaemonConfig(text, "d.toml", DISK);

void test("an empty file is buildkitd's defaults", () => {
  const config = read("");
  assert.deepEqual(config.history, { maxAgeMs: 48 * 3600_000, maxEntries: 50 });
  assert.equal(config.gc, true);
  assert.equal(config.policies, undefined);
  assert.deepEqual(config.notes, []);
});

void test("what buildkitd's documentation shows", () => {
  const config = read(`
debug = true
trace = false
root = "/var/lib/buildkit"
insecure-entitlements = [ "network.host", "security.insecure" ]
[log]
  format = "text"
[dns]
  nameservers=["1.1.1.1","8.8.8.8"]
  options=["edns0"]
  searchDomains=["example.com"]
[grpc]
  address = [ "tcp://0.0.0.0:1234" ]
  debugAddress = "0.0.0.0:6060"
  uid = 0
  gid = 7
  [grpc.tls]
    cert = "/etc/buildkit/tls.crt"
    key = "/etc/buildkit/tls.key"
    ca = "/etc/buildkit/tlsca.crt"
[history]
  maxAge = 172800
  maxEntries = 50
[worker.oci]
  enabled = true
  platforms = [ "linux/amd64", "linux/arm64" ]
  snapshotter = "overlayfs"
  gc = true
  reservedSpace = "30%"
  maxUsedSpace = "60%"
  minFreeSpace = "20GB"
  max-parallelism = 4
  [worker.oci.labels]
    "foo" = "bar"
  [[worker.oci.gcpolicy]]
    reservedSpace = "512MB"
    keepDuration = "48h"
    filters = [ "type==source.local", "type==exec.cachemount"]
  [[worker.oci.gcpolicy]]
    all = true
    reservedSpace = 1024000000
[worker.containerd]
  enabled = false
  platforms = []
[registry."docker.io"]
  mirrors = ["yourmirror.local:5000", "core.harbor.domain/proxy.docker.io"]
  http = true
  insecure = true
  ca = ["/etc/config/myca.pem"]
[frontend."dockerfile.v0"]
  enabled = true
[frontend."gateway.v0"]
  enabled = true
  allowedRepositories = ["docker/dockerfile"]
[system]
  platformsCacheMaxAge = "1h"
`);
  assert.equal(config.debug, true);
  assert.equal(config.root, "/var/lib/buildkit");
  assert.deepEqual(config.entitlements, ["network.host", "security.insecure"]);
  assert.deepEqual(config.dns, {
    nameservers: ["1.1.1.1", "8.8.8.8"],
    options: ["edns0"],
    searchDomains: ["example.com"],
  });
  assert.deepEqual(config.tls, {
    ca: "/etc/buildkit/tlsca.crt",
    cert: "/etc/buildkit/tls.crt",
    key: "/etc/buildkit/tls.key",
  });
  assert.deepEqual(
    [config.addresses, config.gid, config.snapshotter, config.parallelism],
    [["tcp://0.0.0.0:1234"], 7, "overlay", 4],
  );
  assert.deepEqual(config.labels, { foo: "bar" });
  assert.deepEqual(config.policies, [
    {
      all: false,
      filters: ["type==source.local", "type==exec.cachemount"],
      reservedBytes: 512e6,
      keepDurationMs: 48 * 3600_000,
    },
    { all: true, filters: [], reservedBytes: 1024000000 },
  ]);
  assert.deepEqual(config.registries, {
    "docker.io": {
      mirrors: ["yourmirror.local:5000", "core.harbor.domain/proxy.docker.io"],
      http: true,
      insecure: true,
    },
  });
  assert.deepEqual(config.frontends.allowedRepositories, ["docker/dockerfile"]);
  assert.deepEqual(
    config.notes.map((note) => /^d\.toml: (.*) has no effect in this daemon$/.exec(note)?.[1]),
    ["log.format", "grpc.debugAddress", "grpc.uid", 'registry."docker.io".ca', "worker.oci.platforms", "system"],
  );
});

void test("sizes without policies of their own make two rules", () => {
  const { policies } = read('[worker.oci]\nreservedSpace = "10%"\nmaxUsedSpace = "1GiB"\n');
  assert.deepEqual(policies, [
    { all: false, filters: [], reservedBytes: 100e9, maxUsedBytes: 2 ** 30 },
    { all: true, filters: [], reservedBytes: 100e9, maxUsedBytes: 2 ** 30 },
  ]);
});

void test("what can't be meant is refused with its place", () => {
  const cases: [text: string, message: RegExp][] = [
    ["a = [", /^d\.toml:1:\d+: /],
    ["debug = 1", /^d\.toml: debug: takes true or false$/],
    ["[worker.oci]\nenabled = false", /^d\.toml: worker\.oci\.enabled: /],
    ["[worker.containerd]\nenabled = true", /^d\.toml: worker\.containerd\.enabled: /],
    ['[worker.oci]\nsnapshotter = "zfs"', /"zfs" is not known/],
    ['[worker.oci]\nmaxUsedSpace = "lots"', /^d\.toml: worker\.oci\.maxUsedSpace: takes bytes/],
    ['[[worker.oci.gcpolicy]]\nkeepDuration = "long"', /^d\.toml: worker\.oci\.gcpolicy\[0\]\.keepDuration: /],
    ['[registry."a.b"]\nmirrors = "x"', /^d\.toml: registry\."a\.b"\.mirrors: takes a list of strings$/],
    ["[grpc]\ngid = -1", /grpc\.gid: takes a number/],
  ];
  for (const [text, message] of cases) assert.throws(() => read(text), { code: "CONFIG_INVALID", message }, text);
});
