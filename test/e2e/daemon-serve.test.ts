// How the daemon is reached and ended: certificates, plain tcp that is refused, sockets of systemd, standard streams, draining.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { control } from "../../src/formats/proto/index.ts";
import { Channel, serviceClient } from "../../src/system/rpc/index.ts";
import { Duplex } from "node:stream";
import type { Readable, Writable } from "node:stream";
import { withoutBuildx } from "../integration/peers.ts";
import { exitOf, hasEnded, until } from "./children.ts";
import { DaemonPeer, freePort } from "./daemon-peer.ts";
import { Project, program } from "./project.ts";

const skip = withoutBuildx() || (process.getuid?.() === 0 ? false : "steps need root here");

await suite("a daemon with certificates", { skip }, () => {
  const project = new Project();
  const tls = join(project.dir, "tls");
  let daemon: DaemonPeer;
  let port = 0;
  const at = (name: string) => join(tls, name);

  before(async () => {
    const made = project.slipway(["daemon", "init-tls", "--host", "builder.example", tls]);
    assert.equal(made.code, 0, made.output);
    port = await freePort();
    const files = ["--tlscacert", at("ca.pem"), "--tlscert", at("server.pem"), "--tlskey", at("server-key.pem")];
    daemon = await DaemonPeer.start(project, { args: ["--addr", `tcp://127.0.0.1:${port}`, ...files] });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    project[Symbol.dispose]();
  });

  test("keys are the owner's alone, and a second call keeps what is there", () => {
    for (const name of ["ca-key.pem", "server-key.pem", "client-key.pem"])
      assert.equal(statSync(at(name)).mode & 0o777, 0o600);
    const before = readFileSync(at("ca.pem"), "utf8");
    const again = project.slipway(["daemon", "init-tls", "--client", "other", tls]);
    assert.equal(again.code, 0, again.output);
    assert.equal(readFileSync(at("ca.pem"), "utf8"), before);
    assert.ok(existsSync(at("other.pem")));
    const checked = spawnSync("openssl", [
      "verify",
      "-x509_strict",
      "-CAfile",
      at("ca.pem"),
      at("server.pem"),
      at("client.pem"),
      at("other.pem"),
    ]);
    assert.equal(checked.status, 0, checked.stderr.toString());
  });

  test("buildx with a certificate builds", async () => {
    const options = `cacert=${at("ca.pem")},cert=${at("client.pem")},key=${at("client-key.pem")}`;
    const made = await daemon.buildxRaw([
      "create",
      "--name",
      "tls",
      "--driver",
      "remote",
      "--driver-opt",
      options,
      `tcp://127.0.0.1:${port}`,
    ]);
    assert.equal(made.code, 0, made.output);
    const dir = project.context("FROM scratch\nCOPY busybox /\n");
    const built = await daemon.buildxRaw(["--builder", "tls", "build", dir]);
    assert.equal(built.code, 0, built.output);
  });

  test("without one, or with one of another authority, it is turned away", async () => {
    const address = { kind: "tcp", host: "127.0.0.1", port } as const;
    const ca = readFileSync(at("ca.pem"));
    const info = async (tlsOptions: { ca: Buffer; cert?: Buffer; key?: Buffer }) => {
      await using channel = await Channel.dial(address, { tls: tlsOptions });
      return await serviceClient(control.Control, channel).info({});
    };
    await assert.rejects(info({ ca }));
    const foreign = join(project.dir, "foreign");
    assert.equal(project.slipway(["daemon", "init-tls", foreign]).code, 0);
    const [cert, key] = ["client.pem", "client-key.pem"].map((name) => readFileSync(join(foreign, name)));
    await assert.rejects(info({ ca, cert: cert!, key: key! }));
    await assert.rejects(
      info({ ca: readFileSync(join(foreign, "ca.pem")), cert: cert!, key: key! }),
      /certificate|signature/,
    );
    const good = await info({ ca, cert: readFileSync(at("client.pem")), key: readFileSync(at("client-key.pem")) });
    assert.equal(good.buildkitVersion?.package, "slipway");
  });
});

