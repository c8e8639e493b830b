// Crash safety of containers: many are started and stopped, and whatever takes part (the command, the supervisor, the runtime, the
// container) is killed with -9 at random instants. After the next command that looks nothing may be left: no process, mount,
// control group, runtime state, address, rule or file. SLIPWAY_CONTAINER_ROUNDS and SLIPWAY_CONTAINER_KILLS set how many; the
// issue's numbers are 1000 and 200.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Project, program } from "./project.ts";

const needsRoot = process.getuid?.() === 0 ? false : "containers need root";
const rounds = Number(process.env["SLIPWAY_CONTAINER_ROUNDS"] ?? 24);
const kills = Number(process.env["SLIPWAY_CONTAINER_KILLS"] ?? 16);
const network = process.env["SLIPWAY_CONTAINER_NETWORK"] ?? "none";

let project: Project;

before(() => {
  if (needsRoot !== false) return;
  project = new Project();
  const context = project.context(`FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
`);
  const { code, output } = project.slipway(["build", "-q", "-t", "box", context]);
  assert.equal(code, 0, output);
});

after(() => {
  if (needsRoot === false) project[Symbol.dispose]();
});

function environment(): Record<string, string | undefined> {
  return { ...process.env, SLIPWAY_ROOT: project.state };
}

function slipway(...argv: string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [program, ...argv], {
    encoding: "utf8",
    env: environment(),
    timeout: 120_000,
  });
  assert.equal(status, 0, `slipway ${argv.join(" ")}: ${stderr}`);
  return stdout;
}

function begin(...argv: string[]): ChildProcess {
  return spawn(process.execPath, [program, ...argv], { env: environment(), stdio: "ignore" });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

/** Processes that have to do with the project's state: by arguments, open files, roots and the folders they are in. */
function processes(): { pid: number; what: string }[] {
  const found: { pid: number; what: string }[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const args = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
    let cwd = "";
    try {
      cwd = readlinkSync(`/proc/${pid}/cwd`);
    } catch {
      // Gone, or a zombie.
    }
    const cgroup = read(`/proc/${pid}/cgroup`);
    const ours = args.includes(project.state) || cwd.startsWith(project.state) || ids.some((id) => cgroup.includes(id));
    if (ours) found.push({ pid, what: args || cwd || cgroup });
  }
  return found;
}

const ids: string[] = [];

function noteIds(): void {
  const folder = join(project.state, "containers");
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) if (/^[0-9a-f]{64}$/.test(name) && !ids.includes(name)) ids.push(name);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function cgroups(): string[] {
  const roots = ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name))];
  return roots
    .map((root) => join(root, "slipway"))
    .filter((path) => existsSync(path))
    .flatMap((path) =>
      readdirSync(path)
        .filter((name) => ids.includes(name))
        .map((name) => join(path, name)),
    );
}

async function assertNothingLeft(): Promise<void> {
  slipway("ps");
  // Views of images are the store's; here all commands share our mount namespace, which the launcher would not have them do.
  slipway("images");
  // A namespace that is being taken apart may take a moment.
  for (let attempt = 0; attempt < 100 && processes().length + cgroups().length > 0; attempt++) await sleep(50);
  assert.deepEqual(processes(), [], "processes");
  assert.deepEqual(cgroups(), [], "control groups");
  const folder = join(project.state, "containers");
  assert.deepEqual(
    readdirSync(folder).filter((name) => !["events", "events.1", "names"].includes(name)),
    [],
    "folders of containers",
  );
  assert.deepEqual(readdirSync(join(folder, "names")), [], "names");
  assert.ok(!read("/proc/mounts").includes(project.state), "mounts");
  const networks = join(project.state, "networks");
  for (const id of existsSync(networks) ? readdirSync(networks) : []) {
    const members = join(networks, id, "members");
    if (existsSync(members)) assert.deepEqual(readdirSync(members), [], "addresses");
  }
  const volumes = join(project.state, "volumes");
  assert.deepEqual(existsSync(volumes) ? readdirSync(volumes) : [], [], "volumes");
}

test("containers that come and go leave nothing", { skip: needsRoot }, async () => {
  const batch = 4;
  for (let done = 0; done < rounds; done += batch) {
    const runs = Array.from({ length: Math.min(batch, rounds - done) }, (_, at) =>
      begin(
        "run",
        "--rm",
        "--network",
        network,
        "-v",
        "/data",
        "box",
        "sh",
        "-c",
        at % 2 === 0 ? "echo x > /data/x" : "sleep 0.1; exit 3",
      ),
    );
    await Promise.all(runs.map(ended));
    noteIds();
  }
  await assertNothingLeft();
});

/** What may be killed: the command itself, or somebody who takes part by then. */
function victims(command: ChildProcess): number[] {
  const own = processes().filter(({ what }) => !what.includes(basename(program)));
  const children = own.flatMap(({ pid }) => childrenOf(pid));
  return [command.pid!, ...own.map(({ pid }) => pid), ...children];
}

function nameOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).split("\0")[0]!.split("/").at(-1)!;
}

function childrenOf(pid: number): number[] {
  const direct = read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
  return [...direct, ...direct.flatMap(childrenOf)];
}

test("whatever is killed with -9 at any instant, nothing is left", { skip: needsRoot }, async (context) => {
  const seed = Number(process.env["SLIPWAY_SEED"] ?? Date.now() % 1_000_000);
  context.diagnostic(`SLIPWAY_SEED=${seed}`);
  const random = mulberry(seed);
  const counts = new Map<string, number>();
  for (let round = 0; round < kills; round++) {
    const detached = random() < 0.3;
    const command = begin(
      "run",
      "--rm",
      ...(detached ? ["-d"] : []),
      "--network",
      network,
      "-v",
      "/data",
      "box",
      "sh",
      "-c",
      "echo x; sleep 0.3",
    );
    // Half of them at any instant of the command's life, half while there is a supervisor.
    if (random() < 0.5) await sleep(random() * 800);
    else {
      for (let attempt = 0; attempt < 200 && victims(command).length < 2; attempt++) await sleep(5);
      await sleep(random() * 200);
    }
    noteIds();
    const kinds = Map.groupBy(victims(command), (pid) => (pid === command.pid ? "command" : nameOf(pid)));
    const kind = [...kinds.keys()][Math.floor(random() * kinds.size)]!;
    const all = kinds.get(kind)!;
    const victim = all[Math.floor(random() * all.length)]!;
    try {
      process.kill(victim, "SIGKILL");
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    } catch {
      counts.set("gone", (counts.get("gone") ?? 0) + 1);
    }
    await ended(command);
    noteIds();
  }
  context.diagnostic(`killed: ${[...counts].map(([kind, count]) => `${kind} ${count}`).join(", ")}`);
  // Containers whose command alone was killed end by themselves.
  for (let attempt = 0; attempt < 200 && slipway("ps", "-q") !== ""; attempt++) await sleep(50);
  await assertNothingLeft();
});

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}
