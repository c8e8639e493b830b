// What exporters take and give. A result is a list of platforms, each with its layers as blobs and as one tree; both are made only
// when an exporter asks. Counterpart: moby/buildkit exporter/exporter.go.

import type { Digest } from "../../base/index.ts";
import type { RegistryPusher } from "../../distribution/index.ts";
import type { Descriptor, Platform } from "../../formats/oci/index.ts";
import type { ContentStore } from "../../storage/content/index.ts";
import type { PackOptions } from "../../storage/refs/index.ts";
import type { MountedView } from "../../storage/snapshots/index.ts";
import type { OutputTarget } from "../ports/index.ts";
import type { Attestation } from "./attestation.ts";
import type { ImageStore } from "./image-store.ts";

/** A layer as a blob, and what the image's history says of it where the config says nothing. */
export interface LayerBlob {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** RFC 3339. */
  readonly createdAt?: string | undefined;
  readonly description?: string | undefined;
  /** Repositories ("registry.example/team/app") that have the blob, as far as is known. */
  readonly repositories?: readonly string[] | undefined;
  /** This build wrote the blob, and hashed what it wrote. */
  readonly isFresh?: boolean;
}

/** The layers of one platform's result. */
export interface LayerSource {
  /**
   * Bottom first. With `bytes` (the default) every blob is in the content store afterwards. `onBlob` is told of each as soon as it is had,
   * in no order.
   */
  blobs(
    options: PackOptions,
    signal?: AbortSignal,
    onBlob?: (blob: LayerBlob, index: number) => void,
  ): Promise<readonly LayerBlob[]>;
  /** Brings one layer's blob, as `blobs` with the same options describes it, into the content store. */
  bring(index: number, options: PackOptions, signal?: AbortSignal): Promise<void>;
  /** Brings one layer as an uncompressed tar into the content store. */
  tar(index: number, options: PackOptions, signal?: AbortSignal): Promise<Descriptor>;
}

/** One platform's result. */
export interface ExportPlatform {
  /** The frontend's key: the platform as text. */
  readonly key: string;
  readonly platform: Platform;
  /** The ref that an image of these blobs, all of them here or to be had, holds when it is kept in the store. */
  readonly refOf: (blobs: readonly LayerBlob[]) => string;
  /** The image config's exact bytes as the frontend gave them; empty for none. */
  readonly config: Uint8Array;
  /** The base image's config: its history keeps its times under SOURCE_DATE_EPOCH. */
  readonly baseConfig?: Uint8Array | undefined;
  /** SOURCE_DATE_EPOCH in seconds. */
  readonly sourceDateEpoch?: bigint | undefined;
  readonly layers: LayerSource;
  /** The inline cache for an image of these blobs, base64 as the config has it; absent where none is wanted. */
  readonly inlineCache?: ((blobs: readonly LayerBlob[]) => string | undefined) | undefined;
  /** What is said of the result, in the order in which it is stored. */
  readonly attestations?: readonly Attestation[];
  /** The whole tree, read only; the caller disposes it. */
  readonly openTree: () => Promise<MountedView>;
}

export interface ExportSource {
  readonly platforms: readonly ExportPlatform[];
  /** An index, or a folder for each platform, is wanted even for one platform. */
  readonly multiPlatform: boolean;
  /** What the frontend says besides: annotations, `image.name`. */
  readonly metadata: Readonly<Record<string, Uint8Array>>;
  /** SOURCE_DATE_EPOCH in seconds, for all platforms. */
  readonly sourceDateEpoch?: bigint | undefined;
}

/** Progress of one thing that an exporter does. */
export interface ExportProgress {
  readonly current?: number;
  readonly total?: number;
  readonly completed?: boolean;
}

/** Runs this room's jobs: a WorkerPool whose entry serves `exporterJobs`. */
export interface ExportJobs {
  run<I, O>(
    job: string,
    input: I,
    options?: {
      readonly signal?: AbortSignal | undefined;
      readonly onProgress?: ((value: unknown) => void) | undefined;
    },
  ): Promise<O>;
}

export interface ExportContext {
  readonly content: ContentStore;
  readonly images: ImageStore;
  readonly jobs: ExportJobs;
  /** Uploads to a registry; `insecure` ones may lack a certificate that holds. */
  readonly pusher: (domain: string, insecure: boolean) => RegistryPusher;
  /** `id` is the line that progress shows, in BuildKit's words: "exporting layers", "naming to …". */
  readonly progress: (id: string, progress: ExportProgress) => void;
  /** Tells the user something that did not fail. */
  readonly warn: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Exporter {
  /** Every export of this kind that is no load is a job of a worker thread. */
  readonly isJob: boolean;
  /** What progress calls it, in BuildKit's words: "exporting to image". */
  readonly name: string;
  readonly type: string;
  /**
   * Exports, and answers with BuildKit's keys (`containerimage.digest`, `image.name` …). A stream is written to and never ended.
   * A failed or cancelled export leaves an old output file as it was.
   *
   * @throws EXPORT_UNWRITABLE, DISK_FULL, EXPORT_ATTRIBUTE_INVALID, INVALID_REFERENCE, INVALID_IMAGE; the signal's reason.
   */
  export(
    source: ExportSource,
    target: OutputTarget | undefined,
    context: ExportContext,
  ): Promise<Record<string, string>>;
}

/** Does `work` under a progress line of its own. */
export async function oneStep<T>(context: ExportContext, id: string, work: () => T | Promise<T>): Promise<T> {
  context.progress(id, {});
  try {
    return await work();
  } finally {
    context.progress(id, { completed: true });
  }
}
