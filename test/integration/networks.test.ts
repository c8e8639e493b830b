// Runs networks-inside.ts and ports-inside.ts in namespaces of their own: bridges, rules, ports and resolv.conf of this machine are left alone.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const home = join(import.meta.dirname, "../..");
const helper = process.env["SLIPWAY_NET_HELPER"] ?? join(home, "dist/slipway-supervisor");

function cannot(): string | false {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (!existsSync(helper)) return `no ${helper}; npm run build makes it`;
  for (const program of ["/usr/sbin/ip", "/usr/sbin/iptables", "/usr/bin/busybox"])
    if (!existsSync(program)) return `no ${program}`;
  return false;
}

for (const [name, file] of [
  ["names, addresses and lives", "networks-inside.ts"],
  ["published ports and packet rules", "ports-inside.ts"],
] as const) {
  test(`networks in namespaces of their own: ${name}`, { skip: cannot() }, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const inside = join(import.meta.dirname, file);
    const child = spawn(
      "unshare",
      ["-n", "-m", "--propagation", "private", process.execPath, "--test", "--test-reporter=spec", inside],
      { env: { ...env, SLIPWAY_NET_HELPER: helper }, stdio: ["ignore", "pipe", "pipe"] },
    );
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0, output);
  });
}
