// A cache folder that is damaged between builds: bits flip, blobs vanish, files are cut short, and other processes that write to it are
// killed at any moment. No build fails, and every result is that of a build without a cache. SLIPWAY_FAULT_ROUNDS says how many builds,
// SLIPWAY_FAULT_SEED which faults.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Engine } from "../../src/engine/index.ts";
import { CacheBench, openPackedCaches, treeOf, workSteps } from "../conformance/harness/cache-case.ts";
import type { BuiltSteps } from "../conformance/harness/cache-case.ts";

const rounds = Number(process.env["SLIPWAY_FAULT_ROUNDS"] ?? 50);
const seed = Number(process.env["SLIPWAY_FAULT_SEED"] ?? 42);

const dockerfile = [
  "ARG BASE=scratch",
  "FROM $BASE AS one",
  "COPY a.txt /a",
  "RUN cat /a /a > /b",
  "FROM $BASE",
  "COPY --from=one /b /b",
  "RUN wc -c < /b > /c && cat /b /c > /d",
].join("\n");
const random = seeded(seed);

test(`flipped, cut and deleted blobs: of ${rounds} builds none fails, every result is right`, async () => {
  await using place = await FaultyPlace.open();
  for (let round = 0; round < rounds; round++) {
    await place.build(round);
    damage(place.exportDir, random);
  }
});

test(`writers killed at any moment beside ${rounds} builds: none fails, every result is right`, async () => {
  await using place = await FaultyPlace.open();
  let killed = 0;
  for (let round = 0; round < rounds; round++) {
    const writer = place.startWriter(random(1000));
    await Promise.all([place.build(round), writer.end(100 + random(1500))]);
    if (writer.isKilled) killed++;
    await writer.clean();
  }
  assert.ok(killed > rounds / 4, `only ${killed} of ${rounds} writers were killed before they were done`);
  // What the dead have left holds nobody up: the index can be read, and a fresh store hits.
  for (const name of ["index.json.0123456789ab.tmp", "blobs/sha256/left.tmp"]) {
    const path = join(place.exportDir, name);
    writeFileSync(path, "half");
    utimesSync(path, new Date(0), new Date(0));
  }
  await place.build(rounds, 0);
  const steps = await place.build(rounds, 0);
  assert.deepEqual([...new Set(Object.values(workSteps(steps)))], ["cached"]);
  const last = place.startWriter(1000);
  await last.end(120_000);
  assert.ok(!last.isKilled);
  await last.clean();
  const old = filesOf(place.exportDir).filter((name) => statSync(join(place.exportDir, name)).mtimeMs === 0);
  assert.deepEqual(old, []);
});

/** Two contexts and a cache folder; each build there starts from an empty store. */
class FaultyPlace implements AsyncDisposable {
  readonly exportDir: string;
  readonly #bench: CacheBench;
  readonly #dirs: readonly string[];
  readonly #wanted: string[] = [];

  private constructor(bench: CacheBench) {
    this.#bench = bench;
    this.exportDir = join(this.#folder("faults"), "cache");
    this.#dirs = ["alpha", "beta"].map((text) => this.#context(text));
  }

  static async open(): Promise<FaultyPlace> {
    return new FaultyPlace(await CacheBench.open(openPackedCaches()));
  }

  /** Builds one of the contexts with the cache, exports to it, and looks at the result. */
  async build(round: number, which = random(2)): Promise<BuiltSteps["steps"]> {
    const [outputDir, root] = [this.#folder("out"), this.#folder("state")];
    let steps: BuiltSteps["steps"];
    {
      await using engine = await Engine.open({ root });
      const { exportDir } = this;
      const built = await this.#bench.build(engine, this.#dirs[which]!, { importDir: exportDir, exportDir, outputDir });
      assert.equal(built.failure, undefined, `round ${round}`);
      ({ steps } = built);
    }
    const tree = await treeOf(readFileSync(join(outputDir, "index.json"), "utf8"), (digest) =>
      readFileSync(join(outputDir, "blobs/sha256", digest.slice(7))),
    );
    const found = JSON.stringify(["a", "b", "c", "d"].map((name) => tree.get(name)));
    this.#wanted[which] ??= found;
    assert.equal(found, this.#wanted[which], `round ${round}`);
    for (const dir of [outputDir, root]) rmSync(dir, { recursive: true, force: true });
    return steps;
  }

  /** A process of its own that builds something new and exports to the folder. */
  startWriter(number: number): Writer {
    return new Writer({
      root: this.#folder("writer"),
      context: this.#context(`writer ${number}\n`.repeat(20_000)),
      exportDir: this.exportDir,
      base: `${this.#bench.registry.host}/busybox:1.35`,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#bench[Symbol.asyncDispose]();
  }

  #context(text: string): string {
    const dir = this.#folder("context");
    writeFileSync(join(dir, "Dockerfile"), dockerfile);
    writeFileSync(join(dir, "a.txt"), text);
    return dir;
  }

  #folder(name: string): string {
    return mkdtempSync(join(this.#bench.home, `${name}-`));
  }
}

/** Runs in a mount namespace of its own, as the command does, so that a kill leaves no mount. */
class Writer {
  isKilled = false;
  readonly #root: string;
  readonly #process: ReturnType<typeof spawn>;
  readonly #ended: Promise<unknown>;

  constructor(options: { root: string; context: string; exportDir: string; base: string }) {
    const { root, context, exportDir, base } = options;
    this.#root = root;
    const main = join(import.meta.dirname, "../../src/cli/main.ts");
    const flags = ["--root", root, "--progress", "quiet", "--build-arg", `BASE=${base}`];
    const cache = [
      "--cache-from",
      `type=local,src=${exportDir}`,
      "--cache-to",
      `type=local,dest=${exportDir},mode=max`,
    ];
    const program = [process.execPath, main, "build", ...flags, ...cache, "-o", "type=cacheonly", context];
    this.#process = spawn("unshare", ["-m", "--propagation", "slave", "--", ...program], {
      stdio: "ignore",
      env: { ...process.env, SLIPWAY_NAMESPACE: "private" },
    });
    this.#ended = once(this.#process, "exit");
  }

  /** Kills it after so long, unless it is done by then. */
  async end(afterMs: number): Promise<void> {
    await Promise.race([this.#ended, sleep(afterMs)]);
    this.isKilled =
      this.#process.exitCode === null && this.#process.signalCode === null && this.#process.kill("SIGKILL");
    await this.#ended;
  }

  /** Lets the store be repaired, which clears away its containers, and removes it. */
  async clean(): Promise<void> {
    const engine = await Engine.open({ root: this.#root });
    await engine[Symbol.asyncDispose]();
    rmSync(this.#root, { recursive: true, force: true });
  }
}

function damage(dir: string, random: (below: number) => number): void {
  const files = filesOf(dir);
  for (let hits = random(3); hits > 0; hits--) {
    const path = join(dir, files[random(files.length)]!);
    if (!existsSync(path)) continue;
    const { size } = statSync(path);
    switch (random(3)) {
      case 0:
        rmSync(path);
        break;
      case 1:
        truncateSync(path, random(size + 1));
        break;
      default: {
        const bytes = readFileSync(path);
        if (size > 0) bytes[random(size)]! ^= 1 << random(8);
        rmSync(path);
        writeFileSync(path, bytes);
      }
    }
  }
}

function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(dir, path)).isFile())
    .sort();
}
