// Cache mounts: folders that outlive builds and are shared between steps. Who uses one holds a lock on its file, so the kernel
// frees it however a process ends. Bare git repositories that builds share, and folders that clients sent, are kept in the same way, in tables
// of their own. Counterpart: moby/buildkit solver/llbsolver/mounts/mount.go (cacheRefs).

import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Database, Statement } from "../../system/database/index.ts";
import { lockFile } from "../../system/linux/index.ts";

export type Sharing = "shared" | "private" | "locked";

export interface CacheMountRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly createdMs: number;
  readonly usedMs: number;
  readonly uses: number;
}

export interface CacheMountRequest {
  /** What steps that share the folder agree on. */
  readonly name: string;
  readonly sharing: Sharing;
  readonly description: string;
  /** Fills a new, empty folder; without it, `onNew` may. */
  readonly seed?: (path: string) => Promise<void>;
}

/** A folder in use; disposing gives it back. */
export interface CacheMount extends Disposable {
  readonly path: string;
  /** Descriptor of the lock: a process that inherits it holds the folder until it ends, also when this one dies before. */
  readonly lockFd: number;
}

interface Row extends Record<string, unknown> {
  id: string;
  name: string;
  description: string;
  created_ms: number;
  used_ms: number;
  uses: number;
}

export interface CacheMountsOptions {
  /** Which table has the rows; defaults to that of cache mounts. */
  readonly table?: "cache_mounts" | "git_repositories" | "sent_folders";
  /** Milliseconds since the epoch; defaults to the clock. */
  readonly now?: () => number;
}

const POLL_MS = 100;

export class CacheMounts {
  /** Fills the new, empty folder of a name that brings no seed of its own. */
  onNew: ((name: string, path: string, signal: AbortSignal) => Promise<void>) | undefined;
  /** Told of every folder that a step gets. */
  onUse: ((name: string) => void) | undefined;
  readonly #root: string;
  readonly #db: Database;
  readonly #now: () => number;
  readonly #byName: Statement<Row>;
  readonly #all: Statement<Row>;
  readonly #insert: Statement<Row>;
  readonly #touch: Statement<Row>;
  readonly #remove: Statement<Row>;

  /** @param root folder of all cache mounts. */
  constructor(root: string, db: Database, options: CacheMountsOptions = {}) {
    const { table = "cache_mounts" } = options;
    this.#root = root;
    this.#db = db;
    this.#now = options.now ?? Date.now;
    mkdirSync(root, { recursive: true, mode: 0o711 });
    const columns = "id, name, description, created_ms, used_ms, uses";
    this.#byName = db.prepare<Row>(`SELECT ${columns} FROM ${table} WHERE name = ? ORDER BY used_ms DESC, id`);
    this.#all = db.prepare<Row>(`SELECT ${columns} FROM ${table}`);
    this.#insert = db.prepare(
      `INSERT INTO ${table} (id, name, dir, description, created_ms, used_ms, uses, size_bytes) VALUES (?, ?, ?, ?, ?, ?, 0, 0)`,
    );
    this.#touch = db.prepare(`UPDATE ${table} SET used_ms = ?, uses = uses + 1 WHERE id = ?`);
    this.#remove = db.prepare(`DELETE FROM ${table} WHERE id = ?`);
  }

  /** The folder of a name, made when there is none; waits for a locked one. */
  async acquire(request: CacheMountRequest, signal: AbortSignal): Promise<CacheMount> {
    this.onUse?.(request.name);
    for (;;) {
      signal.throwIfAborted();
      const rows = this.#byName.all(request.name);
      for (const row of rows) {
        const fd = this.#tryLock(row.id, request.sharing === "shared" ? "shared" : "exclusive");
        if (fd === undefined) {
          // No lock file: its maker died before it was whole, or it was removed by hand.
          if (!existsSync(this.#lockPath(row.id))) this.#remove.run(row.id);
          continue;
        }
        if (existsSync(this.path(row.id))) {
          this.#touch.run(this.#now(), row.id);
          return this.#mount(row.id, fd);
        }
        this.#remove.run(row.id);
        closeSync(fd);
      }
      if (rows.length === 0 || request.sharing === "private") {
        const made = await this.#make(request, signal);
        if (made !== undefined) return made;
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  list(): CacheMountRow[] {
    return this.#all.all().map((row) => ({
      id: row.id,
      name: row.name,
      description: row.description,
      createdMs: row.created_ms,
      usedMs: row.used_ms,
      uses: row.uses,
    }));
  }

  path(id: string): string {
    return join(this.#root, id, "fs");
  }

  /** Runs `remove` on the folder of a cache mount that nobody uses, then forgets it; false when somebody does. */
  async remove(id: string, remove: (path: string) => Promise<void>): Promise<boolean> {
    const fd = this.#tryLock(id, "exclusive");
    if (fd === undefined) return false;
    try {
      this.#remove.run(id);
      await remove(join(this.#root, id));
      return true;
    } finally {
      closeSync(fd);
    }
  }

  isUsed(id: string): boolean {
    const fd = this.#tryLock(id, "exclusive");
    if (fd !== undefined) closeSync(fd);
    return fd === undefined;
  }

  /** Undefined when somebody else made the name meanwhile. The row comes first, so that others wait for the seed to be whole. */
  async #make(request: CacheMountRequest, signal: AbortSignal): Promise<CacheMount | undefined> {
    const id = `cm${randomBytes(8).toString("hex")}`;
    const unfinished = join(this.#root, id, "new");
    mkdirSync(unfinished, { recursive: true, mode: 0o755 });
    const fd = openSync(this.#lockPath(id), "a", 0o600);
    lockFile(fd, "exclusive", true);
    try {
      const inserted = this.#db.transaction(() => {
        if (request.sharing !== "private" && this.#byName.all(request.name).length > 0) return false;
        this.#insert.run(id, request.name, id, request.description, this.#now(), this.#now());
        return true;
      });
      if (!inserted) {
        rmSync(join(this.#root, id), { recursive: true, force: true });
        closeSync(fd);
        return undefined;
      }
      if (request.seed !== undefined) await request.seed(unfinished);
      else await this.onNew?.(request.name, unfinished, signal);
      renameSync(unfinished, this.path(id));
    } catch (error) {
      this.#remove.run(id);
      closeSync(fd);
      throw error;
    }
    if (request.sharing === "shared") lockFile(fd, "shared", true);
    return this.#mount(id, fd);
  }

  #mount(id: string, fd: number): CacheMount {
    let open = true;
    return {
      path: this.path(id),
      lockFd: fd,
      [Symbol.dispose]: () => {
        if (open) closeSync(fd);
        open = false;
      },
    };
  }

  #tryLock(id: string, kind: "shared" | "exclusive"): number | undefined {
    let fd: number;
    try {
      fd = openSync(this.#lockPath(id), "r+");
    } catch {
      return undefined;
    }
    if (lockFile(fd, kind)) return fd;
    closeSync(fd);
    return undefined;
  }

  #lockPath(id: string): string {
    return join(this.#root, id, "lock");
  }
}
