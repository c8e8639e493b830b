// Everything that outlives a build, opened together: database, blobs, layers, refs, cache keys, images. Crash-only: opening is also
// repairing. What dead processes left (temporary files, mounts, leases, running steps) goes at the next start of anybody.

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ContentStore } from "../../storage/content/index.ts";
import {
  recordsByBytesSchema,
  recordsByOutputSchema,
  recordsSchema,
  SourceRecords,
  sourceRecordsSchema,
  SqliteKeyStorage,
} from "../../storage/records/index.ts";
import {
  gitRepositoriesSchema,
  refListsSchema,
  RefStore,
  refsSchema,
  sentFoldersSchema,
} from "../../storage/refs/index.ts";
import type { RefStoreOptions, RemoteOpener } from "../../storage/refs/index.ts";
import { openSnapshotter, removeTree } from "../../storage/snapshots/index.ts";
import type { Snapshotter } from "../../storage/snapshots/index.ts";
import { openDatabase } from "../../system/database/index.ts";
import type { Database } from "../../system/database/index.ts";
import { readMounts, unmount } from "../../system/linux/index.ts";
import type { WorkerPool } from "../../system/workers/index.ts";
import { killLeftovers } from "../executor/index.ts";
import { ImageStore, imagesSchema } from "../exporters/index.ts";
import { lockProcess } from "./process-lock.ts";
import type { ProcessLock } from "./process-lock.ts";
import { keepReserve, makeRoot, spendReserve, stateError } from "./state-root.ts";

export interface StoreOptions {
  readonly root: string;
  readonly workers: WorkerPool;
  /** How blobs that are elsewhere are fetched. */
  readonly openRemote: (content: ContentStore) => RemoteOpener;
  /** Told of a layer that could not be had, before whoever wanted it is. */
  readonly onLayerFailure?: RefStoreOptions["onLayerFailure"];
  /** Forces plain copies or overlay; found out when absent. */
  readonly snapshotter?: "overlay" | "copy";
  /** The store is opened to free space: what it keeps in reserve may be used for that. Defaults to false. */
  readonly toFreeSpace?: boolean | undefined;
  /** The process ends when the store has been let go of: its database need not be closed. Defaults to false. */
  readonly endsWithProcess?: boolean | undefined;
}

export class Store implements AsyncDisposable {
  readonly root: string;
  readonly lock: ProcessLock;
  readonly db: Database;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly refs: RefStore;
  readonly keys: SqliteKeyStorage;
  readonly images: ImageStore;
  /** What is remembered of files from the web and of git commits. */
  readonly sources: SourceRecords;
  readonly #endsWithProcess: boolean;

  private constructor(parts: Omit<Store, "close" | typeof Symbol.asyncDispose>, endsWithProcess: boolean) {
    this.#endsWithProcess = endsWithProcess;
    this.root = parts.root;
    this.lock = parts.lock;
    this.db = parts.db;
    this.content = parts.content;
    this.snapshotter = parts.snapshotter;
    this.refs = parts.refs;
    this.keys = parts.keys;
    this.images = parts.images;
    this.sources = parts.sources;
  }

  /** @throws STATE_UNWRITABLE, DATABASE_NEWER, DISK_FULL. A damaged database is moved aside: what it knew is built again. */
  static async open(options: StoreOptions): Promise<Store> {
    const { root, workers } = options;
    makeRoot(root);
    if (options.toFreeSpace === true) spendReserve(root);
    let lock: ProcessLock | undefined;
    try {
      lock = lockProcess(root);
      const db = openDatabase(join(root, "store.db"), {
        migrations: [
          recordsSchema + refsSchema + imagesSchema,
          recordsByOutputSchema,
          sourceRecordsSchema,
          gitRepositoriesSchema,
          sentFoldersSchema,
          refListsSchema,
          recordsByBytesSchema,
        ],
        replaceDamaged: lock.alone,
      });
      const content = new ContentStore(join(root, "content"), lock.id);
      const runDir = join(lock.runDir, "mounts");
      mkdirSync(runDir, { mode: 0o711 });
      const snapshots = join(root, "snapshots");
      const snapshotter = await openSnapshotter({
        root: snapshots,
        runDir,
        processId: lock.id,
        jobs: workers,
        kind: options.snapshotter,
      });
      const refs = new RefStore({
        db,
        content,
        snapshotter,
        jobs: workers,
        openRemote: options.openRemote(content),
        holder: lock.id,
        ...(options.onLayerFailure === undefined ? {} : { onLayerFailure: options.onLayerFailure }),
      });
      const keys = new SqliteKeyStorage(db);
      const images = new ImageStore(db, content);
      const sources = new SourceRecords(db);
      const store = new Store(
        { root, lock, db, content, snapshotter, refs, keys, images, sources },
        options.endsWithProcess === true,
      );
      await store.#repair();
      lock.ready();
      if (options.toFreeSpace !== true) keepReserve(root);
      return store;
    } catch (error) {
      lock?.[Symbol.dispose]();
      throw stateError(root, error);
    }
  }

  /** Waits for nothing: callers have ended their work. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.snapshotter[Symbol.asyncDispose]();
    this.refs.rows.unleaseAll(this.lock.id);
    if (this.#endsWithProcess) this.db.leave();
    else this.db.close();
    this.lock[Symbol.dispose]();
    removeTree({ path: this.lock.runDir });
  }

  async #repair(): Promise<void> {
    const dead = this.lock.dead();
    for (const id of dead) {
      const runDir = join(this.root, "run", id);
      await killLeftovers(runDir);
      for (const { mountPoint } of readMounts().toReversed())
        if (mountPoint.startsWith(`${runDir}/`)) unmount(mountPoint);
      removeTree({ path: runDir });
    }
    for (const holder of this.refs.rows.holders()) if (!this.#holds(holder)) this.refs.rows.unleaseAll(holder);
    if (dead.length > 0 || this.lock.alone) {
      this.content.removeLeftovers((owner) => this.lock.isAlive(owner));
      await this.snapshotter.repair(this.lock.living());
    }
    // Only a process that is alone may judge layers without rows: others may be between renaming a layer and recording it.
    if (this.lock.alone && dead.length > 0) await this.#removeOrphans();
  }

  /** Processes hold as long as they live, containers as long as they have a folder. */
  #holds(holder: string): boolean {
    const container = /^container-([0-9a-f]{64})$/.exec(holder)?.[1];
    if (container === undefined) return this.lock.isAlive(holder);
    return existsSync(join(this.root, "containers", container));
  }

  async #removeOrphans(): Promise<void> {
    const known = this.refs.rows.layerIds();
    for (const layer of await this.snapshotter.list()) if (!known.has(layer)) await this.snapshotter.remove(layer);
  }
}
