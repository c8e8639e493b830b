// The daemon against the BuildKit inside Docker Engine 28, both driven by the same real buildx: contexts of one large file and of many small
// ones, a build with nothing changed, many builds at once, and memory over hundreds of builds. `npm run bench -- daemon`.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DockerPeer, withoutDocker, buildxProgram } from "../../test/integration/peers.ts";
import { inTurns, mb, ms, run } from "../measure.ts";
import type { Run } from "../measure.ts";

interface Sizes {
  readonly fileBytes: number;
  readonly files: number;
  readonly rounds: number;
  readonly atOnce: number;
  readonly inARow: number;
}

const FULL: Sizes = { fileBytes: 500_000_000, files: 50_000, rounds: 3, atOnce: 64, inARow: 500 };
const QUICK: Sizes = { fileBytes: 5_000_000, files: 500, rounds: 1, atOnce: 4, inARow: 5 };

/** Prints a table. `folder` is for everything that it makes; `slipway` starts a daemon. */
export async function benchDaemon(args: readonly string[], folder: string, slipway: string): Promise<void> {
  const why = withoutDocker();
  if (why !== false) throw new Error(`the daemon's benchmark needs Docker Engine 28 and buildx: ${why}`);
  const sizes = args.includes("--quick") ? QUICK : FULL;
  const dir = join(folder, "daemon");
  mkdirSync(dir, { recursive: true });
  await using daemon = await startDaemon(dir, slipway);
  await using docker = await DockerPeer.start("127.0.0.1:1");
  const ours = client(join(dir, "ours"), daemon.address);
  const theirs = client(join(dir, "theirs"), undefined, docker.host);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const tell = (...cells: string[]) => console.log(line(cells));
  tell("what", "slipway daemon", "against", "ratio", "target");
  tell("---", "---", "---", "---", "---");
  const compare = (name: string, dirOf: () => string, target: string, before: () => void = () => undefined) => {
    const once = (build: Build) => () => {
      before();
      const done = build(dirOf());
      return name.startsWith("context") ? { ...done, wallMs: done.transferMs } : done;
    };
    const [mine, their] = inTurns(sizes.rounds, once(ours), once(theirs));
    tell(name, ms(mine.wallMs), `${ms(their.wallMs)} (Docker 28)`, (mine.wallMs / their.wallMs).toFixed(2), target);
  };

  const big = context(dir, "big", () => undefined);
  // New bytes each time, so that both receive them each time; the step is not what is measured.
  compare(
    `context of ${mb(sizes.fileBytes)}, one file, changed`,
    () => big,
    "< 1",
    () => writeFileSync(join(big, "data"), Buffer.concat([randomBytes(1000), Buffer.alloc(sizes.fileBytes)])),
  );
  let round = 0;
  const many = () => context(dir, `many${round++}`, (at) => manyFiles(at, sizes.files));
  compare(`context of ${sizes.files} small files, new`, many, "< 1");
  const small = context(dir, "small", (at) => manyFiles(at, 100));
  ours(small);
  theirs(small);
  compare("nothing changed", () => small, "≤ 1.2");

  const before = daemon.rss();
  const { failed, peak } = await together(sizes.atOnce, dir, daemon);
  tell(`${sizes.atOnce} builds at once`, `${failed} failed, peak ${mb(peak)} of memory`, "", "", "none failed, < 1 GB");
  const samples: number[] = [];
  for (let build = 0; build < sizes.inARow; build++) {
    ours(small);
    if (build % 50 === 0) samples.push(daemon.rss());
  }
  samples.push(daemon.rss());
  tell(`memory over ${sizes.inARow} builds`, samples.map(mb).join(" "), `${mb(before)} before`, "", "flat");
}

type Build = (context: string) => Run & { readonly transferMs: number };

