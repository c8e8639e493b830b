// FROM and contexts: where files come from. Nothing is fetched before something needs it.
// Counterpart: moby/buildkit solver/llbsolver/ops/source.go, source/{containerimage,local,http,git}.

import { BuildError, digestOf, parseDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { pb } from "../../formats/proto/index.ts";
import type { CacheMap, Op, OpContext, Vertex } from "../../graph/solver/index.ts";
import type { Ref, RefStore } from "../../storage/refs/index.ts";
import type {
  GitSource,
  HttpSource,
  ImageSource,
  LocalFilter,
  OciLayoutSource,
  ResolvedImage,
} from "../sources/index.ts";
import { imageCacheKeys } from "../sources/index.ts";
import type { OciStore, SessionPort } from "../ports/index.ts";
import { goString } from "./go-json.ts";
import { anySession } from "./any-session.ts";
import { sourceDigest } from "./cache-digest.ts";
import { GitOp } from "./git-op.ts";
import { HttpOp } from "./http-op.ts";
import type { VertexSys } from "./load.ts";
import type { EngineResult } from "./results.ts";

export interface SourceHost {
  readonly refs: RefStore;
  readonly images: ImageSource;
  readonly layouts: OciLayoutSource;
  readonly web: HttpSource;
  readonly git: GitSource;
  /** The layers of an image that was built here. */
  readonly keptRef: (manifest: Digest) => Ref | undefined;
}

/** A layout or store that the session offers. @throws LOCAL_SOURCE_MISSING. */
export function sessionStore(session: SessionPort, storeId: string, sessionId?: string): OciStore {
  const store = session.ociStore(storeId, sessionId);
  if (store !== undefined) return store;
  throw new BuildError(`the build has no OCI layout named ${JSON.stringify(storeId)}`, {
    code: "LOCAL_SOURCE_MISSING",
    status: "NotFound",
    hint: "give it with --build-context NAME=oci-layout://DIR",
  });
}

/** The op of a source; @throws UNSUPPORTED for kinds that this builder does not have. */
export function sourceOp(vertex: Vertex, op: pb.SourceOp, host: SourceHost): Op<EngineResult> {
  const sys = vertex.sys as VertexSys;
  const scheme = op.identifier.slice(0, op.identifier.indexOf("://"));
  switch (scheme) {
    case "docker-image":
    case "oci-layout":
      return new ImageOp(op, sys, host);
    case "http":
    case "https":
      return new HttpOp(op, sys, host.web);
    case "git":
      return new GitOp(op, sys, host.git);
    case "local":
      return new LocalOp(op, sys);
    default:
      throw new BuildError(
        `sources of kind ${JSON.stringify(scheme)} are not supported by this builder yet: ${op.identifier}`,
        {
          code: "UNSUPPORTED",
          status: "Unimplemented",
        },
      );
  }
}

class ImageOp implements Op<EngineResult> {
  readonly heavy = false;
  readonly resolves = true;
  readonly #op: pb.SourceOp;
  readonly #sys: VertexSys;
  readonly #host: SourceHost;
  #resolved: Promise<ResolvedImage> | undefined;

  constructor(op: pb.SourceOp, sys: VertexSys, host: SourceHost) {
    this.#op = op;
    this.#sys = sys;
    this.#host = host;
  }

  async cacheMap(context: OpContext): Promise<CacheMap<EngineResult>> {
    const resolved = await this.#resolve(context);
    const { manifestKey, configKey } = imageCacheKeys(resolved, this.#sys.platform, this.#layerLimit());
    return { digest: sourceDigest(manifestKey), alternates: [sourceDigest(configKey)], deps: [] };
  }

  async exec(_inputs: readonly EngineResult[], context: OpContext): Promise<EngineResult[]> {
    const resolved = await this.#resolve(context);
    const kept = this.#host.keptRef(resolved.manifestDigest);
    if (kept !== undefined) return [{ kind: "ref", ref: kept }];
    const ref = this.#host.refs.fromImage(resolved.layers, resolved.remote, {
      description: `pulled from ${this.#reference()}`,
    });
    return [{ kind: "ref", ref }];
  }

  async pin(context: OpContext): Promise<string> {
    return (await this.#resolve(context)).digest;
  }

  #resolve(context: OpContext): Promise<ResolvedImage> {
    this.#resolved ??= this.#lookUp(context);
    return this.#resolved;
  }

  async #lookUp(context: OpContext): Promise<ResolvedImage> {
    const reference = this.#reference();
    const { platform } = this.#sys;
    const status = `resolve ${reference}`;
    context.progress.status(status, {});
    const resolved = this.#op.identifier.startsWith("oci-layout://")
      ? await this.#layout(reference, context)
      : await this.#host.images.resolve(
          reference,
          { platform, mode: modeOf(this.#op.attrs["image.resolvemode"]), ...this.#limits() },
          context.signal,
        );
    context.progress.status(status, { completed: true });
    return resolved;
  }

  #layout(reference: string, context: OpContext): Promise<ResolvedImage> {
    const store = sessionStore(
      anySession(this.#sys.context.session, context),
      this.#op.attrs["oci.store"] ?? "",
      this.#op.attrs["oci.session"],
    );
    return this.#host.layouts.resolveIn(
      reference,
      { store, platform: this.#sys.platform, ...this.#limits() },
      context.signal,
    );
  }

  #layerLimit(): number | undefined {
    const text = this.#op.attrs["image.layerlimit"] ?? this.#op.attrs["oci.layerlimit"];
    return text === undefined ? undefined : Number(text);
  }

  #limits(): { layerLimit?: number; checksum?: Digest } {
    const layerLimit = this.#layerLimit();
    const checksum = this.#op.attrs["image.checksum"];
    return {
      ...(layerLimit === undefined ? {} : { layerLimit }),
      ...(checksum === undefined ? {} : { checksum: parseDigest(checksum) }),
    };
  }

  #reference(): string {
    return this.#op.identifier.slice(this.#op.identifier.indexOf("://") + 3);
  }
}

