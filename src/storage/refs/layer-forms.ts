// The forms of one layer: directory, blob here, blob elsewhere. Each conversion happens when somebody needs the form, once,
// however many ask. A blob that can be made again from its directory need not be kept.

import { rmSync } from "node:fs";
import { BuildError, FlightControl, isAbort, isBuildError } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { ContentStore } from "../content/index.ts";
import type {
  DecompressBlobInput,
  DecompressedBlob,
  JobRunner,
  PackedLayer,
  PackLayerInput,
  Snapshotter,
  UnpackedLayer,
  UnpackLayerInput,
} from "../snapshots/index.ts";
import type { SettleLayerInput } from "../snapshots/index.ts";
import type { LayerBlob, LayerId, LayerRow, RefRows } from "./rows.ts";

export type Compression = "none" | "gzip" | "zstd";

export interface PackOptions {
  readonly compression: Compression;
  /** Compressor's level; the compressor's own default when absent. */
  readonly level?: number;
  /** Recompress layers that have a blob of another compression. Defaults to false: what is there is passed on. */
  readonly force?: boolean;
  /** Layers made here get this compression even where they have a blob of another, so that what else is built beside does not show. */
  readonly exact?: boolean;
  /**
   * Whether the bytes must be in the content store; a descriptor alone is enough otherwise. With "made", those of layers that
   * can be fetched from elsewhere need not be. Defaults to true.
   */
  readonly bytes?: boolean | "made";
  /** With `bytes: false`: what has to be made to be described is kept, for somebody is likely to want it. */
  readonly keep?: boolean;
  /**
   * Files' times later than this are set to it, in seconds since 1970: another blob with a diffID of its own, always of the wanted
   * compression.
   */
  readonly rewriteSeconds?: bigint | undefined;
  /** As eStargz, a form of gzip (which `compression` must be) that clients can read file by file: a diffID of its own as well. */
  readonly estargz?: boolean | undefined;
}

export interface Remote {
  /** Makes sure that the content store has the blob. @throws when the source can't be reached or sends other bytes. */
  fetch(descriptor: Descriptor, signal?: AbortSignal): Promise<void>;
}

/** A layer as a blob. */
export interface LayerAsBlob {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** When the layer was made here, in milliseconds since the epoch. */
  readonly createdMs: number;
  /** Where the blob can be fetched from, as its source wrote it. */
  readonly remote?: string | undefined;
  /** It was made or fetched by this call: its bytes were hashed as they were written. */
  readonly isFresh?: boolean;
}

export type RemoteOpener = (remote: string) => Remote;

export interface LayerFormsOptions {
  readonly rows: RefRows;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly jobs: JobRunner;
  readonly openRemote: RemoteOpener;
  /** Told of a layer that could not be had, before whoever wanted it is. */
  readonly onLayerFailure?: ((layer: LayerId, blobs: readonly LayerBlob[], error: unknown) => void) | undefined;
}

const mediaTypes = {
  none: "application/vnd.oci.image.layer.v1.tar",
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
} as const;

export class LayerForms {
  readonly #o: LayerFormsOptions;
  readonly #packing = new FlightControl<LayerAsBlob>();
  readonly #unpacking = new FlightControl<void>();
  readonly #tars = new FlightControl<Descriptor>();
  /** The end of what is being made of a layer. */
  readonly #busy = new Map<LayerId, Promise<void>>();

  constructor(options: LayerFormsOptions) {
    this.#o = options;
  }

