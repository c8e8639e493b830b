// kill -9 at random moments of real builds, a hundred times in all: the next build on the same store succeeds with the right files,
// and in the end nothing is left of the dead. CRASH_SEED=… repeats a run's moments; what is being done at them may still differ.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { checkLayout, describeTree, leftovers, removeCgroups, stepCgroups } from "./store-inspection.ts";

const home = join(import.meta.dirname, "../..");
const dir = realpathSync(mkdtempSync(join(tmpdir(), "slipway-e2e-crash-")));
const context = join(dir, "context");
const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const CGROUPS = `slipway-crash-${process.pid}`;

/** The steps of a small project: shared base, two stages at once, a cache mount, a secret, copies between stages, an unpacked archive. */
const DOCKERFILE = `FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
FROM base AS left
ARG SALT
RUN --mount=type=cache,target=/cache echo $SALT >> /cache/seen; echo left $SALT > /left; sleep 0.02
FROM base AS right
ARG SALT
RUN --mount=type=secret,id=word echo right $SALT > /right; mkdir /many; for i in 1 2 3 4 5 6 7 8; do echo $i > /many/$i; done
FROM base
COPY --from=left /left /
COPY --from=right /right /many /many/
COPY files /files
RUN cat /left /many/right > /both; rm /files/3; chmod 600 /files/4
`;

before(() => {
  mkdirSync(join(context, "files"), { recursive: true });
  copyFileSync("/bin/busybox", join(context, "busybox"));
  for (let at = 0; at < 40; at++) writeFileSync(join(context, "files", String(at)), `${"x".repeat(5000)}${at}\n`);
  writeFileSync(join(context, "Dockerfile"), DOCKERFILE);
  writeFileSync(join(dir, "word"), "a word nobody may read");
});
after(() => {
  rmSync(dir, { recursive: true, force: true });
  removeCgroups(CGROUPS);
});

interface Build {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; output: string }>;
}

/** Starts a build with outputs of every kind. `own` gives it a mount namespace of its own, as the launcher does. */
function build(root: string, salt: string, out: string, own: boolean): Build {
  const bundle = join(home, "dist/slipway.js");
  const argv = [
    existsSync(bundle) ? bundle : join(home, "src/cli/main.ts"),
    "build",
    "--progress=plain",
    `--build-arg=SALT=${salt}`,
    `--secret=id=word,src=${join(dir, "word")}`,
    `--cgroup-parent=${CGROUPS}`,
    `--output=type=local,dest=${join(out, "files")}`,
    `--output=type=oci,tar=false,compression=uncompressed,dest=${join(out, "layout")}`,
    `--output=type=image,compression=uncompressed,name=crash:${salt}`,
    context,
  ];
  const { SLIPWAY_NAMESPACE: _, ...env } = process.env;
  const child = spawn(process.execPath, argv, {
    env: { ...env, SLIPWAY_ROOT: root, ...(own ? {} : { SLIPWAY_NAMESPACE: "private" }) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return { child, ended: new Promise((resolve) => child.on("close", (code) => resolve({ code, output }))) };
}

/** Builds to the end and looks at every output. Resolves with the milliseconds that it took. */
async function buildWell(root: string, salt: string, own: boolean): Promise<number> {
  const out = mkdtempSync(join(dir, "out-"));
  const started = Date.now();
  const { code, output } = await build(root, salt, out, own).ended;
  const tookMs = Date.now() - started;
  assert.equal(code, 0, output);
  assert.deepEqual(
    describeTree(join(out, "files")).map((line) => line.replace(/[0-9a-f]{64}$/, "…")),
    expectedTree(),
    output,
  );
  const read = (name: string) => readFileSync(join(out, "files", name), "utf8");
  assert.equal(read("both"), `left ${salt}\nright ${salt}\n`);
  for (const name of ["0", "4", "39"]) assert.equal(read(`files/${name}`), `${"x".repeat(5000)}${name}\n`);
  for (const name of ["1", "8"]) assert.equal(read(`many/${name}`), `${name}\n`);
  checkLayout(join(out, "layout"));
  rmSync(out, { recursive: true });
  return tookMs;
}

let expected: string[] | undefined;

/** The lines of a build on an untouched store. */
function expectedTree(): string[] {
  assert.ok(expected);
  return expected;
}

/** Kills a build within its first `withinMs`; resolves with whether it was still at work. */
async function kill(root: string, salt: string, withinMs: number, own: boolean): Promise<boolean> {
  const out = mkdtempSync(join(dir, "killed-"));
  const { child, ended } = build(root, salt, out, own);
  await Promise.race([sleep(random() * withinMs), ended]);
  const running = child.exitCode === null;
  child.kill("SIGKILL");
  // Steps of a killed build hold its output open until the next start ends them: waiting for that would hide them.
  child.stdout!.destroy();
  child.stderr!.destroy();
  if (running) await new Promise((resolve) => child.once("exit", resolve));
  rmSync(out, { recursive: true, force: true });
  return running;
}

/** Starts once more, which clears away what the last kill left, then compares. */
async function assertClean(root: string): Promise<void> {
  await buildWell(root, "last", false);
  assert.deepEqual(leftovers(root), []);
}

suite(`kill -9 (CRASH_SEED=${seed})`, { concurrency: 2 }, () => {
  before(async () => {
    const out = mkdtempSync(join(dir, "first-"));
    const { code, output } = await build(join(dir, "first"), "first", out, true).ended;
    assert.equal(code, 0, output);
    expected = describeTree(join(out, "files")).map((line) => line.replace(/[0-9a-f]{64}$/, "…"));
    assert.ok(expected.includes("files/4 100600 0:0 …") && !expected.some((line) => line.startsWith("files/3 ")));
    rmSync(join(dir, "first"), { recursive: true });
  });

  for (const own of [true, false]) {
    test(`40 times, ${own ? "each in a mount namespace of its own" : "in one mount namespace"}`, async () => {
      const root = join(dir, own ? "own" : "common");
      let withinMs = await buildWell(root, "warm", own);
      let killed = 0;
      for (let round = 0; killed < 40; round++) {
        assert.ok(round < 120, `only ${killed} of ${round} builds could be killed at work`);
        if (await kill(root, `s${round}`, withinMs, own)) killed++;
        withinMs = (await buildWell(root, `s${round}`, own)) * 0.95;
      }
      await assertClean(root);
    });
  }
});

suite(`kill -9 among several at work on one store (CRASH_SEED=${seed})`, () => {
  test("the others build well, and so does the next", async () => {
    const root = join(dir, "several");
    const tookMs = await buildWell(root, "warm", true);
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        kill(root, `a${round}`, tookMs * 2, round % 2 === 0),
        kill(root, `a${round}`, tookMs * 2, true),
        buildWell(root, `a${round}`, true),
      ]);
      if (round % 2 === 0) await buildWell(root, `a${round}`, round % 4 === 0);
    }
    await assertClean(root);
  });

  test("no control group of a step is left", () => assert.deepEqual(stepCgroups(CGROUPS), []));
});

/** Numbers in [0, 1), the same ones for the same seed (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
