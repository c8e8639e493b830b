import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { isBuildError } from "../../base/index.ts";
import { WorkerPool } from "./index.ts";

const entry = new URL("./test-worker.ts", import.meta.url);

void test("jobs, sync and async, give their output; more jobs than workers wait their turn", async () => {
  await using pool = new WorkerPool({ entry, size: 2 });
  const outputs = await Promise.all([1, 2, 3, 4, 5].map((input) => pool.run<number, number>("double", input)));
  assert.deepEqual(outputs, [2, 4, 6, 8, 10]);
  assert.equal(await pool.run("later", 1), 2);
});

void test("progress arrives in order and before the output", async () => {
  await using pool = new WorkerPool({ entry, size: 1 });
  const seen: unknown[] = [];
  assert.equal(await pool.run("steps", 4, { onProgress: (value) => seen.push(value) }), 4);
  assert.deepEqual(seen, [0, 1, 2, 3]);
});

void test("aborting stops a busy job, drops a waiting one, and the worker goes on", async () => {
  await using pool = new WorkerPool({ entry, size: 1 });
  const running = new AbortController();
  const waiting = new AbortController();
  const first = pool.run("spin", null, {
    signal: running.signal,
    onProgress: () => waiting.abort(new Error("second")),
  });
  const second = pool.run("double", 1, { signal: waiting.signal });
  await assert.rejects(second, /second/);
  running.abort(new Error("first"));
  await assert.rejects(first, /first/);
  assert.equal(await pool.run("double", 4), 8);
  await assert.rejects(pool.run("double", 1, { signal: AbortSignal.abort(new Error("before")) }), /before/);
});

void test("errors keep what they are", async () => {
  await using pool = new WorkerPool({ entry, size: 1 });
  await assert.rejects(pool.run("refuse", null), (error: unknown) => {
    assert.ok(isBuildError(error));
    assert.equal(error.code, "NOT_THERE");
    assert.equal(error.status, "NotFound");
    assert.equal(error.hint, "look elsewhere");
    assert.equal((error.cause as NodeJS.ErrnoException).code, "ENOENT");
    return true;
  });
  await assert.rejects(pool.run("system", null), { code: "EACCES", syscall: "open" });
  await assert.rejects(pool.run("nothing", null), /no such job: nothing/);
  await assert.rejects(
    pool.run("double", () => 1),
    { name: "DataCloneError" },
  );
});

void test("a worker that dies rejects its job only", async () => {
  await using pool = new WorkerPool({ entry, size: 1 });
  await assert.rejects(pool.run("die", null), { code: "WORKER_CRASHED" });
  assert.equal(await pool.run("double", 4), 8);
});

void test("closing rejects what runs and what waits", async () => {
  const pool = new WorkerPool({ entry, size: 1 });
  const ready = Promise.withResolvers<void>();
  const running = pool.run("spin", null, { onProgress: () => ready.resolve() });
  const waiting = pool.run("double", 1);
  await ready.promise;
  const both = Promise.allSettled([running, waiting]);
  await pool[Symbol.asyncDispose]();
  for (const result of await both) assert.equal(result.status, "rejected");
  await assert.rejects(pool.run("double", 1), /closed/);
});

void test("an idle pool does not keep the process alive", async () => {
  const program = `
    import { WorkerPool } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
    const pool = new WorkerPool({ entry: new URL(${JSON.stringify(entry.href)}), size: 1 });
    console.log(await pool.run("double", 21));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
  assert.equal(stdout, "42\n");
});
