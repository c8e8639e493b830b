// ADD of git repositories, and git contexts. Counterpart: moby/buildkit source/git as solver/llbsolver/ops/source.go drives it.

import type { pb } from "../../formats/proto/index.ts";
import type { CacheMap, Op, OpContext } from "../../graph/solver/index.ts";
import { gitCacheKey, parseGitIdentifier } from "../sources/index.ts";
import type { GitIdentifier, GitResolved, GitSource } from "../sources/index.ts";
import { anySession } from "./any-session.ts";
import { sourceDigest } from "./cache-digest.ts";
import type { VertexSys } from "./load.ts";
import type { EngineResult } from "./results.ts";

export class GitOp implements Op<EngineResult> {
  readonly heavy = false;
  readonly resolves = true;
  readonly #id: GitIdentifier;
  readonly #sys: VertexSys;
  readonly #source: GitSource;
  #resolved: Promise<GitResolved> | undefined;

  /** @throws INVALID_LLB, INVALID_GIT_REF, UNSUPPORTED. */
  constructor(op: pb.SourceOp, sys: VertexSys, source: GitSource) {
    this.#id = parseGitIdentifier(op.identifier, op.attrs);
    this.#sys = sys;
    this.#source = source;
  }

  async cacheMap(context: OpContext): Promise<CacheMap<EngineResult>> {
    return { digest: sourceDigest(gitCacheKey(this.#id, await this.#resolve(context))), deps: [] };
  }

  async exec(_inputs: readonly EngineResult[], context: OpContext): Promise<EngineResult[]> {
    const ref = await this.#source.fetch(this.#id, await this.#resolve(context), this.#asker(context));
    return [{ kind: "ref", ref }];
  }

  async pin(context: OpContext): Promise<string> {
    return (await this.#resolve(context)).hash;
  }

  #resolve(context: OpContext): Promise<GitResolved> {
    this.#resolved ??= this.#source.resolve(this.#id, this.#asker(context));
    return this.#resolved;
  }

  #asker(context: OpContext) {
    const { progress, signal } = context;
    return { session: anySession(this.#sys.context.session, context), progress, signal };
  }
}
