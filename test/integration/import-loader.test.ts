// Loading into containerd, as Kubernetes' nodes have it, by its own command.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { program, Project } from "../e2e/project.ts";
import { buildxProgram, withoutDocker } from "./peers.ts";

const run = promisify(execFile);

test("an image goes into containerd, and unchanged not again", { skip: withoutDocker() }, async () => {
  using project = new Project();
  const bin = dirname(buildxProgram);
  const address = join(project.dir, "c.sock");
  const config = join(project.dir, "config.toml");
  writeFileSync(
    config,
    `version = 2\nroot = "${project.dir}/root"\nstate = "${project.dir}/run"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${address}"\n[ttrpc]\n  address = "${address}.ttrpc"\n`,
  );
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env["PATH"]}`,
    SLIPWAY_ROOT: project.state,
    BUILDKIT_PROGRESS: "plain",
  };
  // Its mounts go with its namespace.
  const containerd = spawn("unshare", ["-m", join(bin, "containerd"), "--config", config], { env, stdio: "ignore" });
  const ended = once(containerd, "exit");
  try {
    for (let tries = 0; !existsSync(address); tries++) {
      assert.ok(tries < 200 && containerd.exitCode === null, "containerd did not start");
      await sleep(100);
    }
    const dir = project.context('FROM scratch\nCOPY busybox /\nCMD ["/busybox"]\n');
    const build = async (...argv: string[]) =>
      await run(process.execPath, [program, "build", "-t", "team/app:1", ...argv, dir], { env }).then(
        ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
        (error: { stdout: string; stderr: string }) => ({ code: 1, output: error.stdout + error.stderr }),
      );
    const output = `type=docker,into=containerd,namespace=k8s.io,address=${address}`;
    const first = await build("-o", output);
    assert.equal(first.code, 0, first.output);
    const ctr = async (...argv: string[]) =>
      (await run(join(bin, "ctr"), ["--address", address, "-n", "k8s.io", ...argv], { env })).stdout;
    assert.match(await ctr("images", "ls", "-q"), /^docker\.io\/team\/app:1$/m);
    assert.match(await ctr("images", "check"), /complete/);
    const second = await build("-o", output);
    assert.match(second.output, /containerd \(namespace k8s\.io, .*\) has the image: nothing sent/);
    const unknown = await build("-o", "type=docker,into=frob");
    assert.match(unknown.output, /can't load into "frob"\nhint: into= knows containerd, nerdctl, podman/);
    mkdirSync(join(project.dir, "empty"));
    const missing = await run(process.execPath, [program, "build", "-o", "type=docker,into=podman", dir], {
      env: { ...env, PATH: join(project.dir, "empty"), SLIPWAY_NAMESPACE: "private" },
    }).catch((error: { stderr: string }) => ({ stderr: error.stderr }));
    assert.match(missing.stderr, /podman is not installed\nhint: install podman/);
  } finally {
    containerd.kill("SIGTERM");
    await ended;
  }
});