await suite("starting and ending", { skip }, () => {
  const project = new Project();
  after(() => project[Symbol.dispose]());

  test("tcp without certificates has to be said twice", () => {
    for (const args of [[], ["--no-tls"]]) {
      const { code, output } = project.slipway(["daemon", "--addr", "tcp://127.0.0.1:0", ...args]);
      assert.equal(code, 1);
      assert.match(output, /without TLS would let anybody[^]*hint: .*init-tls/);
    }
  });

  test("flags and files that can't be meant", () => {
    writeFileSync(join(project.dir, "bad.toml"), "debug = 3\n");
    const cases: [args: string[], message: RegExp][] = [
      [["--config", "bad.toml"], /bad\.toml: debug: takes true or false/],
      [["--config", "nothere.toml"], /nothere\.toml can't be read: ENOENT/],
      [["--addr", "udp://x"], /invalid address "udp:\/\/x"/],
      [["--allow-insecure-entitlement", "everything"], /unknown entitlement everything/],
      [["--tlscert", "x"], /can't be read|needs both/],
      [["--group", "no-such-group"], /there is no group no-such-group/],
    ];
    for (const [args, message] of cases) {
      const { code, output } = project.slipway(["daemon", ...args]);
      assert.equal(code, 1, output);
      assert.match(output, message);
    }
  });

  test("a configuration file; entitlements that it grants", async () => {
    mkdirSync(join(project.dir, "cfg"));
    writeFileSync(
      join(project.dir, "cfg/d.toml"),
      'insecure-entitlements = ["security.insecure"]\n[worker.oci.labels]\n  site = "here"\n[frontend."gateway.v0"]\n  enabled = false\n',
    );
    await using daemon = await DaemonPeer.start(project, { args: ["--config", join(project.dir, "cfg/d.toml")] });
    assert.match((await daemon.buildx(["inspect"])).output, /site:\s+here/);
    const dir = project.context(
      'FROM scratch\nCOPY busybox /bin/busybox\nRUN --security=insecure ["/bin/busybox", "grep", "CapEff", "/proc/self/status"]\n',
    );
    const built = await daemon.buildx(["build", "--allow", "security.insecure", dir]);
    assert.equal(built.code, 0, built.output);
    assert.match(built.output, /CapEff:\t0000003fffffffff|CapEff:\s+[0-9a-f]*fffff/);
    const syntax = await daemon.buildx([
      "build",
      project.context("# syntax=example.com/other/frontend\nFROM scratch\n"),
    ]);
    assert.match(syntax.output, /gateway.v0 is not allowed here/);
  });

  test("SIGTERM lets a build end; a new one is not taken", async () => {
    await using daemon = await DaemonPeer.start(project);
    const dir = project.context(
      'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sh", "-c", "/bin/busybox sleep 3; echo to the end"]\n',
    );
    const building = daemon.spawnBuildx(["--builder", "ours", "build", "--no-cache", dir]);
    let output = "";
    building.stderr!.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await until(
      () => /RUN \[/.test(output) || hasEnded(building),
      () => output,
    );
    const stopped = daemon.stop();
    await until(
      () => daemon.log.includes("draining"),
      () => daemon.log,
    );
    const late = await daemon.buildx(["build", "--no-cache", dir]);
    assert.equal(late.code, 1, late.output);
    assert.match(late.output, /about to end and takes no more builds/);
    assert.equal(await exitOf(building), 0, output);
    assert.match(output, /to the end/);
    assert.equal(await stopped, 0);
  });

  test("dial-stdio carries the API", async () => {
    await using daemon = await DaemonPeer.start(project);
    const child = spawn(process.execPath, [program, "dial-stdio", "--addr", daemon.address], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    using _ended = { [Symbol.dispose]: () => void child.kill("SIGKILL") };
    {
      await using channel = Channel.over(duplexOf(child.stdout, child.stdin));
      const { record } = await serviceClient(control.Control, channel).listWorkers({});
      assert.equal(record.length, 1);
    }
    child.stdin.end();
    assert.equal(await exitOf(child), 0);
  });

  test("a socket that systemd hands over", { skip: process.getuid?.() === 0 ? false : "needs root" }, async () => {
    const socket = join(project.dir, "activated.sock");
    // What systemd does: the socket as descriptor 3, and a mount namespace of the unit's own.
    const script = [
      "import os, socket, sys",
      "s = socket.socket(socket.AF_UNIX)",
      "s.bind(sys.argv[1])",
      "s.listen(10)",
      "os.dup2(s.fileno(), 3)",
      "os.set_inheritable(3, True)",
      "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))",
      "os.execvp(sys.argv[2], sys.argv[2:])",
    ].join("\n");
    const args = ["-m", "python3", "-c", script, socket, process.execPath, program, "daemon", "--addr", "fd://"];
    const child = spawn("unshare", args, {
      cwd: project.dir,
      env: { ...process.env, SLIPWAY_ROOT: project.state, SLIPWAY_NAMESPACE: "private" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    using _ended = { [Symbol.dispose]: () => void child.kill("SIGKILL") };
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await until(
      () => said.includes("listening") || hasEnded(child),
      () => said,
    );
    assert.match(said, /listening on fd:\/\/3/);
    {
      await using channel = await Channel.dial({ kind: "unix", path: socket });
      const { buildkitVersion } = await serviceClient(control.Control, channel).info({});
      assert.equal(buildkitVersion?.package, "slipway");
    }
    child.kill("SIGTERM");
    assert.equal(await exitOf(child), 0, said);
  });
});

function duplexOf(readable: Readable, writable: Writable): Duplex {
  return new Duplex({
    read() {
      readable.on("data", (chunk) => this.push(chunk) || readable.pause());
      readable.once("end", () => this.push(null));
      this._read = () => void readable.resume();
    },
    write: (chunk, encoding, callback) => void writable.write(chunk, encoding, callback),
    final: (callback) => void writable.end(callback),
  });
}
