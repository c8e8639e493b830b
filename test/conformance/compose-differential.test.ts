// The same compose files under Debian's docker-compose with a Docker Engine, and under `slipway compose`: harness/compose-inside.ts, run in
// a network namespace of its own. `npm test` takes a few of the cases; SLIPWAY_COMPOSE_CASES=all takes all of them, a word those that
// have it in their names.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withoutClassicDocker } from "../integration/peers.ts";
import { composeCases, shortNames } from "./harness/compose-cases.ts";

const home = join(import.meta.dirname, "../..");

function cannot(): string | false {
  const docker = withoutClassicDocker();
  if (docker !== false) return docker;
  if (spawnSync("docker-compose", ["version"]).status !== 0) return "no docker-compose; install the distribution's";
  if (!existsSync(join(home, "dist/slipway-supervisor"))) return "no dist/slipway-supervisor; npm run build makes it";
  return existsSync("/usr/sbin/ip") ? false : "no iproute2";
}

test("cases have names of their own, and the short ones are among them", () => {
  const names = composeCases.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length >= 60);
  assert.deepEqual(
    shortNames.filter((name) => !names.includes(name)),
    [],
  );
});

test("visible behaviour", { skip: cannot(), timeout: 1_800_000 }, async () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const inside = join(import.meta.dirname, "harness/compose-inside.ts");
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
