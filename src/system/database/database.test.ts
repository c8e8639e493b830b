import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { openDatabase } from "./index.ts";

const migrations = ["CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT)", "ALTER TABLE t ADD COLUMN more TEXT"];

function inFolder(work: (folder: string) => Promise<void> | void): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), "slipway-db-"));
    try {
      await work(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

test(
  "migrations run once each, in order, and a newer schema is refused",
  inFolder((folder) => {
    const path = join(folder, "a.db");
    openDatabase(path, { migrations: migrations.slice(0, 1) }).close();
    using db = openDatabase(path, { migrations });
    db.prepare("INSERT INTO t (word, more) VALUES (?, ?)").run("a", "b");
    assert.deepEqual({ ...db.prepare("SELECT word, more FROM t").get() }, { word: "a", more: "b" });
    assert.throws(() => openDatabase(path, { migrations: [] }), { code: "DATABASE_NEWER" });
  }),
);

test(
  "a transaction that throws leaves nothing; nested ones join",
  inFolder((folder) => {
    using db = openDatabase(join(folder, "a.db"), { migrations });
    const insert = db.prepare("INSERT INTO t (word) VALUES (?)");
    const count = () => db.prepare<{ n: number }>("SELECT count(*) AS n FROM t").get()!.n;
    assert.throws(
      () =>
        db.transaction(() => {
          insert.run("a");
          db.transaction(() => insert.run("b"));
          throw new Error("no");
        }),
      /no/,
    );
    assert.equal(count(), 0);
    db.transaction(() => db.transaction(() => insert.run("a")));
    assert.equal(count(), 1);
  }),
);

test(
  "a damaged file is said to be damaged, or moved aside",
  inFolder((folder) => {
    const path = join(folder, "a.db");
    writeFileSync(path, "this is no database, and long enough to be read as a header of one ".repeat(100));
    assert.throws(() => openDatabase(path, { migrations }), { code: "DATABASE_DAMAGED" });
    openDatabase(path, { migrations, replaceDamaged: true }).close();
    assert.ok(readdirSync(folder).some((name) => name.startsWith("a.db.damaged-")));
  }),
);

test(
  "a folder that can't be made is said so",
  inFolder((folder) => {
    writeFileSync(join(folder, "file"), "");
    assert.throws(() => openDatabase(join(folder, "file", "a.db"), { migrations }), { code: "STATE_UNWRITABLE" });
  }),
);

test(
  "several processes migrate and write at once",
  inFolder(async (folder) => {
    const path = join(folder, "a.db");
    const script = `
      import { openDatabase } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
      using db = openDatabase(${JSON.stringify(path)}, { migrations: ${JSON.stringify(migrations)} });
      const insert = db.prepare("INSERT INTO t (word) VALUES (?)");
      for (let i = 0; i < 200; i++) db.transaction(() => insert.run("w" + i));
    `;
    const run = promisify(execFile);
    await Promise.all([1, 2, 3].map(() => run(process.execPath, ["--input-type=module", "-e", script])));
    using db = openDatabase(path, { migrations });
    assert.equal(db.prepare<{ n: number }>("SELECT count(*) AS n FROM t").get()!.n, 600);
  }),
);

void test(
  "a process that leaves it loses nothing, and the next ones write on in its log",
  inFolder(async (folder) => {
    const path = join(folder, "a.db");
    const script = `
      import { openDatabase } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
      const db = openDatabase(${JSON.stringify(path)}, { migrations: ${JSON.stringify(migrations)} });
      db.prepare("INSERT INTO t (word) VALUES ('left')").run();
      db.leave();
      process.exit(0);
    `;
    const sizes: number[] = [];
    for (let round = 0; round < 3; round++) {
      await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
      sizes.push(statSync(`${path}-wal`).size);
    }
    assert.ok(0 < sizes[0]! && sizes[0]! < sizes[1]! && sizes[1]! < sizes[2]!, String(sizes));
    using db = openDatabase(path, { migrations });
    assert.equal(db.prepare<{ n: number }>("SELECT count(*) AS n FROM t").get()!.n, 3);
  }),
);
