// The supervisor against clients that mean it no good, built with the address and undefined-behaviour sanitizers: frames of any kind and
// size, cut off anywhere; entries of copies that climb, overlap and lie about their sizes. It must go on, and the container with it.
// SLIPWAY_SEED repeats a run; SLIPWAY_FUZZ_FRAMES says how many frames.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openContainers } from "../../src/running/containers/index.ts";
import type { ContainerConfig } from "../../src/running/containers/index.ts";
import { Project } from "../e2e/project.ts";

const home = join(import.meta.dirname, "../..");
const skip =
  process.getuid?.() !== 0
    ? "containers need root"
    : spawnSync("cc", ["--version"]).status === 0
      ? false
      : "no C compiler: the sanitizers can't be built in";
const seed = Number(process.env["SLIPWAY_SEED"] ?? Date.now() % 1_000_000);
const frames = Number(process.env["SLIPWAY_FUZZ_FRAMES"] ?? 3000);

let folder: string;
let project: Project;
let program: string;

before(() => {
  if (skip !== false) return;
  folder = mkdtempSync(join(tmpdir(), "slipway-hostile-"));
  const checked = join(folder, "checked");
  const built = spawnSync(process.execPath, [join(home, "scripts/native.ts"), "--check", checked], {
    encoding: "utf8",
  });
  assert.equal(built.status, 0, built.stderr);
  program = join(folder, "supervisor");
  mkdirSync(join(folder, "reports"));
  const options = `log_path=${join(folder, "reports/asan")}:detect_leaks=0:halt_on_error=1`;
  const undefinedOptions = `log_path=${join(folder, "reports/ubsan")}:halt_on_error=1`;
  writeFileSync(program, `#!/bin/sh\nASAN_OPTIONS=${options} UBSAN_OPTIONS=${undefinedOptions} exec ${checked} "$@"\n`);
  chmodSync(program, 0o755);
  process.env["SLIPWAY_SUPERVISOR"] = program;
  project = new Project();
  const context = project.context(
    'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n',
  );
  const { code, output } = project.slipway(["build", "-q", "-t", "box", context]);
  assert.equal(code, 0, output);
});