class LocalOp implements Op<EngineResult> {
  readonly heavy = false;
  readonly #op: pb.SourceOp;
  readonly #sys: VertexSys;

  constructor(op: pb.SourceOp, sys: VertexSys) {
    this.#op = op;
    this.#sys = sys;
  }

  cacheMap(): Promise<CacheMap<EngineResult>> {
    const { attrs } = this.#op;
    const patterns = filterOf(attrs);
    const parts = [
      `"SessionID":${goString(attrs["local.session"] ?? this.#sys.context.session.id)}`,
      `"IncludePatterns":${listJson(patterns.includePatterns)}`,
      `"ExcludePatterns":${listJson(patterns.excludePatterns)}`,
      `"FollowPaths":${listJson(patterns.followPaths)}`,
    ];
    const key = `session:${this.#name()}:${digestOf(`{${parts.join(",")}}`)}`;
    return Promise.resolve({ digest: sourceDigest(key), persistent: false, deps: [] });
  }

  async exec(_inputs: readonly EngineResult[], context: OpContext): Promise<EngineResult[]> {
    const name = this.#name();
    const { attrs } = this.#op;
    const filter = filterOf(attrs);
    const line = `transferring ${name}:`;
    let received = 0;
    const handle = await anySession(this.#sys.context.session, context).localDir(name, {
      ...filter,
      sessionId: attrs["local.session"],
      sharedKeyHint: attrs["local.sharedkeyhint"],
      trustMetadata: attrs["local.differ"] !== "none",
      onBytes: (bytes) => {
        received = bytes;
        context.progress.status(line, { current: bytes });
      },
      signal: context.signal,
    });
    if (received > 0) context.progress.status(line, { current: received, completed: true });
    if (handle === undefined) {
      throw new BuildError(`the build has no local source named ${JSON.stringify(name)}`, {
        code: "LOCAL_SOURCE_MISSING",
        status: "NotFound",
        hint: `give it a folder with --build-context ${name}=DIR`,
      });
    }
    const { path: root, filtered, version, release } = handle;
    const source = { root, local: filtered === true ? {} : filter, version };
    return [{ kind: "local", folder: { name, source, ...(release === undefined ? {} : { release }) } }];
  }

  #name(): string {
    return this.#op.identifier.slice("local://".length);
  }
}

function modeOf(attribute: string | undefined): "default" | "pull" | "local" {
  if (attribute === "pull") return "pull";
  return attribute === "local" ? "local" : "default";
}

function filterOf(attrs: Readonly<Record<string, string>>): LocalFilter {
  return {
    includePatterns: listOf(attrs["local.includepattern"]),
    excludePatterns: listOf(attrs["local.excludepatterns"]),
    followPaths: listOf(attrs["local.followpaths"]),
  };
}

function listOf(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  const list = JSON.parse(text) as unknown;
  if (Array.isArray(list) && list.every((each) => typeof each === "string")) return list;
  throw new BuildError(`a list of paths was expected: ${text}`, { code: "INVALID_LLB", status: "InvalidArgument" });
}

function listJson(list: readonly string[] | undefined): string {
  return list === undefined ? "null" : `[${list.map(goString).join(",")}]`;
}
