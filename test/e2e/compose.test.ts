// Runs compose-inside.ts in namespaces of its own: bridges, rules and ports of this machine are left alone.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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

const example =
  process.env["SLIPWAY_EXAMPLES"] === undefined
    ? "it installs PostgreSQL, Redis and Python from the distribution's mirror, which takes minutes; SLIPWAY_EXAMPLES=1 runs it"
    : cannot();

test("examples/ci-project: a real PostgreSQL, a real Redis, and tests that pass", { skip: example }, () => {
  const state = mkdtempSync(join(tmpdir(), "slipway-example-"));
  try {
    const env = { ...process.env, SLIPWAY_ROOT: state, SLIPWAY_HOME: home, BUILDKIT_PROGRESS: "plain" };
    const words = ["compose", "-f", join(home, "examples/ci-project/compose.yaml")];
    const program = [process.execPath, join(home, "dist/slipway.js")] as const;
    // The build needs the mirror; what is built then runs in a network of its own.
    const built = spawnSync(program[0], [program[1], ...words, "build"], { env, encoding: "utf8" });
    assert.equal(built.status, 0, built.stderr);
    const inside = [
      "-n",
      "-m",
      "--propagation",
      "private",
      "sh",
      "-c",
      'ip link set lo up; exec "$@"',
      "sh",
      ...program,
    ];
    const run = (...argv: string[]) =>
      spawnSync("unshare", [...inside, ...words, ...argv], {
        env: { ...env, SLIPWAY_NAMESPACE: "private" },
        encoding: "utf8",
      });
    const up = run("up", "--build", "--exit-code-from", "tests");
    assert.equal(up.status, 0, up.stdout + up.stderr);
    assert.match(up.stdout, /^tests-1 +\| OK$/m);
    assert.equal(run("ps", "-aq").stdout, "");
    assert.equal(run("down", "-v").status, 0);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
});
