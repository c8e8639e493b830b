import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { suite, test } from "node:test";
import { Semaphore } from "./semaphore.ts";

suite("semaphore", () => {
  /** Starts `count` holders; gives who holds now, and how to let one go. */
  function holders(semaphore: Semaphore, count: number) {
    const holding = new Map<number, () => void>();
    for (let at = 0; at < count; at++) void semaphore.acquire().then((release) => holding.set(at, release));
    const release = async (at: number) => {
      holding.get(at)!();
      holding.delete(at);
      await turn();
    };
    return { holding, release };
  }

  test("as many as its limit hold it, in the order they came", async () => {
    const { holding, release } = holders(new Semaphore(2), 4);
    await turn();
    assert.deepEqual([...holding.keys()], [0, 1]);
    await release(1);
    assert.deepEqual([...holding.keys()], [0, 2]);
  });

  test("widened, more hold it; after that none is let in until the limit is kept again", async () => {
    const semaphore = new Semaphore(1);
    const { holding, release } = holders(semaphore, 5);
    await turn();
    assert.deepEqual([...holding.keys()], [0]);
    const wide = semaphore.widen(2);
    await turn();
    assert.deepEqual([...holding.keys()], [0, 1, 2]);
    wide[Symbol.dispose]();
    wide[Symbol.dispose]();
    await release(0);
    await release(1);
    assert.deepEqual([...holding.keys()], [2]);
    await release(2);
    assert.deepEqual([...holding.keys()], [3]);
    await release(3);
    assert.deepEqual([...holding.keys()], [4]);
  });

  test("who gives up leaves its turn to the next", async () => {
    const semaphore = new Semaphore(1);
    const release = await semaphore.acquire();
    const controller = new AbortController();
    const given = semaphore.acquire(controller.signal);
    const next = semaphore.acquire();
    controller.abort(new Error("no more"));
    await assert.rejects(given, /no more/);
    release();
    (await next)();
  });
});
