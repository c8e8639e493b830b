// Cache keys in SQLite: every process on the store sees what the others recorded as soon as it is committed.
// Counterpart: moby/buildkit cache/../solver/bboltcachestorage.

import type { CacheKeyStorage, CacheLink, CacheResult } from "../../graph/solver/index.ts";
import type { Database } from "../../system/database/index.ts";

/** {@link CacheKeyStorage} over a database that has the tables of `recordsSchema`. Errors are the database's. */
export class SqliteKeyStorage implements CacheKeyStorage {
  readonly #db: Database;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(db: Database) {
    this.#db = db;
    this.#statements = prepareAll(db);
  }

  targets(id: string, link: CacheLink): string[] {
    const rows = this.#statements.targets.all(id, link.digest, link.input, link.selector);
    return rows.map((row) => row.target);
  }

  addLink(id: string, link: CacheLink, target: string): void {
    this.#statements.addLink.run(id, link.digest, link.input, link.selector, target);
  }

  backlinks(target: string): { readonly id: string; readonly link: CacheLink }[] {
    return this.#statements.backlinks.all(target).map(({ source, ...link }) => ({ id: source, link: { ...link } }));
  }

  results(id: string): CacheResult[] {
    return this.#statements.results.all(id).map((row) => ({ id: row.result, createdAtMs: row.created_ms }));
  }

  addResult(id: string, result: CacheResult): void {
    this.#statements.addResult.run(id, result.id, result.createdAtMs);
  }

  removeResult(resultId: string): void {
    this.#statements.removeResult.run(resultId);
  }

  supersede(id: string): void {
    this.#statements.removeResultsOfKey.run(id);
    this.#statements.removeLinksTo.run(id);
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
      const left = new Set(gone.map(({ source }) => source));
      gone = this.#statements.sweepTargets.all(JSON.stringify([...left]));
    }
    return removed;
  }
}

const LEADS_NOWHERE = `NOT EXISTS (SELECT 1 FROM cache_results WHERE key = target)
  AND NOT EXISTS (SELECT 1 FROM cache_links AS on_from WHERE on_from.source = cache_links.target)`;

interface LinkRow extends Record<string, unknown> {
  source: string;
  input: number;
  digest: string;
  selector: string;
}

function prepareAll(db: Database) {
  return {
    targets: db.prepare<{ target: string }>(
      "SELECT target FROM cache_links WHERE source = ? AND digest = ? AND input = ? AND selector = ?",
    ),
    addLink: db.prepare(
      "INSERT OR IGNORE INTO cache_links (source, digest, input, selector, target) VALUES (?, ?, ?, ?, ?)",
    ),
    backlinks: db.prepare<LinkRow>("SELECT source, input, digest, selector FROM cache_links WHERE target = ?"),
    results: db.prepare<{ result: string; created_ms: number }>(
      "SELECT result, created_ms FROM cache_results WHERE key = ? ORDER BY created_ms DESC",
    ),
    addResult: db.prepare("INSERT OR REPLACE INTO cache_results (key, result, created_ms) VALUES (?, ?, ?)"),
    removeResult: db.prepare("DELETE FROM cache_results WHERE result = ?"),
    removeResultsOfKey: db.prepare("DELETE FROM cache_results WHERE key = ?"),
    removeLinksTo: db.prepare("DELETE FROM cache_links WHERE target = ?"),
    sweep: db.prepare<{ source: string }>(`DELETE FROM cache_links WHERE ${LEADS_NOWHERE} RETURNING source`),
    sweepTargets: db.prepare<{ source: string }>(
      `DELETE FROM cache_links WHERE target IN (SELECT value FROM json_each(?)) AND ${LEADS_NOWHERE} RETURNING source`,
    ),
  };
}
