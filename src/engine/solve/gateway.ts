// The engine as a frontend sees it, in this process. Counterpart: moby/buildkit solver/llbsolver/bridge.go.

import { create } from "@bufbuild/protobuf";
import { BuildError, FlightControl, digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { isBuiltIn } from "../../frontends/dockerfile/index.ts";
import { formatPlatform } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { pb } from "../../formats/proto/index.ts";
import type {
  FrontendRequest,
  FrontendResult,
  GatewayClient,
  GatewayRef,
  GatewayWarning,
  ResolvedImage,
  ResolveImageOptions,
  SourceMetadata,
} from "../../frontends/gateway/index.ts";
import type { Job } from "../../graph/solver/index.ts";
import type { SolveContext } from "../ops/index.ts";
import { loadDefinition } from "../ops/index.ts";
import type { EngineResult } from "../ops/index.ts";
import type { RefStore } from "../../storage/refs/index.ts";
import { sessionStore } from "../ops/index.ts";
import { httpTimeMs, parseGitIdentifier, parseHttpIdentifier } from "../sources/index.ts";
import type { GitSource, HttpSource, OciLayoutSource } from "../sources/index.ts";
import { askedBy } from "./asker.ts";
import type { FrontendTrace } from "./attest.ts";
import type { ProgressStream } from "./progress-stream.ts";
import { readDirInside, readFileInside, statInside } from "./read-tree.ts";
import type { ImageResolver } from "./stand-in.ts";

export interface GatewayOptions {
  readonly options: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, pb.Definition>>;
  readonly platforms: readonly Platform[];
  readonly job: Job<EngineResult>;
  /** Notes images that were looked up, and what was solved. */
  readonly trace: Pick<FrontendTrace, "images" | "edges">;
  readonly context: SolveContext;
  readonly progress: ProgressStream;
  readonly images: ImageResolver;
  readonly layouts: OciLayoutSource;
  readonly web: HttpSource;
  readonly git: GitSource;
  readonly refs: RefStore;
  /** Refuses frontends that may not run here, by throwing. */
  readonly checkFrontend?: ((request: FrontendRequest) => void) | undefined;
  /** Runs a frontend as part of the same build. */
  readonly runFrontend: (request: FrontendRequest, signal: AbortSignal) => Promise<FrontendResult>;
  /** What a result that is asked for waits for: caches that are being imported. */
  readonly ready?: () => Promise<unknown>;
}

/** LLB features that this engine lacks; everything else that frontends know is there. */
const missingCaps: ReadonlySet<string> = new Set([
  "exec.mount.sshrelay",
  "exec.cdidevice",
  "exec.meta.network.proxy",
  "exec.meta.security.devices.v1",
  "exec.mount.cache.content",
  "source.local.metadatatransfer",
  "source.git.signatureverify",
  "source.git.bundle",
  "source.git.checkoutbundle",
  "source.http.signatureverify",
  "source.imageblob",
  "source.buildop.llbfilename",
  "passthroughop",
  "cache.gha",
  "cache.s3",
  "cache.azblob",
  "exporter.session",
  "source.policy",
  "source.policy.session",
]);

export class EngineGateway implements GatewayClient {
  readonly options: Readonly<Record<string, string>>;
  readonly sessionId: string;
  readonly workerPlatforms: readonly Platform[];
  readonly inputs: Readonly<Record<string, pb.Definition>>;
  readonly #o: GatewayOptions;
  readonly #resolving = new FlightControl<ResolvedImage>();

  constructor(options: GatewayOptions) {
    this.#o = options;
    this.options = options.options;
    this.inputs = options.inputs;
    this.workerPlatforms = options.platforms;
    this.sessionId = options.context.session.id;
  }

  /** The Dockerfile frontend's own images are served by the one that asks. */
  async forward(options: Readonly<Record<string, string>>, signal: AbortSignal): Promise<FrontendResult | undefined> {
    const request = { frontend: "gateway.v0", options, inputs: this.inputs };
    if (!isBuiltIn(options["source"] ?? "")) return this.runFrontend(request, signal);
    this.#o.checkFrontend?.(request);
    return undefined;
  }

  runFrontend(request: FrontendRequest, signal: AbortSignal): Promise<FrontendResult> {
    return this.#asked(() => this.#o.runFrontend(request, signal));
  }

  supports(cap: string): boolean {
    return !missingCaps.has(cap);
  }

  resolveImageConfig(ref: string, options: ResolveImageOptions, signal: AbortSignal): Promise<ResolvedImage> {
    const platform = options.platform ?? this.workerPlatforms[0]!;
    const key = JSON.stringify([ref, formatPlatform(platform), options.resolveMode]);
    return this.#asked(() =>
      this.#resolving.do(key, (shared) => this.#resolve(ref, platform, options, shared), signal),
    );
  }

  resolveSourceMetadata(op: pb.SourceOp, signal: AbortSignal): Promise<SourceMetadata> {
    return this.#asked(() => this.#resolveSource(op, signal));
  }

  /** Calls come from wherever the frontend runs. */
  #asked<T>(work: () => Promise<T>): Promise<T> {
    return askedBy(this.#o.context.session, work);
  }

  async #resolveSource(op: pb.SourceOp, signal: AbortSignal): Promise<SourceMetadata> {
    const { session } = this.#o.context;
    if (/^https?:\/\//.test(op.identifier)) {
      const file = await this.#o.web.resolve(parseHttpIdentifier(op.identifier, op.attrs), { session, signal });
      const ms = file.lastModified === undefined ? undefined : httpTimeMs(file.lastModified);
      return {
        httpChecksum: file.checksum,
        httpFilename: file.filename,
        ...(ms === undefined ? {} : { httpLastModified: BigInt(ms / 1000) }),
      };
    }
    if (op.identifier.startsWith("git://")) {
      const id = parseGitIdentifier(op.identifier, op.attrs);
      const { git } = this.#o;
      const resolved = await git.resolve(id, { session, signal });
      const gitCommitObject = await git.commitObject(id, resolved, { session, signal });
      return { gitCommitObject, gitChecksum: resolved.hash, gitRef: resolved.ref };
    }
    // An image has no time that a frontend asks for.
    if (/^(docker-image|oci-layout):\/\//.test(op.identifier)) return {};
    throw new BuildError(`metadata of ${op.identifier} can't be resolved by this builder yet`, {
      code: "UNSUPPORTED",
      status: "Unimplemented",
    });
  }

  async solve(
    definition: pb.Definition,
    options: { readonly evaluate?: boolean; readonly signal: AbortSignal },
  ): Promise<GatewayRef> {
    const edge = loadDefinition(definition, this.#o.context);
    if (edge !== undefined) this.#o.trace.edges.push(edge);
    let built: Promise<EngineResult | undefined> | undefined;
    const build = () => (built ??= make());
    const make = async () => {
      if (edge === undefined) return undefined;
      await this.#o.ready?.();
      return (await this.#asked(() => this.#o.job.build(edge, options.signal))).result;
    };
    if (options.evaluate === true) await build();
    const within = async <T>(signal: AbortSignal, read: (root: string) => T): Promise<T> => {
      const result = await build();
      if (result?.kind === "local") return read(result.folder.source.root);
      const scratch = result === undefined ? this.#o.refs.scratch() : undefined;
      try {
        const ref = result?.ref ?? scratch!;
        await using view = await this.#asked(() => this.#o.refs.view(ref, signal));
        return read(view.path);
      } finally {
        if (scratch !== undefined) this.#o.refs.release(scratch);
      }
    };
    return {
      readFile: (path, { range, signal }) => within(signal, (root) => readFileInside(root, path, range)),
      readDir: (path, { includePattern, signal }) =>
        within(signal, (root) => readDirInside(root, path, includePattern)),
      statFile: (path, { signal }) => within(signal, (root) => statInside(root, path)),
      evaluate: async () => void (await build()),
    };
  }

  warn(digest: Digest, warning: GatewayWarning): void {
    const { source } = warning;
    const located =
      source === undefined
        ? undefined
        : {
            info: create(pb.SourceInfoSchema, {
              filename: source.filename,
              language: source.language,
              data: source.text,
            }),
            ranges: source.ranges.map(({ start, end }) =>
              create(pb.RangeSchema, { start: { line: start, character: 0 }, end: { line: end, character: 0 } }),
            ),
          };
    this.#o.progress.warn(
      digest,
      { level: warning.level, short: warning.short, detail: warning.detail, url: warning.url },
      located,
    );
  }

  async #resolve(
    ref: string,
    platform: Platform,
    options: ResolveImageOptions,
    signal: AbortSignal,
  ): Promise<ResolvedImage> {
    const name = options.logName ?? `resolve image config for ${ref}`;
    const step = this.#o.progress.internal(digestOf(`${name} ${formatPlatform(platform)} ${this.sessionId}`), name);
    try {
      if (options.ociStore !== undefined) {
        const store = sessionStore(this.#o.context.session, options.ociStore.storeId, options.ociStore.sessionId);
        const resolved = await this.#o.layouts.resolveIn(ref, { store, platform }, signal);
        step.completed();
        this.#o.trace.images.push({ ref, platform, digest: resolved.digest, local: true });
        return { ref: resolved.ref, digest: resolved.digest, config: resolved.configBytes };
      }
      const mode = options.resolveMode ?? "default";
      const resolved = await this.#o.images.resolve(ref, { platform, mode }, signal);
      step.completed();
      this.#o.trace.images.push({ ref, platform, digest: resolved.digest, local: false });
      return { ref: resolved.ref, digest: resolved.digest, config: resolved.configBytes };
    } catch (error) {
      step.completed(error);
      throw error;
    }
  }
}
