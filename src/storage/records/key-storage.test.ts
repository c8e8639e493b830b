import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keyStorageConformance } from "../../graph/solver/key-storage-conformance.ts";
import { openDatabase } from "../../system/database/index.ts";
import { recordsByOutputSchema, recordsSchema, SqliteKeyStorage } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "slipway-records-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const open = () => openDatabase(join(folder, `${++count}.db`), { migrations: [recordsSchema, recordsByOutputSchema] });

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
