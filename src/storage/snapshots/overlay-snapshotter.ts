// Snapshots by overlayfs: nothing is copied, a commit is a rename. Upper directories stay packable: no redirects, no metadata
// copies, no index. Mounts skip overlay's syncs ("volatile"): a layer that a power cut tore is found by its digest or made again.
// Counterpart: containerd plugins/snapshots/overlay.

import * as fs from "node:fs";
import { join } from "node:path";
import { byteString, errnoOf } from "../../base/index.ts";
import { mountOverlay, unmount } from "../../system/linux/index.ts";
import { quickDiskUsage } from "./disk-usage.ts";
import { LayerFolders } from "./layer-folders.ts";
import { copyMetadata, isWhiteout, tryLstat, usesUserXattrs } from "./overlay-form.ts";
import { removeTree } from "./remove-tree.ts";
import { SharedViews } from "./shared-views.ts";
import type { ActiveSnapshot, JobRunner, LayerId, MountedView, Snapshotter, StagedDirectory } from "./snapshotter.ts";

export interface SnapshotterOptions {
  /** Folder of the layers. */
  readonly root: string;
  /** Folder for mount points of this process. */
  readonly runDir: string;
  /** Names this process among those that share the root: letters, digits, `-` and `_`. */
  readonly processId: string;
  readonly jobs: JobRunner;
}

interface Active extends ActiveSnapshot {
  readonly dir: string;
  open: boolean;
}

export class OverlaySnapshotter implements Snapshotter {
  readonly kind = "overlay";
  readonly #folders: LayerFolders;
  readonly #views = new SharedViews();
  readonly #actives = new Set<Active>();
  readonly #jobs: JobRunner;
  readonly #mountDir: string;
  #volatile = true;
  #next = 1;

  constructor({ root, runDir, processId, jobs }: SnapshotterOptions) {
    this.#folders = new LayerFolders(root, processId, jobs);
    this.#jobs = jobs;
    this.#mountDir = join(runDir, "mounts");
    fs.mkdirSync(this.#mountDir, { recursive: true, mode: 0o711 });
  }

  async prepare(
    layers: readonly LayerId[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<ActiveSnapshot> {
    options.signal?.throwIfAborted();
    const lower = layers.map((layer) => this.#folders.fsDir(layer));
    const dir = this.#folders.create();
    const upper = join(dir, "fs");
    let path = upper;
    try {
      const top = lower.at(-1);
      if (top !== undefined) {
        // The root folder's own metadata is the upper directory's.
        const topStat = tryLstat(byteString(top));
        if (topStat !== undefined) copyMetadata(byteString(top), topStat, byteString(upper));
        fs.mkdirSync(join(dir, "work"));
        path = this.#mount(lower, { upper, work: join(dir, "work") });
      }
    } catch (error) {
      await this.#folders.discard(dir);
      // Only now: asking for each layer before each mount costs as much as the mount.
      this.#folders.fsDirs(layers);
      throw error;
    }
    const active: Active = {
      id: dir.slice(this.#folders.root.length + 1),
      path,
      upper,
      dir,
      open: true,
      [Symbol.asyncDispose]: async () => {
        if (!this.#close(active)) return;
        await this.#folders.discard(dir);
      },
    };
    this.#actives.add(active);
    return active;
  }

  async view(layers: readonly LayerId[], options: { signal?: AbortSignal | undefined } = {}): Promise<MountedView> {
    options.signal?.throwIfAborted();
    const lower = layers.map((layer) => this.#folders.fsDir(layer));
    return await this.#views.take(layers.join(":"), () => {
      if (lower.length === 0) return Promise.resolve({ path: this.#empty(), undo: () => Promise.resolve() });
      try {
        // A lone layer is mounted as well: its whiteouts must not show.
        const path = this.#mount(lower.length === 1 ? [this.#empty(), ...lower] : lower);
        return Promise.resolve({ path, undo: () => Promise.resolve(this.#unmount(path)) });
      } catch (error) {
        this.#folders.fsDirs(layers);
        throw error;
      }
    });
  }

  async commit(
    active: ActiveSnapshot,
    options: { layer?: LayerId | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<{ layer: LayerId; sizeBytes: number }> {
    options.signal?.throwIfAborted();
    const own = [...this.#actives].find((candidate) => candidate === active);
    if (own === undefined || !this.#close(own)) throw new Error(`snapshot ${active.id} is not active`);
    try {
      // The kernel leaves nothing in it but empty folders.
      removeTree({ path: byteString(join(own.dir, "work")) });
      const sizeBytes =
        quickDiskUsage(own.upper) ?? (await this.#jobs.run<unknown, number>("diskUsage", { path: own.upper }));
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

  #mount(lower: readonly string[], changes: { upper?: string; work?: string } = {}): string {
    const target = join(this.#mountDir, String(this.#next++));
    fs.mkdirSync(target);
    const options = ["index=off", "metacopy=off", usesUserXattrs() ? "userxattr" : "redirect_dir=off"];
    const writable = changes.upper !== undefined;
    try {
      try {
        mountOverlay(target, {
          lower,
          ...changes,
          options: writable && this.#volatile ? [...options, "volatile"] : options,
        });
      } catch (error) {
        if (!writable || !this.#volatile || errnoOf(error) !== "EINVAL") throw error;
        // Kernels before 5.10 do not know the option.
        mountOverlay(target, { lower, ...changes, options });
        this.#volatile = false;
      }
    } catch (error) {
      fs.rmdirSync(target);
      throw error;
    }
    return target;
  }

  #unmount(path: string): void {
    unmount(path);
    fs.rmdirSync(path);
  }

  #close(active: Active): boolean {
    if (!active.open) return false;
    active.open = false;
    this.#actives.delete(active);
    if (active.path !== active.upper) this.#unmount(active.path);
    return true;
  }

  #empty(): string {
    const dir = join(this.#mountDir, "empty");
    if (!fs.existsSync(dir)) {
      fs.mkdirSync(dir);
      fs.chmodSync(dir, 0o755);
    }
    return dir;
  }
}

/** Whether overlays can be mounted here and mark deletions as layers need them. */
export async function overlayWorks(options: SnapshotterOptions): Promise<boolean> {
  const probe = `${options.processId}-probe`;
  await using snapshotter = new OverlaySnapshotter({ ...options, processId: probe });
  try {
    await using staged = await snapshotter.stage();
    const layer = `probe-${options.processId}`;
    fs.mkdirSync(join(staged.fsDir, "dir"));
    fs.writeFileSync(join(staged.fsDir, "dir/file"), "");
    await staged.commit(layer);
    try {
      await using active = await snapshotter.prepare([layer]);
      fs.rmSync(join(active.path, "dir"), { recursive: true });
      const mark = tryLstat(byteString(join(active.upper, "dir")));
      return mark !== undefined && isWhiteout(mark);
    } finally {
      await snapshotter.remove(layer);
    }
  } catch {
    return false;
  }
}
