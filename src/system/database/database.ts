// SQLite for metadata: WAL, several processes at once, one writer at a time. Synchronous: a statement is microseconds, and a
// transaction never spans an await. Spec: sqlite.org/wal.html; node:sqlite.

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SQLInputValue, StatementSync } from "node:sqlite";
import { BuildError, errnoOf, messageOf } from "../../base/index.ts";

export interface DatabaseOptions {
  /** SQL of each schema version, oldest first. Only ever appended to. */
  readonly migrations: readonly string[];
  /** How long to wait for another process's write. Defaults to 30,000. */
  readonly busyTimeoutMs?: number;
  /** Move a damaged file aside and start anew instead of throwing. Defaults to false. */
  readonly replaceDamaged?: boolean;
}

/** A prepared statement; rows are plain objects of the shape `Row`. */
export interface Statement<Row> {
  get(...values: SQLInputValue[]): Row | undefined;
  all(...values: SQLInputValue[]): Row[];
  run(...values: SQLInputValue[]): { readonly changes: number | bigint };
}

export class Database implements Disposable {
  readonly path: string;
  readonly #db: DatabaseSync;
  #depth = 0;

  /** Use {@link openDatabase}. */
  constructor(path: string, db: DatabaseSync) {
    this.path = path;
    this.#db = db;
  }

  prepare<Row = Record<string, unknown>>(sql: string): Statement<Row> {
    const statement: StatementSync = this.#db.prepare(sql);
    return {
      get: (...values) => guard(this.path, () => statement.get(...values) as Row | undefined),
      all: (...values) => guard(this.path, () => statement.all(...values) as Row[]),
      run: (...values) => guard(this.path, () => statement.run(...values)),
    };
  }

  /** Makes the writes of `work` visible at once, or none when it throws. Takes the write lock first; nested calls join the outer one. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    guard(this.path, () => this.#db.exec("BEGIN IMMEDIATE"));
    this.#depth++;
    try {
      const value = work();
      guard(this.path, () => this.#db.exec("COMMIT"));
      return value;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    } finally {
      this.#depth--;
    }
  }

  /** Waiting readers and writers of other processes are not disturbed. Using it afterwards throws. */
  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /**
   * Lets go of it as a process does that is killed, for one that ends now anyway. The last to close a database writes its log into it, waits
   * for the disk, and removes the log, so that the next one begins a log, and waits for the disk: left where it is, the log is written back
   * once it is long, by whoever writes then. What is in the log is there for every process.
   */
  leave(): void {
    left.add(this.#db);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Collecting a connection as garbage would close it. */
const left = new Set<DatabaseSync>();

/**
 * Opens or makes a database and brings its schema up to date.
 * @throws DATABASE_NEWER when a newer slipway wrote it; DATABASE_DAMAGED; STATE_UNWRITABLE; DISK_FULL.
 */
export function openDatabase(path: string, options: DatabaseOptions): Database {
  try {
    return open(path, options);
  } catch (error) {
    if (options.replaceDamaged !== true || !isDamaged(error)) throw error;
    for (const suffix of ["", "-wal", "-shm"]) {
      if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.damaged-${Date.now()}${suffix}`);
    }
    return open(path, options);
  }
}

function open(path: string, options: DatabaseOptions): Database {
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    db = new DatabaseSync(path, { timeout: options.busyTimeoutMs ?? 30_000 });
    // A cache of 64 MiB, filled with what is read and no more: keys are digests, so that each new one is somewhere else in a large index.
    db.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536",
    );
    const database = new Database(path, db);
    if (versionOf(db) !== options.migrations.length) migrate(database, db, options.migrations);
    return database;
  } catch (error) {
    if (db?.isOpen) db.close();
    throw explain(path, error);
  }
}

function migrate(database: Database, db: DatabaseSync, migrations: readonly string[]): void {
  database.transaction(() => {
    const version = versionOf(db); // read again under the lock: another process may have migrated meanwhile
    if (version > migrations.length) {
      throw new BuildError(
        `${database.path} was written by a newer slipway (schema ${version}, this one knows ${migrations.length})`,
        {
          code: "DATABASE_NEWER",
          status: "FailedPrecondition",
          hint: "use the newer slipway, or another state directory with --root",
        },
      );
    }
    for (const sql of migrations.slice(version)) db.exec(sql);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

function versionOf(db: DatabaseSync): number {
  return (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
}

function guard<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explain(path, error);
  }
}

function isDamaged(error: unknown): boolean {
  return error instanceof BuildError && error.code === "DATABASE_DAMAGED";
}

/** SQLite's result codes: sqlite.org/rescode.html; the low byte is the primary code. */
function explain(path: string, error: unknown): unknown {
  if (error instanceof BuildError) return error;
  const errno = errnoOf(error);
  const primary = Number((error as { errcode?: number }).errcode ?? 0) & 0xff;
  const text = messageOf(error);
  if (primary === 11 || primary === 26) {
    return new BuildError(`${path} is damaged: ${text}`, {
      code: "DATABASE_DAMAGED",
      status: "DataLoss",
      hint: "remove the state directory to start anew; what it held is built again",
      cause: error,
    });
  }
  if (primary === 13 || errno === "ENOSPC") {
    return new BuildError(`no space left on the disk of ${path}`, {
      code: "DISK_FULL",
      status: "ResourceExhausted",
      hint: "free some space, for example with: slipway prune",
      cause: error,
    });
  }
  if (
    primary === 8 ||
    primary === 14 ||
    errno === "EACCES" ||
    errno === "EPERM" ||
    errno === "EROFS" ||
    errno === "ENOTDIR" ||
    errno === "EEXIST" ||
    errno === "ENOENT"
  ) {
    return new BuildError(`cannot write the state directory: ${path}: ${text}`, {
      code: "STATE_UNWRITABLE",
      status: "PermissionDenied",
      hint: "choose a writable one with --root or SLIPWAY_ROOT",
      cause: error,
    });
  }
  return error;
}
