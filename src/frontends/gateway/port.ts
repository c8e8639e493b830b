// The port through which frontends reach an engine. In this process the engine implements it directly; a frontend that is an
// image reaches the same thing over gRPC. Everything a frontend may ask is here, nothing of how it is done.
// Counterpart: moby/buildkit frontend/gateway/client, LLBBridge.

import type { Digest, SourceSpan } from "../../base/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import type { fsutil, pb } from "../../formats/proto/index.ts";

export interface ResolveImageOptions {
  readonly platform?: Platform | undefined;
  readonly resolveMode?: "default" | "pull" | "local" | undefined;
  /** Name of the step that the look-up is shown as. */
  readonly logName?: string | undefined;
  /** The reference is looked up in an OCI layout that the session offers, not in a registry. */
  readonly ociStore?: { readonly sessionId: string; readonly storeId: string } | undefined;
}

export interface ResolvedImage {
  /** The reference that answered; differs from the asked one when a policy replaced it. */
  readonly ref: string;
  /** Of the index or manifest that the reference names. */
  readonly digest: Digest;
  /** The config's exact bytes. */
  readonly config: Uint8Array;
}

/** What is known of a source without fetching it. */
export interface SourceMetadata {
  /** The raw commit object of a git source. */
  readonly gitCommitObject?: Uint8Array;
  /** What a git source names: a commit, and the ref that led to it. */
  readonly gitChecksum?: string;
  readonly gitRef?: string;
  /** Digest of a file from the web, and the name that it would be stored under. */
  readonly httpChecksum?: string;
  readonly httpFilename?: string;
  /** Seconds since 1970. */
  readonly httpLastModified?: bigint;
}

/** A solved definition: a filesystem to read from. */
export interface GatewayRef {
  /** @throws when the file is not there; `range` limits what is read, in bytes. */
  readFile(
    path: string,
    options: { readonly range?: { readonly offset: number; readonly length: number }; readonly signal: AbortSignal },
  ): Promise<Uint8Array>;
  /** What a folder has, in byte order, with names as paths; `includePattern` is matched against names. Missing where only files are read. */
  readDir?(
    path: string,
    options: { readonly includePattern?: string; readonly signal: AbortSignal },
  ): Promise<readonly fsutil.Stat[]>;
  /** What is at a path; links are followed. */
  statFile?(path: string, options: { readonly signal: AbortSignal }): Promise<fsutil.Stat>;
  /** Makes the result now. */
  evaluate?(signal: AbortSignal): Promise<void>;
}

/** A frontend to run, with what it is given. */
export interface FrontendRequest {
  /** "dockerfile.v0", or "gateway.v0" for the image that the attribute `source` names. */
  readonly frontend: string;
  readonly options: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, pb.Definition>>;
}

/** A note about a step, such as a lint warning. */
export interface GatewayWarning {
  /** One line. */
  readonly short: string;
  readonly detail: readonly string[];
  readonly url: string;
  /** 1 is the only level in use. */
  readonly level: number;
  readonly source: SourceSpan | undefined;
}

/** What a frontend can do. */
export interface GatewayClient {
  /** Frontend attributes, exactly as the client sent them. */
  readonly options: Readonly<Record<string, string>>;
  readonly sessionId: string;
  /** The first is the platform that steps run on. */
  readonly workerPlatforms: readonly Platform[];
  /** Definitions that stand in for contexts, by name. */
  readonly inputs: Readonly<Record<string, pb.Definition>>;
  /** Whether the engine has an LLB capability. */
  supports(cap: string): boolean;
  resolveImageConfig(ref: string, options: ResolveImageOptions, signal: AbortSignal): Promise<ResolvedImage>;
  resolveSourceMetadata(op: pb.SourceOp, signal: AbortSignal): Promise<SourceMetadata>;
  /** Solves a definition; without `evaluate`, lazily: work happens when something is read. */
  solve(
    definition: pb.Definition,
    options: { readonly evaluate?: boolean; readonly signal: AbortSignal },
  ): Promise<GatewayRef>;
  /** Attaches a warning to the step with this digest. */
  warn(digest: Digest, warning: GatewayWarning): void;
  /**
   * Runs a frontend image with these options instead; resolves with undefined where the one that asks serves for it. Missing where
   * frontend images are not looked at.
   */
  forward?(options: Readonly<Record<string, string>>, signal: AbortSignal): Promise<FrontendResult | undefined>;
  /** Runs another frontend as part of this build. @throws UNSUPPORTED. */
  runFrontend?(request: FrontendRequest, signal: AbortSignal): Promise<FrontendResult>;
}

/** The result for one platform. */
export interface PlatformResult {
  /** Result key: the normalised platform as text. */
  readonly key: string;
  readonly platform: Platform;
  readonly definition: pb.Definition;
  /** The image config's exact bytes. */
  readonly config: Uint8Array;
  /** The base image's config, for those who tell inherited layers from new ones. */
  readonly baseConfig: Uint8Array | undefined;
  /** SOURCE_DATE_EPOCH in seconds, when given. */
  readonly epoch: bigint | undefined;
  /** What the frontend has others say of the result. */
  readonly attestations?: readonly AttestationBundle[];
}

/** A result with a folder whose files are in-toto statements. */
export interface AttestationBundle {
  readonly definition: pb.Definition;
  /** The folder in the result. */
  readonly path: string;
  /** What the statements must be of; empty for anything. */
  readonly predicateType: string;
  /** Name, without its endings, of the file that describes the result itself; empty for none. */
  readonly core: string;
}

/** What a frontend gives back. */
export interface FrontendResult {
  /** In the order in which platforms were asked for; empty for subrequests. */
  readonly builds: readonly PlatformResult[];
  /** An index of platforms is wanted, even if there is only one. */
  readonly multiPlatform: boolean;
  /** Answers of subrequests, by result key. */
  readonly metadata: ReadonlyMap<string, Uint8Array>;
}

/** Turns what a client asks for into definitions. */
export type Frontend = (client: GatewayClient, signal: AbortSignal) => Promise<FrontendResult>;
