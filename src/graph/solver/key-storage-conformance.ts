// What every CacheKeyStorage must do. Run by the tests of each implementation.
// Counterpart: moby/buildkit solver/testutil/cachestorage_testsuite.go.

import assert from "node:assert/strict";
import type { CacheKeyStorage, CacheLink } from "./key-storage.ts";

/** Named checks; each takes a fresh, empty storage. */
export const keyStorageConformance: Readonly<Record<string, (storage: CacheKeyStorage) => void>> = {
  "results come newest first and replace their time"(storage) {
    storage.addResult("k", { id: "r1", createdAtMs: 10 });
    storage.addResult("k", { id: "r2", createdAtMs: 20 });
    storage.addResult("k", { id: "r1", createdAtMs: 30 });
    storage.addResult("other", { id: "r3", createdAtMs: 5 });
    assert.deepEqual(storage.results("k"), [
      { id: "r1", createdAtMs: 30 },
      { id: "r2", createdAtMs: 20 },
    ]);
    assert.deepEqual(storage.results("nothing"), []);
  },
  "a result is forgotten on every key"(storage) {
    storage.addResult("k1", { id: "r", createdAtMs: 1 });
    storage.addResult("k2", { id: "r", createdAtMs: 2 });
    storage.addResult("k2", { id: "s", createdAtMs: 3 });
    storage.removeResult("r");
    assert.deepEqual(storage.results("k1"), []);
    assert.deepEqual(storage.results("k2"), [{ id: "s", createdAtMs: 3 }]);
  },
  "links are told apart by each of their parts"(storage) {
    const link: CacheLink = { input: 0, digest: "d", selector: "" };
    storage.addLink("a", link, "t1");
    storage.addLink("a", link, "t2");
    storage.addLink("a", link, "t1");
    storage.addLink("a", { ...link, input: 1 }, "t3");
    storage.addLink("a", { ...link, digest: "e" }, "t5");
    storage.addLink("a", { ...link, selector: "s" }, "t6");
    storage.addLink("b", link, "t7");
    assert.deepEqual(storage.targets("a", link).sort(), ["t1", "t2"]);
    assert.deepEqual(storage.targets("a", { ...link, input: 1 }), ["t3"]);
    assert.deepEqual(storage.targets("a", { ...link, digest: "e" }), ["t5"]);
    assert.deepEqual(storage.targets("a", { ...link, selector: "s" }), ["t6"]);
    assert.deepEqual(storage.targets("b", link), ["t7"]);
    assert.deepEqual(storage.targets("c", link), []);
    assert.deepEqual(storage.backlinks("t5"), [{ id: "a", link: { ...link, digest: "e" } }]);
  },
  "a superseded key is found no more"(storage) {
    const link: CacheLink = { input: 0, digest: "d", selector: "" };
    storage.addLink("a", link, "old");
    storage.addLink("b", link, "old");
    storage.addLink("old", link, "after");
    storage.addResult("old", { id: "r", createdAtMs: 1 });
    storage.supersede("old");
    assert.deepEqual(storage.targets("a", link), []);
    assert.deepEqual(storage.targets("b", link), []);
    assert.deepEqual(storage.results("old"), []);
    assert.deepEqual(storage.targets("old", link), ["after"]);
  },
  "a transaction returns what its work returns"(storage) {
    const value = storage.transaction(() => {
      storage.addResult("k", { id: "r", createdAtMs: 1 });
      return 42;
    });
    assert.equal(value, 42);
    assert.equal(storage.results("k").length, 1);
  },
};