/** How long the context took to come, as the builder itself tells; the steps after it are others' business. */
function transferOf({ stderr }: { readonly stderr: string }): number {
  let took = 0;
  for (const line of stderr.split("\n").filter((each) => each.startsWith("{"))) {
    const { vertexes = [] } = JSON.parse(line) as {
      vertexes?: { name: string; started?: string; completed?: string }[];
    };
    for (const { name, started, completed } of vertexes) {
      if (name !== "[internal] load build context" || started === undefined || completed === undefined) continue;
      took = Date.parse(completed) - Date.parse(started);
    }
  }
  return took;
}

/** buildx with a builder of its own: a daemon by its address, or an engine's. */
function client(config: string, address: string | undefined, engine?: string): Build {
  mkdirSync(config, { recursive: true });
  const env = {
    ...process.env,
    BUILDX_CONFIG: config,
    DOCKER_CONFIG: config,
    ...(engine === undefined ? {} : { DOCKER_HOST: engine }),
  };
  if (address !== undefined) run([buildxProgram, "create", "--driver", "remote", "--name", "bench", address], { env });
  const builder = address === undefined ? "default" : "bench";
  return (dir) => {
    const done = run(
      [buildxProgram, "--builder", builder, "build", "--progress=rawjson", "--output=type=cacheonly", dir],
      { env },
    );
    return { ...done, transferMs: transferOf(done) };
  };
}

function context(dir: string, name: string, fill: (at: string) => void): string {
  const at = join(dir, name);
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "Dockerfile"), "FROM scratch\nCOPY . /\n");
  fill(at);
  return at;
}

function manyFiles(dir: string, count: number): void {
  const text = randomBytes(1000).toString("hex");
  for (let at = 0; at < count; at++) {
    const sub = join(dir, `d${Math.floor(at / 500)}`);
    if (at % 500 === 0) mkdirSync(sub, { recursive: true });
    writeFileSync(join(sub, `f${at}`), `${text} ${at}`);
  }
}

interface DaemonProcess extends AsyncDisposable {
  readonly address: string;
  rss(): number;
}

async function startDaemon(dir: string, slipway: string): Promise<DaemonProcess> {
  const address = `unix://${dir}/d.sock`;
  const child: ChildProcess = spawn(slipway, ["daemon", "--addr", address, "--root", join(dir, "store")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  let said = "";
  child.stderr!.on("data", (chunk: Buffer) => (said += chunk.toString()));
  for (let tries = 0; !said.includes("listening on"); tries++) {
    if (tries > 300 || child.exitCode !== null) throw new Error(`the daemon did not start: ${said}`);
    await sleep(100);
  }
  return {
    address,
    rss: () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) * 1024,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
      rmSync(join(dir, "store"), { recursive: true, force: true });
    },
  };
}

/** The same project by many clients at once; each has a file of its own, and shares the rest. */
async function together(count: number, dir: string, daemon: DaemonProcess): Promise<{ failed: number; peak: number }> {
  const config = join(dir, "ours");
  let peak = 0;
  const watching = setInterval(() => (peak = Math.max(peak, daemon.rss())), 50);
  const builds = Array.from({ length: count }, async (_, index) => {
    const at = join(dir, `together${index}`);
    mkdirSync(at, { recursive: true });
    copyFileSync("/bin/busybox", join(at, "busybox"));
    writeFileSync(
      join(at, "Dockerfile"),
      'FROM scratch\nCOPY busybox /busybox\nRUN ["/busybox","sleep","1"]\nRUN ["/busybox","sh","-c","/busybox echo made > /made"]\nCOPY own /own\n',
    );
    writeFileSync(join(at, "own"), String(index));
    const child = spawn(
      buildxProgram,
      ["--builder", "bench", "build", "--progress=quiet", "--output=type=cacheonly", at],
      {
        env: { ...process.env, BUILDX_CONFIG: config, DOCKER_CONFIG: config },
        stdio: "ignore",
      },
    );
    const [code] = (await once(child, "exit")) as [number | null];
    return code === 0;
  });
  const results = await Promise.all(builds);
  clearInterval(watching);
  return { failed: results.filter((well) => !well).length, peak };
}
