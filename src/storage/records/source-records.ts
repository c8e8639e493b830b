// What is remembered of remote sources between builds: under a key (a URL with its options, a commit), the ref that was made of it
// and facts to ask the server again with. A row whose ref is gone counts for nothing and goes when it is met.
// Counterpart: moby/buildkit cache/metadata as source/http and source/git use it.

import type { Database, Statement } from "../../system/database/index.ts";

/** SQL that makes the table; a migration of the store. */
export const sourceRecordsSchema = `
CREATE TABLE source_records (
  key TEXT NOT NULL,
  ref TEXT NOT NULL,
  facts TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (key, ref)
) WITHOUT ROWID;
CREATE INDEX source_records_ref ON source_records (ref);
`;

export interface SourceRecord {
  /** Id of the ref that holds the content. */
  readonly ref: string;
  readonly facts: Readonly<Record<string, string>>;
}

interface Row extends Record<string, unknown> {
  ref: string;
  facts: string;
}

export class SourceRecords {
  readonly #find: Statement<Row>;
  readonly #put: Statement<Row>;
  readonly #remove: Statement<Row>;
  readonly #sweep: Statement<Row>;

  constructor(db: Database) {
    this.#find = db.prepare<Row>("SELECT ref, facts FROM source_records WHERE key = ? ORDER BY created_ms DESC, ref");
    this.#put = db.prepare(
      "INSERT INTO source_records (key, ref, facts, created_ms) VALUES (?, ?, ?, ?) ON CONFLICT (key, ref) DO UPDATE SET facts = excluded.facts, created_ms = excluded.created_ms",
    );
    this.#remove = db.prepare("DELETE FROM source_records WHERE key = ? AND ref = ?");
    this.#sweep = db.prepare("DELETE FROM source_records WHERE ref NOT IN (SELECT id FROM refs)");
  }

  /** Newest first. The refs may be gone: whoever uses one loads it, and says `remove` when that fails. */
  find(key: string): SourceRecord[] {
    return this.#find
      .all(key)
      .map(({ ref, facts }) => ({ ref, facts: JSON.parse(facts) as Readonly<Record<string, string>> }));
  }

  put(key: string, record: SourceRecord, nowMs: number = Date.now()): void {
    this.#put.run(key, record.ref, JSON.stringify(record.facts), nowMs);
  }

  remove(key: string, ref: string): void {
    this.#remove.run(key, ref);
  }

  /** Forgets everything whose ref is gone. */
  sweep(): void {
    this.#sweep.run();
  }
}
