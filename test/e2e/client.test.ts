// Our command line as the client of builders elsewhere: Docker Engine's own BuildKit, and our daemon. The same list for both.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MemoryRegistry } from "../../src/distribution/index.ts";
import { DockerPeer, withoutClassicDocker, withoutDocker } from "../integration/peers.ts";
import { exitOf } from "./children.ts";
import { program, Project } from "./project.ts";

const BASE = "FROM scratch AS base\nCOPY busybox /bin/busybox\nENV PATH=/bin\n";
const run = (command: string) => `RUN ["/bin/busybox","sh","-c",${JSON.stringify(command)}]\n`;

interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly stdout: string;
}

class Client {
  readonly project: Project;
  readonly env: Readonly<Record<string, string>>;

  constructor(project: Project, env: Readonly<Record<string, string>>) {
    this.project = project;
    const own = {
      SLIPWAY_CONFIG: join(project.dir, "config"),
      SLIPWAY_ROOT: project.state,
      BUILDKIT_PROGRESS: "plain",
    };
    this.env = { ...own, ...env };
  }

  slipway(...argv: readonly string[]): Promise<Outcome> {
    return new Promise((resolve) => {
      const env = { ...process.env, ...this.env };
      execFile(
        process.execPath,
        [program, ...argv],
        { cwd: this.project.dir, env, maxBuffer: 1 << 28 },
        (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr, stdout });
        },
      );
    });
  }

  /** Runs a command that must go well. */
  async ok(...argv: readonly string[]): Promise<string> {
    const { code, output } = await this.slipway(...argv);
    assert.equal(code, 0, `slipway ${argv.join(" ")}\n${output}`);
    return output;
  }

  read(path: string): string {
    return readFileSync(join(this.project.dir, path), "utf8");
  }
}

test("Docker Engine's own BuildKit as the builder", { skip: withoutDocker() }, async (t) => {
  await using registry = await MemoryRegistry.start();
  await using docker = await DockerPeer.start(registry.host);
  using project = new Project();
  const client = new Client(project, { DOCKER_HOST: docker.host, SLIPWAY_BUILDER: "engine" });
  assert.equal((await client.ok("create", "--name", "engine", "--driver", "docker", "--bootstrap")).trim(), "engine");
  await suite(t, client, registry.host);

  await t.test("images are made in the engine: nothing is sent", async () => {
    const dir = project.context(`${BASE}CMD ["busybox","echo","made there"]\n`);
    await client.ok("build", "-t", "app:engine", "--load", dir);
    const { stdout } = await docker.docker(["run", "--rm", "--network=none", "app:engine"]);
    assert.equal(stdout, "made there\n");
  });
});

