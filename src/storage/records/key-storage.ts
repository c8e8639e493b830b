// Cache keys in SQLite: every process on the store sees what the others recorded as soon as it is committed.
// Counterpart: moby/buildkit cache/../solver/bboltcachestorage.

import { digestOfBytes, hexOf, isDigest } from "../../base/index.ts";
import type { CacheKeyStorage, CacheLink, CacheResult } from "../../graph/solver/index.ts";
import type { Database } from "../../system/database/index.ts";
import { indexed, storedId } from "./schema.ts";

/** {@link CacheKeyStorage} over a database that has the tables of `recordsByBytesSchema`. Errors are the database's. */
export class SqliteKeyStorage implements CacheKeyStorage {
  readonly #db: Database;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(db: Database) {
    this.#db = db;
    this.#statements = prepareAll(db);
  }

  targets(id: string, link: CacheLink): string[] {
    const rows = this.#statements.targets.all(stored(id), stored(link.digest), link.input, stored(link.selector));
    return rows.map((row) => told(row.target));
  }

  addLink(id: string, link: CacheLink, target: string): void {
    this.#statements.addLink.run(stored(id), stored(link.digest), link.input, stored(link.selector), stored(target));
  }

  backlinks(target: string): { readonly id: string; readonly link: CacheLink }[] {
    return this.#statements.backlinks.all(stored(target)).map(({ source, input, digest, selector }) => ({
      id: told(source),
      link: { input, digest: told(digest), selector: told(selector) },
    }));
  }

  results(id: string): CacheResult[] {
    return this.#statements.results
      .all(stored(id))
      .map((row) => ({ id: told(row.result), createdAtMs: row.created_ms }));
  }

  addResult(id: string, result: CacheResult): void {
    const row = [stored(id), stored(result.id), result.createdAtMs] as const;
    if (Number(this.#statements.renewResult.run(...row).changes) === 0) this.#statements.addResult.run(...row);
  }

  removeResult(resultId: string): void {
    this.#statements.removeResult.run(stored(resultId));
  }

  supersede(id: string): void {
    this.#statements.removeResultsOfKey.run(stored(id));
    this.#statements.removeLinksTo.run(stored(id));
  }

  transaction<T>(work: () => T): T {
    return this.#db.transaction(work);
  }

  /** Forgets links that lead to no result, however far; returns how many. */
  sweep(): number {
    let removed = 0;
    // Only a key that a link just left can have become one that leads nowhere.
    for (let gone = this.#statements.sweep.all(); gone.length > 0;) {
      removed += gone.length;
      const left = new Set(gone.map(({ source }) => told(source)));
      gone = this.#statements.sweepTargets.all(JSON.stringify([...left]));
    }
    return removed;
  }
}

/** An id as tables hold it: see `schema.ts`. */
type StoredId = string | Uint8Array;

function stored(id: string): StoredId {
  return isDigest(id) ? Buffer.from(hexOf(id), "hex") : id;
}

function told(id: StoredId): string {
  return typeof id === "string" ? id : digestOfBytes(id);
}

const LEADS_NOWHERE = `NOT EXISTS (SELECT 1 FROM cache_results WHERE ${same("key", "target")})
  AND NOT EXISTS (SELECT 1 FROM cache_links AS on_from WHERE ${same("on_from.source", "cache_links.target")})`;

/** SQL that compares a column's id with another by the column's index. */
function same(column: string, id: string): string {
  return `${indexed(column)} = ${indexed(id)} AND ${column} = ${id}`;
}

interface LinkRow extends Record<string, unknown> {
  source: StoredId;
  input: number;
  digest: StoredId;
  selector: StoredId;
}

function prepareAll(db: Database) {
  const link = `${same("source", "?1")} AND ${same("digest", "?2")} AND input = ?3 AND selector = ?4`;
  const result = `${same("key", "?1")} AND result = ?2`;
  const asked = `SELECT ${storedId("value")} AS id FROM json_each(?1)`;
  return {
    targets: db.prepare<{ target: StoredId }>(`SELECT target FROM cache_links WHERE ${link}`),
    addLink: db.prepare(
      `INSERT INTO cache_links (source, digest, input, selector, target) SELECT ?1, ?2, ?3, ?4, ?5
        WHERE NOT EXISTS (SELECT 1 FROM cache_links WHERE ${link} AND target = ?5)`,
    ),
    backlinks: db.prepare<LinkRow>(
      `SELECT source, input, digest, selector FROM cache_links WHERE ${same("target", "?1")}`,
    ),
    results: db.prepare<{ result: StoredId; created_ms: number }>(
      `SELECT result, created_ms FROM cache_results WHERE ${same("key", "?1")} ORDER BY created_ms DESC`,
    ),
    renewResult: db.prepare(`UPDATE cache_results SET created_ms = ?3 WHERE ${result}`),
    addResult: db.prepare(
      `INSERT INTO cache_results (key, result, created_ms) SELECT ?1, ?2, ?3
        WHERE NOT EXISTS (SELECT 1 FROM cache_results WHERE ${result})`,
    ),
    removeResult: db.prepare(`DELETE FROM cache_results WHERE ${same("result", "?1")}`),
    removeResultsOfKey: db.prepare(`DELETE FROM cache_results WHERE ${same("key", "?1")}`),
    removeLinksTo: db.prepare(`DELETE FROM cache_links WHERE ${same("target", "?1")}`),
    sweep: db.prepare<{ source: StoredId }>(`DELETE FROM cache_links WHERE ${LEADS_NOWHERE} RETURNING source`),
    sweepTargets: db.prepare<{ source: StoredId }>(
      `DELETE FROM cache_links WHERE ${indexed("target")} IN (SELECT ${indexed("id")} FROM (${asked}))
        AND target IN (${asked}) AND ${LEADS_NOWHERE} RETURNING source`,
    ),
  };
}
