// Cache mounts that travel: imported ones fill a mount when a step first needs it on this machine, by scope in order; used ones are
// exported as what changed since. Trouble with either is a warning, and an empty mount. What a mount on this machine consists of is
// noted beside it, so that an export need read only what is new.

import { readFileSync, writeFileSync, mkdirSync, rmSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { isAbort, messageOf } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { ContentStore } from "../../storage/content/index.ts";
import type { CacheMounts, RefStore } from "../../storage/refs/index.ts";
import { layerAsBlob } from "./layer-descriptor.ts";
import type {
  ListFolderInput,
  PackedLayer,
  PackLayerInput,
  StageChangesInput,
  StagedChanges,
  TreeState,
} from "../../storage/snapshots/index.ts";
import { runToEnd } from "../../system/process/index.ts";
import type { WorkerPool } from "../../system/workers/index.ts";
import type { CacheDestination } from "./destination.ts";
import { mountBlobs, readMounts } from "./mount-manifest.ts";
import type { TravelingMount } from "./mount-manifest.ts";

export interface TravelingMountsOptions {
  readonly cacheMounts: CacheMounts;
  readonly refs: RefStore;
  readonly content: ContentStore;
  readonly workers: WorkerPool;
}

/** Mounts of an import, and where their layers are. */
export interface MountSource {
  readonly mounts: readonly TravelingMount[];
  /** Scopes to look in, the first that has a mount counts. */
  readonly scopes: readonly string[];
  readonly remote: string;
  readonly warn: (text: string) => void;
}

export interface MountExport {
  readonly destination: CacheDestination;
  readonly scope: string;
  /** Which mounts, by what users call them; all when undefined. */
  readonly ids: ReadonlySet<string> | undefined;
  /** Those too that no step of this process used. */
  readonly unused: boolean;
  readonly maxSizeBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
  readonly status: (line: string, completed: boolean) => void;
  readonly warn: (text: string) => void;
}

/** What is noted beside a mount. */
interface Note {
  readonly layers: readonly Descriptor[];
  readonly state: TreeState;
}

/** Differences that are worth a new beginning: then a mount is exported whole. */
const MAX_LAYERS = 8;

export class TravelingMounts {
  readonly #o: TravelingMountsOptions;
  readonly #sources = new Set<MountSource>();
  /** Names that steps of this process were given. */
  readonly #used = new Set<string>();

  constructor(options: TravelingMountsOptions) {
    this.#o = options;
    options.cacheMounts.onNew = (id, path, signal) => this.#restore(id, path, signal);
    options.cacheMounts.onUse = (name) => void this.#used.add(name);
  }

  /** Restores from `source` too, until the returned function is called. */
  attach(source: MountSource): () => void {
    this.#sources.add(source);
    return () => void this.#sources.delete(source);
  }

  /** Exports mounts; resolves with what users call them. Never rejects but for the signal. */
  async export(to: MountExport, signal: AbortSignal): Promise<string[]> {
    try {
      return await this.#export(to, signal);
    } catch (error) {
      signal.throwIfAborted();
      to.warn(`cache mounts are not exported: ${messageOf(error)}`);
      return [];
    }
  }

  /** Fills every mount of a source that is not on this machine yet; resolves with what users call them. */
  async restoreAll(source: MountSource, signal: AbortSignal): Promise<string[]> {
    const detach = this.attach(source);
    try {
      const here = new Set(this.#o.cacheMounts.list().map(({ name }) => name));
      const wanted = source.mounts.filter(({ id, scope }) => !here.has(id) && source.scopes.includes(scope));
      const names = [...new Set(wanted.map(({ id }) => id))];
      for (const name of names) {
        using _mount = await this.#o.cacheMounts.acquire({ name, sharing: "locked", description: "imported" }, signal);
      }
      return names.map(mountName);
    } finally {
      detach();
    }
  }

  async #export(to: MountExport, signal: AbortSignal): Promise<string[]> {
    const { cacheMounts } = this.#o;
    const made: TravelingMount[] = [];
    for (const { id: folder, name } of cacheMounts.list()) {
      if (
        (!to.unused && !this.#used.has(name)) ||
        to.ids?.has(mountName(name)) === false ||
        made.some(({ id }) => id === name)
      )
        continue;
      const line = `exporting cache mount ${mountName(name)}`;
      to.status(line, false);
      try {
        const layers = await this.#layers(folder, to.destination, signal);
        made.push({ id: name, scope: to.scope, layers, usedAtMs: Date.now() });
      } catch (error) {
        if (isAbort(error)) throw error;
        to.warn(`cache mount ${mountName(name)} is not exported: ${messageOf(error)}`);
      } finally {
        to.status(line, true);
      }
    }
    if (made.length === 0) return [];
    await to.destination.update(
      readMounts,
      (current) => {
        const isMade = (each: TravelingMount) => made.some(({ id, scope }) => id === each.id && scope === each.scope);
        const others = (current?.mounts ?? []).filter((each) => !isMade(each));
        const mounts = bounded([...made, ...others], to);
        const blobs = mountBlobs(mounts);
        const layers = new Set(mounts.flatMap((each) => each.layers.map(({ digest }) => digest)));
        return Promise.resolve(
          current?.parts[0] === blobs.manifest.descriptor.digest ? undefined : { blobs, layers, last: true },
        );
      },
      signal,
    );
    return made.map(({ id }) => mountName(id));
  }

  /** The layers that a mount consists of now; new ones are packed and put. */
  async #layers(folder: string, destination: CacheDestination, signal: AbortSignal): Promise<readonly Descriptor[]> {
    const root = this.#o.cacheMounts.path(folder);
    const note = readNote(root);
    const isThere = async () =>
      note !== undefined &&
      (await Promise.all(note.layers.map((each) => this.#isThere(each, destination, signal)))).every(Boolean);
    if (note === undefined || note.layers.length >= MAX_LAYERS || !(await isThere())) {
      const state = await this.#o.workers.run<ListFolderInput, TreeState>("listFolder", { root }, { signal });
      const layer = await this.#pack(root, destination, signal);
      writeNote(root, { layers: [layer], state });
      return [layer];
    }
    const stage = join(dirname(root), "changes");
    try {
      rmSync(stage, { recursive: true, force: true });
      mkdirSync(stage, { mode: 0o755 });
      const input: StageChangesInput = { root, before: note.state, stage };
      const { state, changes } = await this.#o.workers.run<StageChangesInput, StagedChanges>("stageChanges", input, {
        signal,
      });
      if (changes === 0) return note.layers;
      const layers = [...note.layers, await this.#pack(stage, destination, signal)];
      writeNote(root, { layers, state });
      return layers;
    } finally {
      rmSync(stage, { recursive: true, force: true });
    }
  }

  /** Whether the destination has a layer, now at the latest. */
  async #isThere(layer: Descriptor, destination: CacheDestination, signal: AbortSignal): Promise<boolean> {
    if (await destination.has(layer, signal)) return true;
    if (!this.#o.content.has(layer.digest)) return false;
    await destination.put(layer, { path: this.#o.content.path(layer.digest) }, signal);
    return true;
  }

  async #pack(fsDir: string, destination: CacheDestination, signal: AbortSignal): Promise<Descriptor> {
    const output = this.#o.content.temporaryPath();
    const input: PackLayerInput = { fsDir, output, compression: "zstd", timePrecision: "nanoseconds" };
    try {
      const packed = await this.#o.workers.run<PackLayerInput, PackedLayer>("packLayer", input, { signal });
      const layer = layerAsBlob(packed);
      if (!(await destination.has(layer, signal))) {
        this.#o.content.adopt(output, packed.blobDigest, packed.sizeBytes);
        await destination.put(layer, { path: this.#o.content.path(packed.blobDigest), isFresh: true }, signal);
        this.#o.content.delete(packed.blobDigest);
      }
      return layer;
    } finally {
      rmSync(output, { force: true });
    }
  }

  /** Fills the new, empty folder of a mount. Never rejects but for the signal. */
  async #restore(id: string, path: string, signal: AbortSignal): Promise<void> {
    for (const source of this.#sources) {
      const scope = source.scopes.find((each) =>
        source.mounts.some((mount) => mount.id === id && mount.scope === each),
      );
      const mount = source.mounts.find((each) => each.id === id && each.scope === scope);
      if (mount === undefined) continue;
      try {
        await this.#fill(mount.layers, source.remote, path, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        source.warn(`cache mount ${mountName(id)} begins empty: ${messageOf(error)}`);
        rmSync(path, { recursive: true, force: true });
        mkdirSync(path, { mode: 0o755 });
      }
    }
  }

  async #fill(layers: readonly Descriptor[], remote: string, path: string, signal: AbortSignal): Promise<void> {
    const { refs, workers } = this.#o;
    const described = layers.map((descriptor) => ({ descriptor, diffId: diffIdOf(descriptor) }));
    const ref = refs.fromImage(described, remote, { description: "imported cache mount", type: "internal" });
    try {
      await using view = await refs.view(ref, signal);
      const copied = await runToEnd(["cp", "-a", "--reflink=auto", `${view.path}/.`, path], { signal });
      if (copied.exitCode !== 0) throw new Error(copied.stderr.toString().trim());
    } finally {
      refs.release(ref);
    }
    const state = await workers.run<ListFolderInput, TreeState>("listFolder", { root: path }, { signal });
    writeNote(path, { layers, state });
  }
}

/** What users call a mount: in the graph its id has the namespace of ids before it, which is empty as a rule. */
export function mountName(id: string): string {
  return id.startsWith("/") ? id.slice(1) : id;
}

/** What is within the bounds, least recently used out first. */
function bounded(mounts: readonly TravelingMount[], { maxSizeBytes, maxAgeMs }: MountExport): TravelingMount[] {
  const kept: TravelingMount[] = [];
  const sizes = new Map<string, number>();
  const total = () => [...sizes.values()].reduce((sum, size) => sum + size, 0);
  for (const mount of [...mounts].sort((a, b) => b.usedAtMs - a.usedAtMs)) {
    if (maxAgeMs !== undefined && Date.now() - mount.usedAtMs > maxAgeMs) continue;
    const before = new Map(sizes);
    for (const { digest, size } of mount.layers) sizes.set(digest, size);
    if (maxSizeBytes === undefined || total() <= maxSizeBytes) kept.push(mount);
    else {
      sizes.clear();
      for (const [digest, size] of before) sizes.set(digest, size);
    }
  }
  return kept;
}

function diffIdOf({ annotations }: Descriptor): Descriptor["digest"] {
  return (annotations?.["containerd.io/uncompressed"] ?? "") as Descriptor["digest"];
}

function notePath(root: string): string {
  return join(dirname(root), "travel.json");
}

function readNote(root: string): Note | undefined {
  try {
    return JSON.parse(readFileSync(notePath(root), "utf8")) as Note;
  } catch {
    return undefined;
  }
}

function writeNote(root: string, note: Note): void {
  if (existsSync(dirname(root))) writeFileSync(notePath(root), JSON.stringify(note), { mode: 0o600 });
}
