// The driver docker-container, with a real Docker Engine: the image of our daemon that packaging/ describes, on a base made of this
// machine's own files, is loaded there; a builder of it is made, builds, stops, starts again and leaves nothing behind.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { buildxProgram, DockerPeer, withoutDocker } from "../integration/peers.ts";
import { program, Project } from "./project.ts";

const home = join(import.meta.dirname, "../..");
const skip = withoutDocker() || (program.endsWith(".js") ? false : "the image holds the bundle, which is not built");

/** A base folder with a shell, runc and the libraries that they and node need. */
function base(project: Project): string {
  const root = join(project.dir, "base");
  const runc = execFileSync("sh", ["-c", "command -v runc"]).toString().trim();
  for (const folder of ["bin", "usr/sbin", "tmp", "etc"]) mkdirSync(join(root, folder), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  symlinkSync("busybox", join(root, "bin/sh"));
  copyFileSync(runc, join(root, "usr/sbin/runc"));
  for (const each of [process.execPath, runc]) {
    for (const [library] of execFileSync("ldd", [each]).toString().matchAll(/\/\S+/g)) {
      mkdirSync(join(root, dirname(library)), { recursive: true });
      copyFileSync(library, join(root, library));
    }
  }
  return root;
}

test("a daemon in a container of Docker Engine", { skip }, async () => {
  await using docker = await DockerPeer.start("127.0.0.1:1");
  using project = new Project();
  const slipway = (...argv: readonly string[]) =>
    new Promise<{ code: number; output: string; stdout: string }>((resolve) => {
      const env = {
        ...process.env,
        DOCKER_HOST: docker.host,
        SLIPWAY_CONFIG: join(project.dir, "config"),
        SLIPWAY_ROOT: project.state,
        BUILDKIT_PROGRESS: "plain",
      };
      execFile(
        process.execPath,
        [program, ...argv],
        { cwd: project.dir, env, maxBuffer: 1 << 28 },
        (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr, stdout }),
      );
    });
  const ok = async (...argv: readonly string[]) => {
    const outcome = await slipway(...argv);
    assert.equal(outcome.code, 0, `slipway ${argv.join(" ")}\n${outcome.output}`);
    return outcome.output;
  };
  const names = async (...argv: readonly string[]) =>
    (await docker.docker(argv)).stdout.split("\n").filter((line) => line !== "");
  const containers = () => names("ps", "-a", "--format", "{{.Names}}");
  const volumes = () => names("volume", "ls", "-q");

  // What packaging/ says, on that base, built and loaded by slipway.
  const file = join(home, "packaging/daemon.Dockerfile");
  await ok("build", "-f", file, "--build-context", `base=${base(project)}`, "-t", "daemon:test", "--load", home);

  const options = "image=daemon:test,network=host,memory=2g,env.PROBE=1";
  await ok("create", "--name", "box", "--driver", "docker-container", "--driver-opt", options);
  assert.match(await ok("ls"), /_ box0 +\\_ unix:\/\/\S+ +inactive/);
  assert.deepEqual(await containers(), []);

  // The first build makes and starts it.
  const dir = project.context(
    'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sh", "-c", "echo in the box >/said"]\n',
  );
  const built = await ok("build", "--builder", "box", "-o", "out", dir);
  assert.match(built, /booting builder box, node box0/);
  assert.equal(readFileSync(join(project.dir, "out/said"), "utf8"), "in the box\n");
  assert.deepEqual(await containers(), ["buildx_buildkit_box0"]);
  assert.deepEqual(await volumes(), ["buildx_buildkit_box0_state"]);
  const inspected = JSON.parse((await docker.docker(["inspect", "buildx_buildkit_box0"])).stdout) as [
    { Config: { Env: string[] }; HostConfig: { Privileged: boolean; NetworkMode: string; Memory: number } },
  ];
  const { Config, HostConfig } = inspected[0];
  assert.deepEqual([HostConfig.Privileged, HostConfig.NetworkMode, HostConfig.Memory], [true, "host", 2 * 2 ** 30]);
  assert.ok(Config.Env.includes("PROBE=1"));
  assert.match(await ok("inspect", "box"), /Status: +running/);

  // Loading goes through this machine, into the same engine.
  await ok("build", "--builder", "box", "-t", "app:box", "--load", dir);
  assert.match((await docker.docker(["images"])).stdout, /^app +box /m);

  // Stopped is no loss: it starts again with its cache.
  await ok("stop", "box");
  assert.match(await ok("ls"), /_ box0 .* stopped/);
  assert.match(await ok("bootstrap", "box"), /box0: running/);
  assert.match(await ok("build", "--builder", "box", dir), /CACHED/);

  // Two commands at once: one starts it, both build.
  await ok("stop", "box");
  await Promise.all([ok("build", "--builder", "box", dir), ok("build", "--builder", "box", dir)]);
  await ok("rm", "--keep-state", "box");
  await ok("create", "--name", "box", "--driver", "docker-container", "--driver-opt", options);
  await Promise.all([ok("build", "--builder", "box", dir), ok("build", "--builder", "box", dir)]);

  // Kept state serves the next builder of the same name.
  await ok("rm", "--keep-state", "box");
  assert.deepEqual([await containers(), await volumes()], [[], ["buildx_buildkit_box0_state"]]);
  await ok("create", "--name", "box", "--driver", "docker-container", "--driver-opt", options, "--bootstrap");
  assert.match(await ok("build", "--builder", "box", dir), /CACHED/);

  await ok("rm", "box");
  assert.deepEqual([await containers(), await volumes()], [[], []]);

  // The real buildx makes a builder of the same image.
  const buildx = (...argv: readonly string[]) => {
    const [{ env }, run] = [docker.buildxCommand, promisify(execFile)];
    return run(buildxProgram, argv, { env });
  };
  await buildx("create", "--name", "theirs", "--driver", "docker-container", "--driver-opt", "image=daemon:test");
  const asked = ["build", "--builder", "theirs", "--progress", "plain", "--output", `${project.dir}/theirs`, dir];
  await buildx(...asked);
  assert.equal(readFileSync(join(project.dir, "theirs/said"), "utf8"), "in the box\n");
  await buildx("stop", "theirs");
  assert.match((await buildx(...asked)).stderr, /CACHED/);
  assert.deepEqual(await volumes(), ["buildx_buildkit_theirs0_state"]);
  await buildx("rm", "theirs");
  assert.deepEqual([await containers(), await volumes()], [[], []]);

  // An image that is nowhere: said, with the remedy, and nothing is left.
  await ok("create", "--name", "none", "--driver", "docker-container", "--driver-opt", "image=127.0.0.1:1/none:1");
  const { code, output } = await slipway("bootstrap", "none");
  assert.equal(code, 1);
  assert.match(output, /can't pull 127\.0\.0\.1:1\/none:1: [^]*--driver-opt image=NAME/);
  await ok("rm", "none");
  assert.deepEqual(await containers(), []);
});