test(
  "an engine with the classic image store: what it can't do is refused at once",
  { skip: withoutClassicDocker() },
  async () => {
    await using docker = await DockerPeer.start("127.0.0.1:1", "classic");
    using project = new Project();
    const client = new Client(project, { DOCKER_HOST: docker.host, SLIPWAY_BUILDER: "old" });
    await client.ok("create", "--name", "old", "--driver", "docker");
    const dir = project.context("FROM scratch\nCOPY busybox /\n");
    const reason = /is not supported by builder old \(unix:.*\): the engine has the classic image store\nhint: switch/;
    for (const argv of [
      ["-o", "type=oci,dest=x.tar"],
      ["--cache-to", "type=local,dest=cache"],
      ["--platform", "linux/amd64,linux/arm64"],
      ["--provenance=true"],
    ]) {
      const { code, output } = await client.slipway("build", ...argv, dir);
      assert.equal(code, 1);
      assert.match(output, reason);
    }
    await client.ok("build", "-o", "out", dir);
    assert.deepEqual(readFileSync(join(project.dir, "out/busybox")), readFileSync("/bin/busybox"));
    await client.ok("build", "-t", "classic:1", "--load", dir);
    assert.match((await docker.docker(["images"])).stdout, /classic/);
    assert.match(await client.ok("features", "old"), /local +no +not with the engine's classic image store/);
  },
);

test("our daemon as the builder", { skip: process.getuid?.() === 0 ? false : "the daemon needs root" }, async (t) => {
  await using registry = await MemoryRegistry.start();
  using project = new Project();
  const address = `unix://${project.dir}/d.sock`;
  const daemon = spawn(
    "unshare",
    ["-m", process.execPath, program, "daemon", "--addr", address, "--root", join(project.dir, "daemon")],
    {
      env: { ...process.env, SLIPWAY_NAMESPACE: "private" },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const ended = once(daemon, "exit");
  try {
    for (let tries = 0; tries < 100 && !existsSync(join(project.dir, "d.sock")); tries++) await sleep(100);
    const client = new Client(project, { SLIPWAY_BUILDER: "box" });
    await client.ok("create", "--name", "box", "--driver", "remote", "--bootstrap", address);
    await suite(t, client, registry.host);
  } finally {
    daemon.kill("SIGTERM");
    await ended;
  }
});

async function suite(t: TestContext, client: Client, registry: string): Promise<void> {
  const { project } = client;
  const dir = project.context(`${BASE}COPY sub /sub\nCOPY a.txt /a.txt\n`, { "a.txt": "a\n", "sub/b.txt": "b\n" });
  symlinkSync("b.txt", join(dir, "sub/link"));

  await t.test("inspect, ls and features say what it is", async () => {
    assert.match(await client.ok("inspect", "--bootstrap"), /Status: +running/);
    assert.match(await client.ok("ls"), /running/);
    assert.match(await client.ok("features", nameOf(await client.ok("ls", "--format", "json"))), /multi-platform +yes/);
  });

  await t.test("outputs: local, tar, oci, docker, a layout", async () => {
    await client.ok("build", "-o", "local", dir);
    assert.equal(client.read("local/sub/link"), "b\n");
    mkdirSync(join(project.dir, "local/extra"));
    await client.ok("build", "-o", "type=local,dest=local,mode=delete", dir);
    assert.ok(!existsSync(join(project.dir, "local/extra")));
    await client.ok("build", "-o", "type=tar,dest=out.tar", dir);
    assert.match(tarList(join(project.dir, "out.tar")), /sub\/link/);
    for (const type of ["oci", "docker"]) {
      await client.ok("build", "-t", "out:1", "-o", `type=${type},dest=${type}.tar`, dir);
      assert.match(tarList(join(project.dir, `${type}.tar`)), /index\.json/);
    }
    await client.ok("build", "-t", "out:1", "-o", "type=oci,tar=false,dest=layout", dir);
    const { manifests } = JSON.parse(client.read("layout/index.json")) as {
      manifests: { annotations: Record<string, string> }[];
    };
    assert.equal(manifests[0]?.annotations["org.opencontainers.image.ref.name"], "1");
  });

  await t.test("a context that is unchanged, then changed", async () => {
    await client.ok("build", "-o", "again", dir);
    writeFileSync(join(dir, "a.txt"), "changed\n");
    await client.ok("build", "-o", "again", dir);
    assert.equal(client.read("again/a.txt"), "changed\n");
  });

  await t.test("secrets", async () => {
    const command = "busybox test $(busybox cat /run/secrets/tok) = s3cret && busybox echo ok > /ok";
    const secret = project.context(
      `${BASE}RUN --mount=type=secret,id=tok ["/bin/busybox","sh","-c",${JSON.stringify(command)}]\nFROM scratch\nCOPY --from=base /ok /\n`,
    );
    writeFileSync(join(project.dir, "token"), "s3cret");
    await client.ok("build", "--secret", "id=tok,src=token", "-o", "secret", secret);
    assert.equal(client.read("secret/ok"), "ok\n");
    const required = project.context(`${BASE}RUN --mount=type=secret,id=none,required=true ["/bin/busybox","true"]\n`);
    const { code, output } = await client.slipway("build", required);
    assert.equal(code, 1);
    assert.match(output, /secret none: not found/);
  });

  const keygen = existsSync("/usr/bin/ssh-keygen");
  await t.test("ssh", { skip: keygen ? false : "no ssh-keygen; install openssh-client" }, async () => {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(project.dir, "key")]);
    const command = "busybox test -S $SSH_AUTH_SOCK && busybox echo agent > /ok";
    const ssh = project.context(
      `${BASE}RUN --mount=type=ssh ["/bin/busybox","sh","-c",${JSON.stringify(command)}]\nFROM scratch\nCOPY --from=base /ok /\n`,
    );
    await client.ok("build", "--ssh", "default=key", "-o", "ssh", ssh);
    assert.equal(client.read("ssh/ok"), "agent\n");
  });

  await t.test("named contexts: a folder, and an OCI layout", async () => {
    mkdirSync(join(project.dir, "other"), { recursive: true });
    writeFileSync(join(project.dir, "other/file"), "other\n");
    const named = project.context("FROM layout\nCOPY --from=more file /more\n");
    await client.ok(
      "build",
      "--build-context",
      "more=other",
      "--build-context",
      "layout=oci-layout://layout:1",
      "-o",
      "named",
      named,
    );
    assert.equal(client.read("named/more"), "other\n");
    assert.equal(client.read("named/sub/b.txt"), "b\n");
  });

  await t.test("a context from standard input", async () => {
    execFileSync("tar", ["-C", dir, "-cf", join(project.dir, "context.tar"), "."]);
    execFileSync("sh", ["-c", `"$0" "$1" build -q -o stdin - < context.tar`, process.execPath, program], {
      cwd: project.dir,
      env: { ...process.env, ...client.env },
    });
    assert.equal(client.read("stdin/a.txt"), client.read("again/a.txt"));
  });

  await t.test("caches: local, registry, inline", async () => {
    const cached = project.context(`${BASE}${run("busybox date > /made")}`);
    await client.ok("build", "--cache-to", "type=local,dest=cache,mode=max", "-o", "first", cached);
    await client.ok("prune", "-af");
    assert.match(await client.ok("build", "--cache-from", "type=local,src=cache", "-o", "second", cached), /CACHED/);
    assert.equal(client.read("second/made"), client.read("first/made"));
    const ref = `${registry}/caches/a:cache`;
    await client.ok("build", "--cache-to", `type=registry,ref=${ref},mode=max`, cached);
    await client.ok("prune", "-af");
    await client.ok("build", "--cache-from", `type=registry,ref=${ref}`, "-o", "third", cached);
    assert.equal(client.read("third/made"), client.read("first/made"));
    const image = `${registry}/caches/inline:1`;
    await client.ok("build", "-t", image, "--push", "--cache-to", "type=inline", "--provenance=false", cached);
    await client.ok("prune", "-af");
    await client.ok("build", "--cache-from", image, "-o", "fourth", cached);
    assert.equal(client.read("fourth/made"), client.read("first/made"));
    const { code } = await client.slipway("build", "--cache-from", "type=local,src=nowhere", "-o", "fifth", cached);
    assert.equal(code, 0);
  });

  await t.test("questions: check, outline, targets", async () => {
    const asked = project.context("# hello\nFROM scratch as one\nCOPY busybox /\n");
    const check = await client.slipway("build", "--check", asked);
    assert.match(check.stdout, /FromAsCasing/);
    assert.match((await client.slipway("build", "--call=targets", asked)).stdout, /one/);
    assert.match((await client.slipway("build", "--call=outline,format=json", asked)).stdout, /"sources"/);
  });

  await t.test("metadata and image ID files", async () => {
    await client.ok("build", "-t", "meta:1", "--metadata-file", "meta.json", "--iidfile", "iid", dir);
    const metadata = JSON.parse(client.read("meta.json")) as Record<string, string>;
    assert.match(metadata["containerimage.digest"] ?? "", /^sha256:/);
    assert.match(client.read("iid"), /^sha256:/);
  });

  await t.test("errors show the Dockerfile", async () => {
    const bad = project.context(`${BASE}${run("busybox echo out; exit 7")}`);
    const failed = await client.slipway("build", bad);
    assert.equal(failed.code, 1);
    assert.match(failed.output, /4 \| >>> RUN \["\/bin\/busybox","sh","-c","busybox echo out; exit 7"\]/);
    assert.match(failed.output, /exit code: 7/);
    const unknown = await client.slipway("build", project.context("FROM scratch\nCOPYY a b\n"));
    assert.match(unknown.output, /2 \| >>> COPYY a b/);
    assert.match(unknown.output, /unknown instruction: COPYY/);
    const missing = await client.slipway("build", project.context("FROM scratch\nCOPY nofile /\n"));
    assert.match(missing.output, /"\/nofile": not found/);
  });

  await t.test("history: what ran, what it said, why it failed", async () => {
    const failing = project.context(
      `FROM scratch AS history\nCOPY busybox /bin/busybox\n${run("busybox echo said; exit 3")}`,
    );
    await client.slipway("build", failing);
    assert.match(await client.ok("history", "ls", "--filter", "status=error"), /Error/);
    assert.match(await client.ok("history", "logs"), /said\n/);
    const inspected = await client.ok("history", "inspect");
    assert.match(inspected, /3 \| >>> RUN/);
    const { Ref } = JSON.parse(await client.ok("history", "inspect", "--format", "json")) as { Ref: string };
    await client.ok("history", "export", "-o", "record.dockerbuild", Ref);
    assert.match(tarList(join(project.dir, "record.dockerbuild")), /index\.json/);
    assert.equal((await client.ok("history", "rm", Ref)).trim(), Ref);
    assert.doesNotMatch(await client.ok("history", "ls"), new RegExp(Ref));
  });

  await t.test("bake: targets that others start from", async () => {
    writeFileSync(
      join(project.dir, "docker-bake.json"),
      JSON.stringify({
        group: { default: { targets: ["one", "two"] } },
        target: {
          one: { context: dir, output: ["type=local,dest=baked/one"] },
          two: {
            "dockerfile-inline": "FROM base\nCOPY --from=base /a.txt /copied\n",
            contexts: { base: "target:one" },
            output: ["type=local,dest=baked/two"],
          },
        },
      }),
    );
    await client.ok("bake", "--allow=fs=*");
    assert.equal(client.read("baked/two/copied"), client.read("baked/one/a.txt"));
  });

  await t.test("du and prune", async () => {
    assert.match(await client.ok("du"), /Total:/);
    assert.match(await client.ok("prune", "-af"), /Total:/);
  });

  await t.test("a cancelled build ends there too", async () => {
    const slow = project.context(`${BASE}${run("busybox sleep 600")}`);
    const child = spawn(process.execPath, [program, "build", slow], {
      cwd: project.dir,
      env: { ...process.env, ...client.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let seen = "";
    for await (const chunk of child.stderr) {
      seen += String(chunk);
      if (!child.killed && /RUN \["\/bin\/busybox","sh","-c","busybox sleep 600"\]/.test(seen)) child.kill("SIGINT");
    }
    assert.equal(await exitOf(child), 130, seen);
  });

  await t.test("a builder that is not there", async () => {
    await client.ok("create", "--name", "gone", "--driver", "remote", "unix:///no/such.sock");
    const { code, output } = await client.slipway("build", "--builder", "gone", dir);
    assert.equal(code, 1);
    assert.match(output, /can't connect to unix:\/\/\/no\/such\.sock/);
    assert.match(await client.ok("rm", "gone"), /gone removed/);
    assert.match((await client.slipway("build", "--builder", "gone", dir)).output, /no builder "gone" found/);
  });
}

function nameOf(json: string): string {
  const rows = json
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { Name: string; Current: boolean });
  return rows.find(({ Current }) => Current)!.Name;
}

function tarList(path: string): string {
  return execFileSync("tar", ["tf", path], { encoding: "utf8" });
}