after(() => {
  if (skip !== false) return;
  delete process.env["SLIPWAY_SUPERVISOR"];
  project[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function reports(): string {
  const names = readdirSync(join(folder, "reports"));
  return names.map((name) => readFileSync(join(folder, "reports", name), "utf8")).join("\n");
}

function generator(from: number): (below: number) => number {
  let state = from;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const config: ContainerConfig = {
  image: "box",
  command: ["sh", "-c", "trap 'exit 4' TERM; while :; do echo line; sleep 0.02; done"],
  env: [],
  labels: {},
  tty: false,
  openStdin: true,
  autoRemove: false,
  network: {
    mode: { kind: "none" },
    ports: [],
    publishAll: false,
    exposed: [],
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    extraHosts: [],
  },
  mounts: [],
};

function someFrame(random: (below: number) => number): Buffer {
  const types = "AGNIEDRPUKSxyz\u0000\u00ff";
  const type = types[random(types.length)]!;
  let content = Buffer.alloc([0, 1, 4, 7, 100, 5000, 65_536][random(7)]!, random(256));
  // What would end or hold the container is asked for in ways that are none.
  if (type === "K") content = Buffer.from(["", "0", "99", "-1", "28", "x".repeat(5000)][random(6)]!);
  if (type === "S") content = Buffer.from(["", "70 1", "x", "-5 1"][random(4)]!);
  if (type === "P" || type === "U") content = Buffer.alloc(0);
  const head = Buffer.alloc(8);
  head.write(type, 0, "latin1");
  const lie = random(12);
  head.writeUInt32BE(lie === 0 ? random(2 ** 31) : lie === 1 ? 65_537 : content.length, 4);
  if (lie === 2) head[1 + random(3)] = 1 + random(255);
  const whole = Buffer.concat([head, content]);
  return random(8) === 0 ? whole.subarray(0, random(whole.length + 1)) : whole;
}

async function oneClient(dir: string, random: (below: number) => number): Promise<number> {
  const socket = connect(join(dir, "control"));
  socket.on("error", () => undefined);
  const count = 1 + random(12);
  for (let at = 0; at < count; at++) socket.write(someFrame(random));
  // Some read, some never do, some are gone at once.
  if (random(2) === 0) socket.resume();
  if (random(3) > 0) await sleep(random(15));
  socket.destroy();
  return count;
}

test("frames of any kind leave the supervisor and its container as they were", { skip }, async (context) => {
  context.diagnostic(`SLIPWAY_SEED=${seed}`);
  await using containers = await openContainers({ root: project.state });
  const { id, dir } = await containers.create(config);
  try {
    await containers.start(id);
    const random = generator(seed);
    for (let sent = 0; sent < frames;) {
      const batch = await Promise.all(Array.from({ length: 6 }, () => oneClient(dir, random)));
      sent += batch.reduce((sum, each) => sum + each, 0);
      assert.equal(reports(), "");
    }
    await containers.unpause(id).catch(() => undefined);
    assert.equal((await containers.inspect(id)).state.status, "running");
    await containers.stop(id, { timeoutSec: 10 });
    assert.equal((await containers.inspect(id)).state.exitCode, 4);
    assert.equal(reports(), "");
  } finally {
    await containers.remove(id, { force: true });
  }
});

const HEAD = 52;

function someEntries(random: (below: number) => number): Buffer {
  const parts: Buffer[] = [];
  const names = [
    "a",
    "a/b",
    "../out",
    "/abs",
    "a/../../out",
    "link",
    "link/x",
    "",
    "x".repeat(300),
    "..",
    ".",
    "a/./b",
    "hard",
  ];
  for (let at = 0; at < 1 + random(8); at++) {
    const type = "fdlhn?e"[random(7)]!;
    const path = Buffer.from(names[random(names.length)]!);
    const link = Buffer.from(["/etc", "..", "a", "", "../../etc/passwd"][random(5)]!);
    const data = Buffer.alloc(type === "f" ? random(300) : 0, 120);
    const head = Buffer.alloc(HEAD);
    head.write(type, 0, "latin1");
    head.writeUInt32LE([0o100644, 0o40755, 0o120777, 0o010644, 0o777][random(5)]!, 4);
    head.writeUInt32LE(random(8) === 0 ? random(2 ** 32) : path.length, 24);
    head.writeUInt32LE(random(8) === 0 ? random(2 ** 32) : link.length, 28);
    head.writeUInt32LE(random(10) === 0 ? 2_000_000_000 : 5, 40);
    head.writeBigUInt64LE(random(10) === 0 ? 1n << 62n : BigInt(data.length), 44);
    parts.push(head, path, link, data);
  }
  const whole = Buffer.concat(parts);
  return random(4) === 0 ? whole.subarray(0, random(whole.length + 1)) : whole;
}

test("entries of a copy stay inside, whatever they say", { skip }, () => {
  const random = generator(seed + 1);
  const outside = join(folder, "outside");
  const root = join(outside, "root");
  for (let round = 0; round < Math.ceil(frames / 20); round++) {
    mkdirSync(join(root, "in"), { recursive: true });
    const input = someEntries(random);
    const { stdout } = spawnSync(program, ["copy-in", root, "/in"], { input, timeout: 20_000 });
    assert.equal(reports(), "", `round ${round}`);
    // It says how it ended: with the end mark, or why not.
    if (stdout.length > 0) assert.ok("ex".includes(String.fromCharCode(stdout[0]!)));
    assert.deepEqual(readdirSync(outside), ["root"]);
    assert.ok(!existsSync("/out") && lstatSync("/etc").isDirectory());
    rmSync(outside, { recursive: true, force: true });
  }
});
