// Snapshots by plain copies, where overlays cannot be mounted: slow and roomy, but the layers are the same.

import * as fs from "node:fs";
import { join } from "node:path";
import { byteString } from "../../base/index.ts";
import { LayerFolders } from "./layer-folders.ts";
import type { SnapshotterOptions } from "./overlay-snapshotter.ts";
import { SharedViews } from "./shared-views.ts";
import type { ActiveSnapshot, JobRunner, LayerId, MountedView, Snapshotter, StagedDirectory } from "./snapshotter.ts";

interface Active extends ActiveSnapshot {
  readonly dir: string;
  open: boolean;
}

export class CopySnapshotter implements Snapshotter {
  readonly kind = "copy";
  readonly #folders: LayerFolders;
  readonly #views = new SharedViews();
  readonly #actives = new Set<Active>();
  readonly #jobs: JobRunner;

  constructor({ root, processId, jobs }: SnapshotterOptions) {
    this.#folders = new LayerFolders(root, processId, jobs);
    this.#jobs = jobs;
  }

  async prepare(
    layers: readonly LayerId[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<ActiveSnapshot> {
    options.signal?.throwIfAborted();
    const lowerDirs = this.#folders.fsDirs(layers);
    const dir = this.#folders.create();
    const upper = join(dir, "fs");
    const path = layers.length === 0 ? upper : join(dir, "merged");
    try {
      if (path !== upper) {
        fs.mkdirSync(path);
        await this.#jobs.run("flattenLayers", { lowerDirs, target: path, indexFile: join(dir, "index") }, options);
      }
    } catch (error) {
      await this.#folders.discard(dir);
      throw error;
    }
    const active: Active = {
      id: dir.slice(this.#folders.root.length + 1),
      path,
      upper,
      dir,
      open: true,
      [Symbol.asyncDispose]: async () => {
        if (!active.open) return;
        active.open = false;
        this.#actives.delete(active);
        await this.#folders.discard(dir);
      },
    };
    this.#actives.add(active);
    return active;
  }

  async view(layers: readonly LayerId[], options: { signal?: AbortSignal | undefined } = {}): Promise<MountedView> {
    options.signal?.throwIfAborted();
    const lowerDirs = this.#folders.fsDirs(layers);
    return await this.#views.take(layers.join(":"), async () => {
      const dir = this.#folders.create();
      const undo = (): Promise<void> => this.#folders.discard(dir);
      try {
        // Shared with others: one caller's abort must not take it from them.
        await this.#jobs.run("flattenLayers", { lowerDirs, target: join(dir, "fs") });
      } catch (error) {
        await undo();
        throw error;
      }
      return { path: join(dir, "fs"), undo };
    });
  }

  async commit(
    active: ActiveSnapshot,
    options: { layer?: LayerId | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<{ layer: LayerId; sizeBytes: number }> {
    const own = [...this.#actives].find((candidate) => candidate === active);
    if (own === undefined) throw new Error(`snapshot ${active.id} is not active`);
    own.open = false;
    this.#actives.delete(own);
    try {
      if (own.path !== own.upper) {
        const indexFile = join(own.dir, "index");
        await this.#jobs.run("extractChanges", { merged: own.path, indexFile, fsDir: own.upper }, options);
        await this.#jobs.run("removeTree", { path: byteString(own.path) });
        fs.rmSync(indexFile);
      }
      const sizeBytes = await this.#jobs.run<unknown, number>("diskUsage", { path: own.upper });
      return { layer: await this.#folders.commit(own.dir, options.layer), sizeBytes };
    } catch (error) {
      await this.#folders.discard(own.dir);
      throw error;
    }
  }

  stage(): Promise<StagedDirectory> {
    return Promise.resolve(this.#folders.stage());
  }

  async remove(layer: LayerId): Promise<void> {
    await this.#folders.remove(layer);
  }

  list(): Promise<LayerId[]> {
    return Promise.resolve(this.#folders.list());
  }

  has(layer: LayerId): boolean {
    return this.#folders.has(layer);
  }

  fsDir(layer: LayerId): string {
    return this.#folders.fsDir(layer);
  }

  async usage(layer: LayerId): Promise<number> {
    return await this.#jobs.run("diskUsage", { path: this.#folders.fsDirs([layer])[0]! });
  }

  async repair(liveOwners: readonly string[]): Promise<void> {
    await this.#folders.repair(liveOwners);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const active of this.#actives) await active[Symbol.asyncDispose]();
    await this.#views[Symbol.asyncDispose]();
  }
}
