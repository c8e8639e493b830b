import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { openDatabase } from "../../system/database/index.ts";
import { refIdOf, RefRows } from "./rows.ts";
import { refListsSchema, refsSchema } from "./schema.ts";

function databasePath(context: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "slipway-rows-"));
  context.after(() => rmSync(dir, { recursive: true }));
  return join(dir, "store.db");
}

/** Refs of `layers`, each on the one before where it has one; the ids, bottom first. */
function chain(rows: RefRows, ...layers: string[]): string[] {
  return layers.map((id, at) => {
    rows.addLayer({ id, diffId: undefined, unpacked: true, sizeBytes: 1, createdMs: 1 });
    const parent = at === 0 ? undefined : refIdOf(layers.slice(0, at));
    return rows.addRef({ parent, type: "regular", description: id, layers: layers.slice(0, at + 1) }, 1);
  });
}

void test("a ref lists all its layers; those of its parent are written once", (context) => {
  using db = openDatabase(databasePath(context), { migrations: [refsSchema, refListsSchema] });
  const rows = new RefRows(db);
  const [, , third] = chain(rows, "a", "b", "c");
  assert.deepEqual(rows.ref(third!)?.layers, ["a", "b", "c"]);
  assert.deepEqual(
    rows.refs().map(({ layers }) => layers.length),
    rows.refs().map(({ description }) => "abc".indexOf(description) + 1),
  );
  const { count } = db.prepare<{ count: number }>("SELECT count(*) AS count FROM ref_layers").get()!;
  assert.equal(count, 3);
  assert.deepEqual(rows.removeUnusedLayers(), []);
});

void test("what others stand on or lease stays; layers go with the last ref that lists them", (context) => {
  using db = openDatabase(databasePath(context), { migrations: [refsSchema, refListsSchema] });
  const rows = new RefRows(db);
  const [first, second, third] = chain(rows, "a", "b", "c") as [string, string, string];
  // Layers of the middle alone, as a merge has them, with a parent that has all of them.
  const above = rows.addRef({ parent: second, type: "regular", description: "above", layers: ["b"] }, 1);
  assert.deepEqual(rows.removeRefs([first, second]), { refs: new Set(), layers: [] });
  rows.lease(third, "me");
  assert.deepEqual(rows.removeRefs([third]).refs, new Set());
  rows.unlease(third, "me");
  assert.deepEqual(rows.removeRefs([third, second]), { refs: new Set([third]), layers: ["c"] });
  assert.deepEqual(rows.removeRefs([above, second, first]), {
    refs: new Set([above, second, first]),
    layers: ["b", "a"],
  });
  assert.deepEqual([rows.refs(), [...rows.layerIds()]], [[], []]);
});

void test("a layer that is lost takes along every ref on it, and nothing else", (context) => {
  using db = openDatabase(databasePath(context), { migrations: [refsSchema, refListsSchema] });
  const rows = new RefRows(db);
  const [first, second, third] = chain(rows, "a", "b", "c") as [string, string, string];
  const [other] = chain(rows, "x") as [string];
  // Lists it itself, without a parent that does.
  const merged = rows.addRef({ parent: other, type: "regular", description: "merged", layers: ["b", "x"] }, 1);
  rows.removeBrokenLayer("b");
  assert.deepEqual(
    [first, second, third, other, merged].map((id) => rows.hasRef(id)),
    [true, false, false, true, false],
  );
  assert.deepEqual([...rows.layerIds()].sort(), ["a", "c", "x"]);
  assert.deepEqual(rows.removeUnusedLayers(), ["c"]);
});

void test("a store of an earlier version keeps its refs", (context) => {
  const path = databasePath(context);
  {
    using old = openDatabase(path, { migrations: [refsSchema] });
    const addRef = old.prepare("INSERT INTO refs VALUES (?, ?, 'regular', ?, 1, 1, 0)");
    const addLayer = old.prepare("INSERT INTO ref_layers VALUES (?, ?, ?)");
    const layers = ["z", "b", "a"];
    for (const [at, id] of layers.entries()) {
      old.prepare("INSERT INTO layers VALUES (?, NULL, 1, 1, 1)").run(id);
      const ref = refIdOf(layers.slice(0, at + 1));
      addRef.run(ref, at === 0 ? null : refIdOf(layers.slice(0, at)), id);
      for (const [position, layer] of layers.slice(0, at + 1).entries()) addLayer.run(ref, position, layer);
    }
    addRef.run("scratch", null, "scratch");
  }
  using db = openDatabase(path, { migrations: [refsSchema, refListsSchema] });
  const rows = new RefRows(db);
  assert.deepEqual(rows.ref(refIdOf(["z", "b", "a"]))?.layers, ["z", "b", "a"]);
  assert.deepEqual(rows.ref("scratch")?.layers, []);
  const ids = ["z", "b", "a"].map((_, at, all) => refIdOf(all.slice(0, at + 1)));
  assert.deepEqual(rows.removeRefs([ids[2]!]), { refs: new Set([ids[2]]), layers: ["a"] });
  assert.deepEqual(rows.removeRefs([ids[1]!, ids[0]!]).layers.sort(), ["b", "z"]);
});