  /** Whether some form of the layer can be had: a directory, a blob, or a place to fetch it from. */
  available(layer: LayerId): boolean {
    const row = this.#o.rows.layer(layer);
    if (row === undefined) return false;
    if (row.unpacked) return this.#o.snapshotter.has(layer);
    return this.#o.rows
      .blobs(layer)
      .filter((blob) => ownDiffId(blob) === undefined)
      .some((blob) => blob.remote !== undefined || this.#o.content.has(blob.descriptor.digest));
  }

  /** Gives every layer its directory. All are fetched and unpacked at once; they become layers from the bottom up. */
  async unpackAll(layers: readonly LayerId[], signal?: AbortSignal): Promise<void> {
    const controller = new AbortController();
    const inner = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
    let below: Promise<void> = Promise.resolve();
    const all = layers.map((layer, index) => {
      below = this.#unpackOne(layer, layers.slice(0, index), below, inner);
      return below;
    });
    try {
      await Promise.all(all);
    } catch (error) {
      controller.abort(error);
      await Promise.allSettled(all);
      throw error;
    }
  }

  /** The blob that {@link blob} would give, where it is known without any work; its bytes may be elsewhere. */
  described(layer: LayerId, options: PackOptions): LayerAsBlob | undefined {
    const row = this.#o.rows.layer(layer);
    const blob = this.#o.rows.blobs(layer).find((each) => suits(each, options));
    const diffId = blob === undefined ? undefined : (ownDiffId(blob) ?? row?.diffId);
    if (row === undefined || diffId === undefined || blob === undefined) return undefined;
    return { descriptor: blob.descriptor, diffId, createdMs: row.createdMs, remote: blob.remote };
  }

  /** A blob of the layer: the one there is where its compression will do, else a new one. */
  async blob(layer: LayerId, options: PackOptions, signal?: AbortSignal): Promise<LayerAsBlob> {
    const { compression, level, force, exact, bytes, keep, rewriteSeconds, estargz } = options;
    const seconds = rewriteSeconds?.toString();
    const key = JSON.stringify([layer, compression, level, force, exact, bytes, keep, seconds, estargz]);
    return this.#packing.do(key, (shared) => this.#oneAtATime(layer, () => this.#blob(layer, options, shared)), signal);
  }

  /**
   * Packs the layer into the new file `path`, and keeps no copy: what is described can be packed again. Undefined, and no file, for a layer
   * that needs no packing, or was packed like this before: whoever wants it again had better keep it.
   */
  packInto(layer: LayerId, options: PackOptions, path: string, signal: AbortSignal): Promise<LayerAsBlob | undefined> {
    return this.#oneAtATime(layer, async () => {
      const row = this.#o.rows.layer(layer);
      if (row?.unpacked !== true || this.described(layer, options) !== undefined) return undefined;
      return this.#pack(layer, row, options, { path, adopt: false }, signal);
    });
  }

  /** The layer as an uncompressed tar in the content store, from its directory or from a compressed blob. */
  async tar(layer: LayerId, options: PackOptions, signal?: AbortSignal): Promise<Descriptor> {
    if (options.rewriteSeconds !== undefined)
      return (await this.blob(layer, { ...options, compression: "none", bytes: true }, signal)).descriptor;
    return this.#tars.do(layer, (shared) => this.#oneAtATime(layer, () => this.#tar(layer, shared)), signal);
  }

  /** What one learns of a layer by packing it spares the next who asks most of the work. */
  async #oneAtATime<T>(layer: LayerId, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(layer);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#busy.set(layer, promise);
    await before;
    try {
      return await work();
    } finally {
      if (this.#busy.get(layer) === promise) this.#busy.delete(layer);
      resolve();
    }
  }

  async #tar(layer: LayerId, signal: AbortSignal): Promise<Descriptor> {
    const row = this.#o.rows.layer(layer);
    const here = row?.diffId === undefined ? undefined : this.#o.content.info(row.diffId);
    if (here !== undefined) return { mediaType: mediaTypes.none, digest: here.digest, size: here.sizeBytes };
    const isMade = !this.#o.rows.blobs(layer).some(({ remote }) => remote !== undefined);
    if (isMade && row?.unpacked === true) {
      return (await this.#blob(layer, { compression: "none", exact: true }, signal)).descriptor;
    }
    const blob = await this.#bring(layer, signal);
    if (compressionOf(blob.descriptor.mediaType) === "none") return blob.descriptor;
    const output = this.#o.content.temporaryPath();
    const blobPath = this.#o.content.path(blob.descriptor.digest);
    const made = await this.#o.jobs.run<DecompressBlobInput, DecompressedBlob>(
      "decompressBlob",
      { blobPath, output },
      { signal },
    );
    try {
      this.#check(layer, blob, row?.diffId, made.digest);
      this.#o.content.adopt(output, made.digest, made.sizeBytes);
    } finally {
      rmSync(output, { force: true });
    }
    return { mediaType: mediaTypes.none, digest: made.digest, size: made.sizeBytes };
  }

  async #blob(layer: LayerId, options: PackOptions, signal: AbortSignal): Promise<LayerAsBlob> {
    const row = this.#o.rows.layer(layer);
    if (row === undefined) throw new BuildError(`layer ${layer} is gone`, { code: "LAYER_GONE", status: "NotFound" });
    const wanted = this.#o.rows.blobs(layer).filter((blob) => suits(blob, options));
    const bytes = options.bytes ?? true;
    for (const { descriptor, remote } of wanted) {
      const diffId = ownDiffId({ descriptor }) ?? row.diffId;
      if (diffId === undefined) break;
      const made = { descriptor, diffId, createdMs: row.createdMs, remote };
      if (bytes === false || this.#o.content.has(descriptor.digest)) return made;
      if (bytes === "made" && remote !== undefined) return made;
      if (remote === undefined) continue;
      try {
        await this.#o.openRemote(remote).fetch(descriptor, signal);
      } catch (error) {
        // The directory, or another blob, will do as well; where there is neither, unpacking tells.
        if (!isBuildError(error) || isAbort(error)) throw error;
        continue;
      }
      // It was not here: whoever wrote it just now, this process or another on the store, checked its digest.
      return { ...made, isFresh: true };
    }
    await this.unpackAll([layer], signal);
    const isKept = bytes !== false || options.keep === true;
    const output = isKept ? { path: this.#o.content.temporaryPath(), adopt: true } : undefined;
    return this.#pack(layer, row, options, output, signal);
  }

  /** Packs the layer's directory, into a file of the content store's or somebody else's, or only to describe it. */
  async #pack(
    layer: LayerId,
    row: LayerRow,
    options: PackOptions,
    output: { readonly path: string; readonly adopt: boolean } | undefined,
    signal: AbortSignal,
  ): Promise<LayerAsBlob> {
    const fsDir = this.#o.snapshotter.fsDir(layer);
    const { compression, level, rewriteSeconds, estargz } = options;
    const isOther = rewriteSeconds !== undefined || estargz === true;
    const clampMtimeNs = rewriteSeconds === undefined ? undefined : rewriteSeconds * 1_000_000_000n;
    const packed = await this.#o.jobs.run<PackLayerInput, PackedLayer>(
      "packLayer",
      { fsDir, output: output?.path ?? null, compression, level, clampMtimeNs, estargz },
      { signal },
    );
    if (!isOther && row.diffId !== undefined && packed.diffId !== row.diffId) {
      if (output !== undefined) rmSync(output.path, { force: true });
      throw new BuildError(`layer ${layer} does not pack to the bytes it was unpacked from`, {
        code: "LAYER_NOT_REPRODUCIBLE",
      });
    }
    if (output?.adopt === true) this.#o.content.adopt(output.path, packed.blobDigest, packed.sizeBytes);
    const descriptor: Descriptor = {
      mediaType: mediaTypes[options.compression],
      digest: packed.blobDigest,
      size: packed.sizeBytes,
      ...(isOther ? { annotations: marksOf(packed, rewriteSeconds) } : {}),
    };
    const tar: Descriptor = {
      mediaType: mediaTypes.none,
      digest: packed.diffId,
      size: packed.uncompressedSizeBytes,
    };
    this.#o.rows.db.transaction(() => {
      if (!isOther) this.#o.rows.setDiffId(layer, packed.diffId);
      this.#o.rows.addBlob(layer, { descriptor, remote: undefined });
      // Whoever wants it described as it lies need not pack it again.
      if (!isOther && options.compression !== "none")
        this.#o.rows.addBlob(layer, { descriptor: tar, remote: undefined });
    });
    return { descriptor, diffId: packed.diffId, createdMs: row.createdMs, isFresh: output !== undefined };
  }

  #unpackOne(layer: LayerId, lowers: readonly LayerId[], below: Promise<void>, signal: AbortSignal): Promise<void> {
    return this.#unpacking.do(
      layer,
      async (shared) => {
        const row = this.#o.rows.layer(layer);
        if (row?.unpacked && this.#o.snapshotter.has(layer)) return;
        try {
          await this.#unpack(layer, lowers, below, shared);
        } catch (error) {
          if (!isAbort(error)) this.#o.onLayerFailure?.(layer, this.#o.rows.blobs(layer), error);
          throw error;
        }
      },
      signal,
    );
  }

  async #unpack(layer: LayerId, lowers: readonly LayerId[], below: Promise<void>, signal: AbortSignal): Promise<void> {
    const row = this.#o.rows.layer(layer);
    const blob = await this.#bring(layer, signal);
    await using staged = await this.#o.snapshotter.stage();
    const unpacked = await this.#o.jobs.run<UnpackLayerInput, UnpackedLayer>(
      "unpackLayer",
      { blobPath: this.#o.content.path(blob.descriptor.digest), fsDir: staged.fsDir },
      { signal },
    );
    this.#check(layer, blob, row?.diffId, unpacked.diffId);
    await below;
    const { impliedDirs, deferredLinks } = unpacked;
    if (impliedDirs.length > 0 || deferredLinks.length > 0) {
      const lowerDirs = lowers.map((lower) => this.#o.snapshotter.fsDir(lower));
      const settle: SettleLayerInput = { fsDir: staged.fsDir, impliedDirs, deferredLinks, lowerDirs };
      await this.#o.jobs.run("settleLayer", settle, { signal });
    }
    await staged.commit(layer);
    this.#o.rows.setUnpacked(layer, unpacked.contentBytes);
  }

  #check(layer: LayerId, blob: LayerBlob, expected: Digest | undefined, actual: Digest): void {
    if (expected === undefined || actual === expected) return;
    this.#o.content.delete(blob.descriptor.digest);
    throw new BuildError(
      `layer ${blob.descriptor.digest} unpacks to ${actual}, but the image config says ${expected}`,
      {
        code: "DIFF_ID_MISMATCH",
        status: "DataLoss",
        hint: `the image is damaged or was tampered with (layer ${layer})`,
      },
    );
  }

  async #bring(layer: LayerId, signal: AbortSignal): Promise<LayerBlob> {
    const blobs = this.#o.rows.blobs(layer).filter((blob) => ownDiffId(blob) === undefined);
    const here = blobs.find((blob) => this.#o.content.has(blob.descriptor.digest));
    if (here !== undefined) return here;
    let failure: unknown;
    for (const blob of blobs) {
      if (blob.remote === undefined) continue;
      try {
        await this.#o.openRemote(blob.remote).fetch(blob.descriptor, signal);
        return blob;
      } catch (error) {
        if (!isBuildError(error)) throw error;
        failure = error;
      }
    }
    throw (
      failure ??
      new BuildError(`layer ${layer} has neither files nor a place to fetch them from`, {
        code: "LAYER_GONE",
        status: "NotFound",
        hint: "run the build again: the step that made the layer is built anew",
        retryable: true,
      })
    );
  }
}

