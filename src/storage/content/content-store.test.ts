import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { digestOf } from "../../base/index.ts";
import { ContentStore } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "slipway-content-"));
after(() => rmSync(folder, { recursive: true }));
const store = new ContentStore(folder, "me");
const hello = Buffer.from("hello");

test("what is added is there, whole, by its digest", async () => {
  const digest = store.add(hello);
  assert.equal(digest, digestOf(hello));
  assert.ok(store.has(digest));
  assert.deepEqual(Buffer.from(store.read(digest)), hello);
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.open(digest, { offset: 2 })) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), "llo");
  assert.deepEqual(
    store.list().map((info) => info.digest),
    [digest],
  );
});

test("wrong bytes are refused and leave nothing", () => {
  const before = readdirSync(join(folder, "ingest")).length;
  const cases = [
    { options: { expected: digestOf("other") }, code: "DIGEST_MISMATCH" },
    { options: { sizeBytes: 6 }, code: "SIZE_MISMATCH" },
    { options: { sizeBytes: 4 }, code: "SIZE_MISMATCH" },
  ];
  for (const { options, code } of cases) {
    assert.throws(
      () => {
        using writer = store.writer(options);
        writer.write(hello);
        writer.commit();
      },
      { code },
    );
  }
  assert.equal(readdirSync(join(folder, "ingest")).length, before);
});

test("a missing blob is not found; a damaged one is removed", () => {
  assert.throws(() => store.read(digestOf("missing")), { code: "BLOB_NOT_FOUND" });
  const digest = store.add(Buffer.from("soon damaged"));
  writeFileSync(store.path(digest), "x");
  assert.throws(() => store.read(digest), { code: "BLOB_DAMAGED" });
  assert.ok(!store.has(digest));
});

test("leftovers of dead processes go, those of live ones stay", () => {
  for (const name of ["dead-1", "alive-7"]) writeFileSync(join(folder, "ingest", name), "");
  const mine = store.temporaryPath();
  writeFileSync(mine, "");
  store.removeLeftovers((owner) => owner === "alive");
  assert.deepEqual(readdirSync(join(folder, "ingest")).sort(), ["alive-7", mine.split("/").at(-1)].sort());
});
