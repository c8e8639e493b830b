import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Arrivals } from "./index.ts";

suite("arrivals", () => {
  test("what is there is found; what is not is waited for by all who ask", async () => {
    const arrivals = new Arrivals<number>();
    arrivals.add("one", 1);
    assert.equal(await arrivals.get("one", 10_000), 1);
    const waiting = [arrivals.get("two", 10_000), arrivals.get("two", 10_000)];
    arrivals.add("other", 3);
    arrivals.add("two", 2);
    assert.deepEqual(await Promise.all(waiting), [2, 2]);
    assert.equal(arrivals.size, 3);
  });

  test("what does not come is undefined, and can come later", async () => {
    const arrivals = new Arrivals<number>();
    assert.equal(await arrivals.get("late", 1), undefined);
    arrivals.add("late", 1);
    assert.equal(await arrivals.get("late", 1), 1);
    arrivals.delete("late");
    assert.equal(arrivals.find("late"), undefined);
  });

  test("who gives up is told why; others go on waiting", async () => {
    const arrivals = new Arrivals<number>();
    const leaving = new AbortController();
    const left = arrivals.get("it", 10_000, leaving.signal);
    const stays = arrivals.get("it", 10_000);
    leaving.abort(new Error("gone"));
    await assert.rejects(left, /gone/);
    arrivals.add("it", 1);
    assert.equal(await stays, 1);
    await assert.rejects(arrivals.get("it", 1, leaving.signal), /gone/);
  });
});
