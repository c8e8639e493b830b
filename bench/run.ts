// `npm run bench`: the comparison with every peer (`compare.ts`); `ci`, `compose`, `containers`, `daemon` and `fleet` are programs of their own, and `bare [NAME…]` is the older
// short table of promises against bare tools.
// Needs root, a few GB of disk, and nothing else running on the machine.

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { benchCi } from "./ci/run.ts";
import { benchCompose } from "./compose/run.ts";
import { benchContainers } from "./containers/run.ts";
import { compare } from "./compare.ts";
import { benchDaemon } from "./daemon/run.ts";
import { fleetTable } from "./fleet/run.ts";
import { folderFromOutside } from "./harness/own-namespaces.ts";
import { best, inTurns, mb, minus, run, times } from "./measure.ts";
import type { Run } from "./measure.ts";
import { hasProgram } from "./peers/programs.ts";

const home = join(import.meta.dirname, "..");
const slipway = join(home, "slipway");
const folder = folderFromOutside() ?? mkdtempSync(join(process.env["SLIPWAY_BENCH_DIR"] ?? tmpdir(), "slipway-bench-"));
const root = join(folder, "state");
const rows: string[][] = [];
let peak = 0;

function build(context: string, ...args: string[]): Run {
  const result = run([slipway, "build", "--root", root, "--progress", "quiet", ...args, context]);
  peak = Math.max(peak, result.peakBytes);
  return result;
}

/** A context folder with a Dockerfile and what `fill` puts in. */
function context(name: string, dockerfile: string, fill: (dir: string) => void = () => {}): string {
  const dir = join(folder, name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "Dockerfile"), dockerfile);
  fill(dir);
  return dir;
}

function manyFiles(dir: string, count: number, sizeBytes = 2200): void {
  const text = Buffer.alloc(sizeBytes, "slipway ");
  for (let at = 0; at < count; at++) {
    const sub = join(dir, `d${Math.floor(at / 500)}`);
    if (at % 500 === 0) mkdirSync(sub, { recursive: true });
    writeFileSync(join(sub, `f${at}`), Buffer.concat([text, Buffer.from(String(at))]));
  }
}

/** One line of the table. Ratios are ours to theirs. */
function row(what: string, ours: Run, theirs: { name: string; run: Run | undefined }, target: string): void {
  const against = theirs.run === undefined ? theirs.name : `${theirs.name} ${times(theirs.run)}`;
  const ratio =
    theirs.run === undefined
      ? ""
      : `${(ours.wallMs / theirs.run.wallMs).toFixed(2)} (${(ours.cpuMs / theirs.run.cpuMs).toFixed(2)} CPU)`;
  rows.push([what, times(ours), against, ratio, target]);
  console.log(`${rows.at(-1)!.join(" | ")}`);
}

const BASE = 'FROM scratch AS base\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox","--install","-s","/bin"]\n';
const withBusybox = (dir: string) => cpSync("/bin/busybox", join(dir, "busybox"));

const benches: Record<string, () => void> = {
  rebuild() {
    const stages = [1, 2, 3, 4, 5]
      .map((n) => `FROM base AS s${n}\nCOPY d${n % 4} /src\nRUN echo ${n} > /out${n}\n`)
      .join("");
    const last = `FROM base\n${[1, 2, 3, 4, 5].map((n) => `COPY --from=s${n} /out${n} /\n`).join("")}COPY . /all\n`;
    const dir = context("rebuild", BASE + stages + last, (to) => {
      withBusybox(to);
      manyFiles(to, 2000);
    });
    build(dir);
    build(dir);
    const ours = best(7, () => build(dir));
    row("rebuild, nothing changed, 6 stages, 2,000 files", ours, peerBuild(dir), "< 400 ms");
  },
  steps() {
    const steps = (salt: string) => BASE + Array.from({ length: 20 }, (_, n) => `RUN : ${salt} ${n}\n`).join("");
    const dir = context("steps", steps("warm"), withBusybox);
    build(dir);
    const one = (salt: string, count: number) => {
      writeFileSync(
        join(dir, "Dockerfile"),
        BASE + Array.from({ length: count }, (_, n) => `RUN : ${salt} ${n}\n`).join(""),
      );
      return build(dir);
    };
    const long = best(5, () => one(String(process.hrtime.bigint()), 21));
    const short = best(5, () => one(String(process.hrtime.bigint()), 1));
    const all = minus(long, short);
    const perStep: Run = { ...all, wallMs: all.wallMs / 20, cpuMs: all.cpuMs / 20 };
    const runtime = hasProgram("crun") ? "crun" : "runc";
    const target = runtime === "crun" ? "< 15 ms" : "< 40 ms";
    row(`trivial RUN step (${runtime})`, perStep, { name: `bare ${runtime}`, run: bareRuntime(runtime) }, target);
  },
  parallel() {
    const dir = context(
      "parallel",
      `${BASE}FROM base AS a\nRUN sleep 5; echo ${Date.now()} > /a\nFROM base AS b\nRUN sleep 5; echo ${Date.now()} > /b\nFROM base\nCOPY --from=a /a /\nCOPY --from=b /b /\n`,
      withBusybox,
    );
    row("two independent steps of 5 s", build(dir), { name: "", run: undefined }, "< 6 s");
  },
  copy() {
    const files = context("copy-files", "FROM scratch\nCOPY data /data\n", (to) => manyFiles(join(to, "data"), 50_000));
    compareCopy("COPY of 50,000 small files", files);
    const big = context("copy-big", "FROM scratch\nCOPY data /data\n", (to) => {
      mkdirSync(join(to, "data"));
      execFileSync("dd", ["if=/dev/urandom", `of=${join(to, "data/big")}`, "bs=1M", "count=1024", "status=none"]);
    });
    compareCopy("COPY of a 1 GB file", big);
  },
  context() {
    const dir = context("context", "FROM scratch\nCOPY . /\n", (to) => manyFiles(to, 100_000, 100));
    build(dir);
    build(dir);
    const [ours, find] = inTurns(
      4,
      () => build(dir),
      () => run(["find", dir, "-printf", "%s %T@ %C@\n"]),
    );
    row("context of 100,000 unchanged files", ours, { name: "find -printf", run: find }, "< 1 s");
  },
};

