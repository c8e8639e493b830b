// Signals during a real build: once waits until the step is gone, twice does not wait, and neither leaves a process behind.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const dir = mkdtempSync(join(tmpdir(), "slipway-e2e-signals-"));
const marker = `86${process.pid}`;

before(() => {
  mkdirSync(join(dir, "ctx"));
  copyFileSync("/bin/busybox", join(dir, "ctx/busybox"));
  writeFileSync(
    join(dir, "ctx/Dockerfile"),
    `FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sh", "-c", "echo asleep now; exec /bin/busybox sleep ${marker}"]\n`,
  );
});
after(() => rmSync(dir, { recursive: true, force: true }));

/** Starts the build and resolves when its step says that it runs. */
async function startBuild(): Promise<{ child: ChildProcess; ended: Promise<number | null>; stderr: () => string }> {
  const child = spawn(process.execPath, [main, "build", "--progress=plain", join(dir, "ctx")], {
    env: { ...process.env, SLIPWAY_ROOT: join(dir, "state"), BUILDKIT_PROGRESS: "" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
  await new Promise<void>((resolve) => {
    child.stderr!.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      if (/#\d+ \S+ asleep now/.test(stderr)) resolve();
    });
    void ended.then(() => resolve());
  });
  return { child, ended, stderr: () => stderr };
}

/** Command lines of processes that carry the marker. */
function sleepers(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return "";
      }
    })
    .filter((line) => line.includes(`sleep ${marker}`));
}

async function goneSoon(): Promise<boolean> {
  for (let i = 0; i < 200 && sleepers().length > 0; i++) await sleep(50);
  return sleepers().length === 0;
}

suite("signals during a build", () => {
  for (const [signal, expected] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(`${signal} once: the step is gone before the command ends`, async () => {
      const { child, ended, stderr } = await startBuild();
      assert.equal(sleepers().length, 1, stderr());
      child.kill(signal);
      assert.equal(await ended, expected, stderr());
      assert.deepEqual(sleepers(), []);
      assert.match(stderr(), /\ncanceling… \(once more to stop at once\)\n/);
      assert.match(stderr(), /\nERROR: failed to build: failed to solve: Canceled: context canceled\n$/);
    });
  }

  test("twice: at once, and still nothing is left; the next build works", async () => {
    const { child, ended, stderr } = await startBuild();
    child.kill("SIGINT");
    await sleep(2);
    child.kill("SIGINT");
    assert.equal(await ended, 130, stderr());
    assert.ok(await goneSoon(), sleepers().join("\n"));
    const again = await startBuild();
    assert.equal(sleepers().length, 1, again.stderr());
    again.child.kill("SIGINT");
    assert.equal(await again.ended, 130);
  });
});
