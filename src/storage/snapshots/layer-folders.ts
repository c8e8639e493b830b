// The folders that both snapshotters share: committed layers, work in progress under `tmp-<processId>-<n>`, removal, repair.

import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { BuildError, byteString, errnoOf } from "../../base/index.ts";
import type { JobRunner, LayerId, StagedDirectory } from "./snapshotter.ts";

export class LayerFolders {
  readonly root: string;
  readonly #processId: string;
  readonly #jobs: JobRunner;
  #next = 1;

  constructor(root: string, processId: string, jobs: JobRunner) {
    this.root = root;
    this.#processId = processId;
    this.#jobs = jobs;
    fs.mkdirSync(root, { recursive: true, mode: 0o711 });
  }

  fsDir(layer: LayerId): string {
    if (!/^[A-Za-z0-9_-]{1,128}$/.test(layer) || layer.startsWith("tmp-")) throw new Error(`not a layer id: ${layer}`);
    return `${this.root}/${layer}/fs`;
  }

  has(layer: LayerId): boolean {
    return fs.existsSync(this.fsDir(layer));
  }

  /** @throws LAYER_GONE when one is not there. */
  fsDirs(layers: readonly LayerId[]): string[] {
    return layers.map((layer) => {
      const dir = this.fsDir(layer);
      if (fs.existsSync(dir)) return dir;
      throw new BuildError(`layer ${layer} is gone`, { code: "LAYER_GONE", status: "NotFound", retryable: true });
    });
  }

  list(): LayerId[] {
    return fs.readdirSync(this.root).filter((name) => !/^(tmp|probe)-/.test(name));
  }

  /** A new folder in progress holding an empty `fs`. */
  create(): string {
    const dir = join(this.root, `tmp-${this.#processId}-${this.#next++}`);
    fs.mkdirSync(dir, { mode: 0o700 });
    fs.mkdirSync(join(dir, "fs"));
    fs.chmodSync(join(dir, "fs"), 0o755);
    fs.chmodSync(dir, 0o711);
    return dir;
  }

  /** Renames a folder in progress, of which only `fs` may be left, to its layer; an older one of that id wins. */
  async commit(dir: string, layer: LayerId = randomUUID()): Promise<LayerId> {
    const target = join(this.fsDir(layer), "..");
    try {
      fs.renameSync(dir, target);
    } catch (error) {
      if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
      await this.discard(dir);
    }
    return layer;
  }

  /** Removes a folder in progress. */
  async discard(dir: string): Promise<void> {
    await this.#jobs.run("removeTree", { path: byteString(dir) });
  }

  async remove(layer: LayerId): Promise<void> {
    // First out of sight: a half-removed layer must never be taken for a whole one.
    const doomed = join(this.root, `tmp-${this.#processId}-${this.#next++}`);
    try {
      fs.renameSync(join(this.fsDir(layer), ".."), doomed);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw error;
    }
    await this.discard(doomed);
  }

  async repair(liveOwners: readonly string[]): Promise<void> {
    const live = new Set([...liveOwners, this.#processId]);
    for (const name of fs.readdirSync(this.root)) {
      // The probe at start-up works under the same owner.
      const owner = /^tmp-(.*?)(?:-probe)?-\d+$/.exec(name)?.[1] ?? /^probe-(.*)$/.exec(name)?.[1];
      if (owner !== undefined && !live.has(owner)) await this.discard(join(this.root, name));
    }
  }

  stage(): StagedDirectory {
    const dir = this.create();
    let open = true;
    return {
      fsDir: join(dir, "fs"),
      commit: async (layer) => {
        open = false;
        await this.commit(dir, layer);
      },
      [Symbol.asyncDispose]: async () => {
        if (open) await this.discard(dir);
        open = false;
      },
    };
  }
}