/**
 * COPY without what a build costs anyway, against `cp -a` of the same folder on the same disk. What each made is removed before the
 * next run: memory that a virtual machine never used before is several times slower than memory that it has.
 */
function compareCopy(what: string, dir: string): void {
  const empty = context("copy-empty", "FROM scratch\nCOPY Dockerfile /\n");
  const emptyStore = () => {
    run([slipway, "prune", "--root", root, "-a", "-f"]);
    rmSync(join(folder, "cp"), { recursive: true, force: true });
    execFileSync("sync");
  };
  const withoutExport = (each: string) => build(each, "--no-cache", "-o", "type=cacheonly");
  const base = best(4, () => withoutExport(empty));
  const [ours, cp] = inTurns(
    4,
    () => {
      emptyStore();
      return withoutExport(dir);
    },
    () => {
      emptyStore();
      return run(["cp", "-a", join(dir, "data"), join(folder, "cp")]);
    },
  );
  row(what, minus(ours, base), { name: "cp -a", run: cp }, "< 1.5x");
}

function bareRuntime(name: string): Run {
  const bundle = join(folder, "bundle");
  mkdirSync(join(bundle, "rootfs/bin"), { recursive: true });
  cpSync("/bin/busybox", join(bundle, "rootfs/bin/sh"));
  execFileSync(name, ["spec"], { cwd: bundle });
  const spec = JSON.parse(execFileSync("cat", [join(bundle, "config.json")], { encoding: "utf8" })) as {
    process: { terminal: boolean; args: string[] };
    linux: { resources?: unknown };
    mounts: { type: string }[];
  };
  spec.process.terminal = false;
  spec.process.args = ["sh", "-c", ":"];
  delete spec.linux.resources;
  spec.mounts = spec.mounts.filter((mount) => mount.type !== "cgroup");
  writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
  const hybrid = name === "crun" && existsSync("/sys/fs/cgroup/unified");
  const once = `${name} ${hybrid ? "--cgroup-manager=disabled" : ""} run -b ${bundle} bench`;
  const script = `${hybrid ? "mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup;" : ""} for i in $(seq 20); do ${once}; done`;
  const all = best(5, () => run(["unshare", "-m", "sh", "-c", script]));
  return { ...all, wallMs: all.wallMs / 20, cpuMs: all.cpuMs / 20 };
}

/** The same rebuild by buildah, which needs no daemon either. */
function peerBuild(dir: string): { name: string; run: Run | undefined } {
  if (!hasProgram("buildah")) return { name: "buildah is not installed", run: undefined };
  const store = join(folder, "buildah");
  const argv = [
    "buildah",
    "--root",
    store,
    "--runroot",
    `${store}-run`,
    "--storage-driver",
    "overlay",
    "build",
    "--runtime",
    "runc",
    "--layers",
    "-q",
    dir,
  ];
  try {
    run(argv);
    return { name: "buildah", run: best(3, () => run(argv)) };
  } catch (error) {
    return { name: `buildah failed: ${String(error).split("\n").at(-2) ?? ""}`, run: undefined };
  }
}

function benchBuilds(names: readonly string[]): void {
  for (const [name, bench] of Object.entries(benches)) if (names.length === 0 || names.includes(name)) bench();
  rows.push(["peak memory of any build above", mb(peak), "", "", "< 300 MB"]);
  console.log(
    `\n| what | slipway | against | ratio | target |\n|---|---|---|---|---|\n${rows.map((each) => `| ${each.join(" | ")} |`).join("\n")}`,
  );
}

try {
  const names = process.argv.slice(2);
  if (names[0] === "bare") benchBuilds(names.slice(1));
  else if (names[0] === "ci") await benchCi(names.slice(1), slipway, folder);
  else if (names[0] === "compose") await benchCompose(Number(names[1] ?? 5));
  else if (names[0] === "containers") await benchContainers(Number(names[1] ?? 20));
  else if (names[0] === "daemon") await benchDaemon(names.slice(1), folder, slipway);
  else if (names[0] === "fleet") console.log(fleetTable());
  else await compare(names, slipway, folder);
} catch (error) {
  // What failed first comes first; Node prints the last alone.
  const all: unknown[] = [];
  for (let each: unknown = error; each instanceof SuppressedError; each = each.suppressed) all.unshift(each.error);
  console.error([...(error instanceof SuppressedError ? [innermost(error)] : [error]), ...all].map(String).join("\n"));
  process.exitCode = 1;
} finally {
  spawnSync("umount", ["-q", join(folder, "buildah/overlay")], { stdio: "ignore" });
  rmSync(folder, { recursive: true, force: true });
}

function innermost(error: unknown): unknown {
  return error instanceof SuppressedError ? innermost(error.suppressed) : error;
}
