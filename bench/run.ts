// The speed promises, measured: each against a peer or a bare tool in the same run, printed as ratios. `npm run bench [NAME…]`.
// Needs root, a few GB of disk, and nothing else running on the machine.

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { best, mb, ms, run } from "./measure.ts";
import type { Run } from "./measure.ts";

const home = join(import.meta.dirname, "..");
const slipway = join(home, "slipway");
const folder = mkdtempSync(join(process.env["SLIPWAY_BENCH_DIR"] ?? tmpdir(), "slipway-bench-"));
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

function row(what: string, ours: string, against: string, ratio: number | undefined, target: string): void {
  rows.push([what, ours, against, ratio === undefined ? "" : `${ratio.toFixed(2)}x`, target]);
  console.log(
    `${what}: ${ours} | ${against}${ratio === undefined ? "" : ` | ${ratio.toFixed(2)}x`} | target ${target}`,
  );
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
    const ours = best(5, () => build(dir));
    const peer = peerBuild(dir);
    row(
      "rebuild, nothing changed, 6 stages, 2,000 files",
      ms(ours.wallMs),
      peer.text,
      peer.ratio(ours.wallMs),
      "< 400 ms",
    );
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
      return build(dir).wallMs;
    };
    const perStep = Math.min(...[1, 2, 3].map((at) => (one(`a${at}`, 21) - one(`b${at}`, 1)) / 20));
    const runtime = existsSync("/usr/bin/crun") ? "crun" : "runc";
    const bare = bareRuntime(runtime);
    row(
      `trivial RUN step (${runtime})`,
      ms(perStep),
      `bare ${runtime} ${ms(bare)}`,
      perStep / bare,
      runtime === "crun" ? "< 15 ms" : "< 40 ms",
    );
  },
  parallel() {
    const dir = context(
      "parallel",
      `${BASE}FROM base AS a\nRUN sleep 5; echo ${Date.now()} > /a\nFROM base AS b\nRUN sleep 5; echo ${Date.now()} > /b\nFROM base\nCOPY --from=a /a /\nCOPY --from=b /b /\n`,
      withBusybox,
    );
    const ours = build(dir);
    row("two independent steps of 5 s", ms(ours.wallMs), "one 5.00 s", ours.wallMs / 5000, "< 6 s");
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
    const ours = best(3, () => build(dir));
    const find = best(3, () => run(["find", dir, "-printf", "%s %T@ %C@\n"]));
    row(
      "context of 100,000 unchanged files",
      ms(ours.wallMs),
      `find -printf ${ms(find.wallMs)}`,
      ours.wallMs / find.wallMs,
      "< 1 s",
    );
  },
};

/** COPY without what a build costs anyway, against `cp -a` of the same folder on the same disk; hashing and commit included. */
function compareCopy(what: string, dir: string): void {
  const empty = context("copy-empty", "FROM scratch\nCOPY Dockerfile /\n");
  build(empty);
  const ours = Math.min(
    ...[1, 2, 3].map((at) => {
      writeFileSync(join(dir, "Dockerfile"), `FROM scratch\nCOPY data /data${at}\n`);
      const base = best(2, () => build(empty)).wallMs;
      return build(dir, "-o", `type=tar,dest=/dev/null`, "--no-cache").wallMs - base;
    }),
  );
  const cp = best(3, () => {
    rmSync(join(folder, "cp"), { recursive: true, force: true });
    return run(["cp", "-a", join(dir, "data"), join(folder, "cp")]);
  });
  row(what, ms(ours), `cp -a ${ms(cp.wallMs)}`, ours / cp.wallMs, "< 1.5x");
}

function bareRuntime(name: string): number {
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
  return best(3, () => run(["unshare", "-m", "sh", "-c", script])).wallMs / 20;
}

/** The same rebuild by buildah, which needs no daemon either. */
function peerBuild(dir: string): { text: string; ratio: (ours: number) => number | undefined } {
  if (!existsSync("/usr/bin/buildah")) return { text: "buildah is not installed", ratio: () => undefined };
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
    const again = best(2, () => run(argv));
    return { text: `buildah ${ms(again.wallMs)}`, ratio: (ours) => ours / again.wallMs };
  } catch (error) {
    return { text: `buildah failed: ${String(error).split("\n").at(-2) ?? ""}`, ratio: () => undefined };
  }
}

try {
  const names = process.argv.slice(2);
  for (const [name, bench] of Object.entries(benches)) if (names.length === 0 || names.includes(name)) bench();
  row("peak memory of any build above", mb(peak), "", undefined, "< 300 MB");
  console.log(
    `\n| what | slipway | against | ratio | target |\n|---|---|---|---|---|\n${rows.map((each) => `| ${each.join(" | ")} |`).join("\n")}`,
  );
} finally {
  spawnSync("umount", ["-q", join(folder, "buildah/overlay")], { stdio: "ignore" });
  rmSync(folder, { recursive: true, force: true });
}
