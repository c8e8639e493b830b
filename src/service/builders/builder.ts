// A builder: what turns a SolveRequest into results. Embedded (the engine in this process) or, later, remote over gRPC. Nothing
// above knows which. Counterpart: moby/buildkit client/{solve,diskusage,prune}.go, api/services/control.

import type { control, pb } from "../../formats/proto/index.ts";
import type { SessionPort } from "../../engine/index.ts";

export interface SolveOptions {
  /** Receives progress as the Control service would send it, in order. */
  readonly onStatus: (status: control.StatusResponse) => void;
  /** Aborting stops running steps, waits until they are gone, then rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/** What exporters report: `containerimage.digest`, `containerimage.config.digest`, `image.name`, ... */
export type ExporterResponse = Readonly<Record<string, string>>;

/** One record of the cache, as `du` lists it. Times are milliseconds since the epoch. */
export interface UsageRecord {
  readonly id: string;
  readonly parents: readonly string[];
  readonly type: string;
  readonly description: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | undefined;
  readonly usageCount: number;
  /** Held by a running build or a kept image. */
  readonly inUse: boolean;
  readonly mutable: boolean;
  /** Other records stand on it. */
  readonly shared: boolean;
}

/** Limits as buildx has them; bytes and milliseconds. Absent means no such limit. */
export interface PruneOptions {
  /** buildx filters such as `type=exec.cachemount`, `until=24h`, `id=...`, `description~=...`, `inuse`, `private`. */
  readonly filters: readonly string[];
  /** Internal and frontend records too. */
  readonly all: boolean;
  /** Only what was not used for so long. */
  readonly keepDurationMs?: number;
  readonly reservedBytes?: number;
  readonly maxUsedBytes?: number;
  readonly minFreeBytes?: number;
}

/** An image kept in the store under one name. */
export interface ImageRecord {
  readonly name: string;
  readonly digest: string;
  readonly mediaType: string;
  /** Sum of its manifest's, config's and layers' sizes. */
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly platforms: readonly string[];
}

export interface ImageDetails extends ImageRecord {
  /** The bytes that `digest` is of, and each platform's manifest and config, parsed. */
  readonly manifest: unknown;
  readonly images: readonly {
    readonly platform: string;
    readonly digest: string;
    readonly manifest: unknown;
    readonly config: unknown;
  }[];
}

/** A cache mount; times are milliseconds since the epoch. */
export interface CacheMountRecord {
  /** What Dockerfiles call it: `id=`, else its target. */
  readonly id: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  readonly uses: number;
}

/** A place as `--cache-to` and `--cache-from` have it. */
export interface CachePlace {
  readonly Type: string;
  readonly Attrs: { [key: string]: string };
}

export interface CacheMountTransfer {
  /** The scope to write; for import the scopes to look in, in order. */
  readonly scopes: readonly string[];
  readonly onWarning: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Converted {
  readonly multiPlatform: boolean;
  readonly builds: readonly {
    /** The normalised platform as text. */
    readonly key: string;
    readonly definition: pb.Definition;
    /** The image config's bytes. */
    readonly config: Uint8Array;
  }[];
}

/** Records of builds that run or have ended. */
export interface BuildRecords {
  /** Newest first, fifty at most; `filters` as BuildKit has them (`status==error`). */
  list(options: { readonly ref?: string; readonly filters?: readonly string[] }): Promise<BuildRecord[]>;
  /** A build's progress from its start to its end, as it was told then. @throws BUILD_UNKNOWN. */
  logs(ref: string, onStatus: (status: control.StatusResponse) => void, signal: AbortSignal): Promise<void>;
  /** What a record names. @throws BLOB_NOT_FOUND. */
  blob(digest: string): Promise<Uint8Array>;
  /** @throws RECORD_UNKNOWN. */
  remove(ref: string): Promise<void>;
}

export interface BuildRecord {
  readonly record: control.BuildHistoryRecord;
  readonly isRunning: boolean;
}

export interface Builder extends AsyncDisposable {
  readonly name: string;
  readonly driver: "embedded" | "remote";
  /** Where its state lives, for messages to people. */
  readonly location: string;
  solve(request: control.SolveRequest, session: SessionPort, options: SolveOptions): Promise<ExporterResponse>;
  /**
   * What the frontend makes of a request, platform by platform: definitions that stand in for contexts of other requests
   * (`FrontendInputs`), as `target:` contexts of bake do. Builds nothing but what the frontend reads.
   */
  convert(request: control.SolveRequest, session: SessionPort, options: SolveOptions): Promise<Converted>;
  readonly history: BuildRecords;
  diskUsage(options: { readonly filters: readonly string[] }): Promise<UsageRecord[]>;
  /** Removes records; each is reported as it goes. */
  prune(options: PruneOptions, onRecord: (record: UsageRecord) => void, signal: AbortSignal): Promise<void>;
  cacheMounts(): Promise<CacheMountRecord[]>;
  /** Removes cache mounts by id, or all; those in use stay. Resolves with the ids removed. */
  removeCacheMounts(ids: readonly string[] | undefined, signal: AbortSignal): Promise<string[]>;
  /** Resolves with the ids that were written or filled. */
  transferCacheMounts(
    direction: "export" | "import",
    place: CachePlace,
    options: CacheMountTransfer,
  ): Promise<string[]>;
  images(): Promise<ImageRecord[]>;
  /** @throws IMAGE_NOT_FOUND. */
  inspectImage(name: string): Promise<ImageDetails>;
  /** Removes a name; returns what is gone, in docker's words' order: names untagged, digests deleted. @throws IMAGE_NOT_FOUND. */
  removeImage(name: string): Promise<{ readonly untagged: string; readonly deleted: string | undefined }>;
}
