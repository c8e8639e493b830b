// What `slipway doctor` says of this machine and of what it is told to reach.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryRegistry } from "../../src/distribution/index.ts";
import { execFile } from "node:child_process";
import { program, Project } from "./project.ts";

interface Finding {
  readonly area: string;
  readonly state: string;
  readonly text: string;
  readonly remedy?: string;
}

test("doctor", async () => {
  await using registry = await MemoryRegistry.start();
  using project = new Project();
  const env = {
    ...process.env,
    SLIPWAY_ROOT: project.state,
    SLIPWAY_CONFIG: project.dir,
    DOCKER_HOST: "unix:///no/engine.sock",
  };
  const doctor = (...argv: string[]): Promise<{ code: number; stdout: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [program, "doctor", ...argv], { env }, (error, stdout) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout }),
      );
    });
  const asked = await doctor("--format", "json", "--registry", `${registry.host},127.0.0.1:1`);
  const findings = asked.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Finding);
  const of = (area: string) => findings.find((each) => each.area === area);
  assert.equal(of(`registry ${registry.host}`)?.state, "good");
  assert.equal(of("registry 127.0.0.1:1")?.state, "missing");
  assert.match(of("registry 127.0.0.1:1")?.remedy ?? "", /network/);
  assert.equal(of("docker engine")?.text, "none");
  for (const area of [
    "user",
    "runtime",
    "gzip",
    "overlay",
    "cgroups",
    "user namespaces",
    "disk",
    "memory",
    "platforms",
    "git",
    "containers",
  ]) {
    assert.ok(of(area), area);
  }
  // What can't be had is failure enough for a script.
  assert.equal(asked.code, 1);
  assert.match((await doctor()).stdout, /\d+ good, \d+ could be better, \d+ missing\n$/);
});
