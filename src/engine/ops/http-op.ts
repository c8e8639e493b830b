// ADD of a URL, and contexts from the web. Counterpart: moby/buildkit source/http as solver/llbsolver/ops/source.go drives it.

import type { pb } from "../../formats/proto/index.ts";
import type { CacheMap, Op, OpContext } from "../../graph/solver/index.ts";
import { httpCacheKey, parseHttpIdentifier } from "../sources/index.ts";
import type { HttpFile, HttpIdentifier, HttpSource } from "../sources/index.ts";
import { anySession } from "./any-session.ts";
import { sourceDigest } from "./cache-digest.ts";
import type { VertexSys } from "./load.ts";
import type { EngineResult } from "./results.ts";

export class HttpOp implements Op<EngineResult> {
  readonly heavy = false;
  readonly resolves = true;
  readonly #id: HttpIdentifier;
  readonly #sys: VertexSys;
  readonly #source: HttpSource;
  #file: Promise<HttpFile> | undefined;

  /** @throws INVALID_LLB, UNSUPPORTED. */
  constructor(op: pb.SourceOp, sys: VertexSys, source: HttpSource) {
    this.#id = parseHttpIdentifier(op.identifier, op.attrs);
    this.#sys = sys;
    this.#source = source;
  }

  async cacheMap(context: OpContext): Promise<CacheMap<EngineResult>> {
    const { filename, checksum, lastModified } = await this.#resolve(context);
    return { digest: sourceDigest(httpCacheKey(this.#id, filename, checksum, lastModified)), deps: [] };
  }

  async exec(_inputs: readonly EngineResult[], context: OpContext): Promise<EngineResult[]> {
    const ref = await this.#source.fetch(this.#id, await this.#resolve(context), this.#asker(context));
    return [{ kind: "ref", ref }];
  }

  async pin(context: OpContext): Promise<string> {
    return (await this.#resolve(context)).checksum;
  }

  #resolve(context: OpContext): Promise<HttpFile> {
    this.#file ??= this.#source.resolve(this.#id, this.#asker(context));
    return this.#file;
  }

  #asker(context: OpContext) {
    const { progress, signal } = context;
    return { session: anySession(this.#sys.context.session, context), progress, signal };
  }
}
