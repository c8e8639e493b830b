// Runs compose-inside.ts in namespaces of its own: bridges, rules and ports of this machine are left alone.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const home = join(import.meta.dirname, "../..");
const supervisor = join(home, "dist/slipway-supervisor");

function cannot(): string | false {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (!existsSync(supervisor)) return `no ${supervisor}; npm run build makes it`;
  for (const program of ["/usr/sbin/ip", "/usr/bin/busybox", "/usr/bin/skopeo", "/usr/bin/docker-registry"])
    if (!existsSync(program)) return `no ${program}`;
  return false;
}

test("compose projects in namespaces of their own", { skip: cannot() }, async () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const inside = join(import.meta.dirname, "compose-inside.ts");
  const child = spawn(
    "unshare",
    ["-n", "-m", "--propagation", "private", process.execPath, "--test", "--test-reporter=spec", inside],
    { env: { ...env, SLIPWAY_NAMESPACE: "private" }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, output);
});