/** As BuildKit marks such layers, in manifests too. */
const REWRITTEN = "buildkit/rewritten-timestamp";
const UNCOMPRESSED = "containerd.io/uncompressed";

const TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest";
const STARGZ_SIZE = "io.containers.estargz.uncompressed-size";

/** What a blob says of itself that holds not quite what the layer's directory does. */
function marksOf(packed: PackedLayer, rewriteSeconds: bigint | undefined): Record<string, string> {
  return {
    ...(rewriteSeconds === undefined ? {} : { [REWRITTEN]: rewriteSeconds.toString() }),
    ...(packed.tocDigest === undefined
      ? {}
      : { [TOC_DIGEST]: packed.tocDigest, [STARGZ_SIZE]: String(packed.uncompressedSizeBytes) }),
    [UNCOMPRESSED]: packed.diffId,
  };
}

/** The diffID of such a blob; undefined for those that are the layer itself. */
function ownDiffId({ descriptor }: Pick<LayerBlob, "descriptor">): Digest | undefined {
  return descriptor.annotations?.[UNCOMPRESSED] as Digest | undefined;
}

/** An image's own descriptor: what a manifest says of the uncompressed form is never taken for ours. */
export function withoutMarks(descriptor: Descriptor): Descriptor {
  if (descriptor.annotations?.[UNCOMPRESSED] === undefined) return descriptor;
  const { [UNCOMPRESSED]: _, ...annotations } = descriptor.annotations;
  return { ...descriptor, annotations };
}

function suits(blob: LayerBlob, { force, exact, compression, rewriteSeconds, estargz }: PackOptions): boolean {
  const { descriptor, remote } = blob;
  const { annotations } = descriptor;
  const isStargz = annotations?.[TOC_DIGEST] !== undefined;
  const isSame = compressionOf(descriptor.mediaType) === compression && isStargz === (estargz === true);
  const isOwn = ownDiffId(blob) !== undefined;
  if (rewriteSeconds?.toString() !== (isOwn ? annotations?.[REWRITTEN] : undefined)) return false;
  if (isOwn) return isSame;
  // An uncompressed form of a layer made here says only that something wanted it described.
  const isBare = compressionOf(descriptor.mediaType) === "none";
  if (force === true || (remote === undefined && (exact === true || isBare))) return isSame;
  return true;
}

/** Which compression a layer's media type says. */
export function compressionOf(mediaType: string): Compression {
  if (mediaType.endsWith("+zstd")) return "zstd";
  return mediaType.endsWith("gzip") ? "gzip" : "none";
}
