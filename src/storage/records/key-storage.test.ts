import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keyStorageConformance } from "../../graph/solver/key-storage-conformance.ts";
import { openDatabase } from "../../system/database/index.ts";
import { digestOf } from "../../base/index.ts";
import { recordsByBytesSchema, recordsByOutputSchema, recordsSchema, SqliteKeyStorage } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "slipway-records-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const before = [recordsSchema, recordsByOutputSchema];
const open = () => openDatabase(join(folder, `${++count}.db`), { migrations: [...before, recordsByBytesSchema] });

for (const [name, check] of Object.entries(keyStorageConformance)) {
  test(`sqlite: ${name}`, () => {
    using db = open();
    check(new SqliteKeyStorage(db));
  });
}

test("links that lead to no result are swept, however far", () => {
  using db = open();
  const storage = new SqliteKeyStorage(db);
  const link = { input: 0, digest: "d", selector: "" };
  storage.addLink("a", link, "b");
  storage.addLink("b", link, "c");
  storage.addLink("a", link, "kept");
  storage.addResult("c", { id: "r", createdAtMs: 1 });
  storage.addResult("kept", { id: "s", createdAtMs: 1 });
  assert.equal(storage.sweep(), 0);
  storage.removeResult("r");
  assert.equal(storage.sweep(), 2);
  assert.deepEqual(storage.targets("a", link), ["kept"]);
});

test("ids that are digests come back as they were, and are swept like others", () => {
  using db = open();
  const storage = new SqliteKeyStorage(db);
  const [a, b, c, selector] = ["a", "b", "c", "selector"].map((text) => digestOf(text));
  const link = { input: 1, digest: digestOf("d"), selector: selector! };
  storage.addLink(a!, link, b!);
  storage.addLink(b!, link, c!);
  storage.addResult(c!, { id: digestOf("r"), createdAtMs: 7 });
  assert.deepEqual(storage.targets(a!, link), [b]);
  assert.deepEqual(storage.backlinks(c!), [{ id: b, link }]);
  assert.deepEqual(storage.results(c!), [{ id: digestOf("r"), createdAtMs: 7 }]);
  storage.removeResult(digestOf("r"));
  assert.equal(storage.sweep(), 2);
  assert.deepEqual(storage.targets(a!, link), []);
});

test("what an earlier version recorded is found", () => {
  const path = join(folder, "earlier.db");
  const digest = digestOf("op");
  const upper = `sha256:${"Z".repeat(64)}`;
  {
    using db = openDatabase(path, { migrations: before });
    const add = db.prepare("INSERT INTO cache_links (source, input, digest, selector, target) VALUES (?, 0, ?, ?, ?)");
    add.run(digestOf("a"), digest, "", digestOf("b"));
    add.run(digestOf("b"), digest, digestOf("s"), "no digest");
    add.run("sha256:short", digest, upper, digestOf("c"));
    db.prepare("INSERT INTO cache_results (key, result, created_ms) VALUES (?, ?, 7)").run(digestOf("b"), "ref");
  }
  using db = openDatabase(path, { migrations: [...before, recordsByBytesSchema] });
  const storage = new SqliteKeyStorage(db);
  assert.deepEqual(storage.targets(digestOf("a"), { input: 0, digest, selector: "" }), [digestOf("b")]);
  assert.deepEqual(storage.targets(digestOf("b"), { input: 0, digest, selector: digestOf("s") }), ["no digest"]);
  assert.deepEqual(storage.targets("sha256:short", { input: 0, digest, selector: upper }), [digestOf("c")]);
  assert.deepEqual(storage.results(digestOf("b")), [{ id: "ref", createdAtMs: 7 }]);
});
