// Refs and what they stand on: makes layers, mounts them, fetches and unpacks those that are elsewhere when somebody looks, packs
// blobs when somebody asks. Every ref handed out is leased to this process until released, so that no prune takes it away.
// Order of every change: files first, rows after; a row whose files are gone is a cache miss.
// Counterpart: moby/buildkit cache/manager.go.

import { BuildError, FlightControl, digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { Database } from "../../system/database/index.ts";
import type { ContentStore } from "../content/index.ts";
import type { JobRunner, MountedView, Snapshotter } from "../snapshots/index.ts";
import { LayerForms, withoutMarks } from "./layer-forms.ts";
import type { LayerAsBlob, LayerFormsOptions, PackOptions, RemoteOpener } from "./layer-forms.ts";
import type { MutableRef, Ref, RefInfo } from "./ref.ts";
import { RefRows, refIdOf } from "./rows.ts";
import type { LayerId, LayerRow } from "./rows.ts";

export interface RefStoreOptions {
  readonly db: Database;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly jobs: JobRunner;
  /** Opens a source of blobs from the text that `fromImage` was given. */
  readonly openRemote: RemoteOpener;
  /** Leases are held under this name; a dead holder's leases are dropped by the next start. */
  readonly holder: string;
  /** Told of a layer that could not be had, before whoever wanted it is. */
  readonly onLayerFailure?: LayerFormsOptions["onLayerFailure"];
  /** Milliseconds since the epoch; defaults to the clock. */
  readonly now?: () => number;
}

/** A layer of an image as its manifest and config describe it. */
export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

export class RefStore {
  readonly rows: RefRows;
  readonly forms: LayerForms;
  readonly #options: RefStoreOptions;
  readonly #held = new Map<string, number>();
  /** Of the refs held here, those whose layers all have their directories. */
  readonly #unpacked = new Set<string>();
  readonly #flights = new FlightControl<void>();

  constructor(options: RefStoreOptions) {
    this.#options = options;
    this.rows = new RefRows(options.db);
    this.forms = new LayerForms({ ...options, rows: this.rows });
  }

  /** The empty tree. */
  scratch(): Ref {
    return this.#make([], undefined, { description: "scratch" });
  }

  /**
   * An image's layers, nothing of them fetched. Layers are known by chain ID: two images with a common base share it.
   * `remote` is what `openRemote` gets when a blob must be fetched.
   */
  fromImage(layers: readonly ImageLayer[], remote: string | undefined, info: RefInfo): Ref {
    const ids: LayerId[] = [];
    return this.#options.db.transaction(() => {
      let chainId: Digest | undefined;
      for (const { descriptor, diffId } of layers) {
        chainId = chainId === undefined ? diffId : digestOf(`${chainId} ${diffId}`);
        const id = `i${chainId.slice("sha256:".length, "sha256:".length + 24)}`;
        this.rows.addLayer({ id, diffId, unpacked: false, sizeBytes: 0, createdMs: this.#now() });
        this.rows.addBlob(id, { descriptor: withoutMarks(descriptor), remote });
        ids.push(id);
      }
      return this.#make(ids, ids.length > 1 ? refIdOf(ids.slice(0, -1)) : undefined, info);
    });
  }

  /** One tree made of several, later ones on top; no file is copied. */
  merge(refs: readonly Ref[], info: RefInfo): Ref {
    const layers = refs.flatMap((ref) => ref.layers).filter((layer, index, all) => all.lastIndexOf(layer) === index);
    return this.#make(layers, refs.findLast((ref) => ref.layers.length > 0)?.id, info);
  }

  /** The layers of `upper` that are not `lower`'s; undefined where `upper` was not made from it. Nothing is copied. */
  above(lower: Ref, upper: Ref, info: RefInfo): Ref | undefined {
    if (lower.layers.some((layer, index) => upper.layers[index] !== layer)) return undefined;
    return this.merge([{ id: upper.id, layers: upper.layers.slice(lower.layers.length) }], info);
  }

  /** A writable directory on top of `parent`; fetches and unpacks what is missing of it. */
  async mutable(parent: Ref, signal?: AbortSignal): Promise<MutableRef> {
    await this.unpack(parent, signal);
    const active = await this.#trusting(this.#options.snapshotter.prepare(parent.layers, { signal }));
    return {
      path: active.path,
      commit: async (info) => {
        const { layer, sizeBytes } = await this.#options.snapshotter.commit(active);
        // At once with its ref: a layer without one is garbage to whoever prunes meanwhile.
        return this.#options.db.transaction(() => {
          this.rows.addLayer({ id: layer, diffId: undefined, unpacked: true, sizeBytes, createdMs: this.#now() });
          const made = this.#make([...parent.layers, layer], parent.id, info);
          this.#unpacked.add(made.id);
          return made;
        });
      },
      [Symbol.asyncDispose]: () => active[Symbol.asyncDispose](),
    };
  }

  /** The tree, to be read only. */
  async view(ref: Ref, signal?: AbortSignal): Promise<MountedView> {
    await this.unpack(ref, signal);
    return await this.#trusting(this.#options.snapshotter.view(ref.layers, { signal }));
  }

  /** Forgets a layer that can't be had, and every ref that lists it. */
  forgetLayer(layer: LayerId): void {
    this.#unpacked.clear();
    this.rows.removeBrokenLayer(layer);
  }

  /** Where a mount fails, nothing is taken for there again without a look. */
  async #trusting<T>(mounted: Promise<T>): Promise<T> {
    try {
      return await mounted;
    } catch (error) {
      this.#unpacked.clear();
      throw error;
    }
  }

  /** Makes sure that every layer has its directory; layers are fetched and unpacked at once. */
  async unpack(ref: Ref, signal?: AbortSignal): Promise<void> {
    if (this.#unpacked.has(ref.id)) return;
    if (!ref.layers.every((id) => this.#layer(id).unpacked))
      await this.#flights.do(ref.id, (shared) => this.forms.unpackAll(ref.layers, shared), signal);
    // What nobody here holds may go, and come back without its directories.
    if (this.#held.has(ref.id)) this.#unpacked.add(ref.id);
  }

  /** A blob form of each layer, bottom first; see {@link PackOptions}. */
  blobs(ref: Ref, options: PackOptions, signal?: AbortSignal): Promise<LayerAsBlob[]> {
    return Promise.all(ref.layers.map((layer) => this.forms.blob(layer, options, signal)));
  }

  /** The layers' directories in overlay form, bottom first; all must be unpacked. For looking at only. */
  folders(ref: Ref): string[] {
    return ref.layers.map((layer) => this.#options.snapshotter.fsDir(layer));
  }

  exists(id: string): boolean {
    return this.rows.hasRef(id);
  }

  /** A ref recorded earlier, leased and touched; undefined when it is gone or its files are. */
  load(id: string): Ref | undefined {
    const row = this.rows.ref(id);
    if (row === undefined) return undefined;
    const ref: Ref = { id, layers: row.layers };
    this.#lease(id);
    if (!this.rows.hasRef(id)) return undefined;
    for (const layer of ref.layers) {
      if (this.forms.available(layer)) continue;
      this.forgetLayer(layer);
      this.release(ref);
      return undefined;
    }
    this.rows.touch(id, this.#now());
    return ref;
  }

  /** Holds a ref once more; each hold is released on its own. */
  hold(ref: Ref): Ref {
    this.#lease(ref.id);
    return ref;
  }

  release(ref: Ref): void {
    const held = (this.#held.get(ref.id) ?? 0) - 1;
    if (held > 0) {
      this.#held.set(ref.id, held);
      return;
    }
    this.#held.delete(ref.id);
    this.#unpacked.delete(ref.id);
    this.rows.unlease(ref.id, this.#options.holder);
  }

  #make(layers: readonly LayerId[], parent: string | undefined, info: RefInfo): Ref {
    const type = info.type ?? "regular";
    const id = this.#options.db.transaction(() => {
      const made = this.rows.addRef({ parent, type, description: info.description, layers }, this.#now());
      this.#lease(made);
      return made;
    });
    return { id, layers };
  }

  #lease(id: string): void {
    const held = this.#held.get(id) ?? 0;
    this.#held.set(id, held + 1);
    if (held === 0) this.rows.lease(id, this.#options.holder);
  }

  #layer(id: LayerId): LayerRow {
    const row = this.rows.layer(id);
    if (row === undefined) {
      throw new BuildError(`layer ${id} is gone from the store`, {
        code: "LAYER_GONE",
        status: "NotFound",
        retryable: true,
      });
    }
    return row;
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}
