// The solver's view of the world: vertexes, edges, ops, results. It knows nothing of LLB, files or processes; the engine binds
// these ports. Counterpart: moby/buildkit solver/types.go.

import type { Digest } from "../../base/index.ts";

/** A node of the build graph; equal digests mean equal work. Immutable. */
export interface Vertex {
  readonly digest: Digest;
  readonly name: string;
  readonly inputs: readonly Edge[];
  readonly options: VertexOptions;
  /** What the engine's {@link OpResolver} makes an op from; opaque here. */
  readonly sys: unknown;
  /** Set where work with this digest is not the same for everybody: only vertexes of the same scope are shared between jobs. */
  readonly scope?: string;
}

/** One output of a vertex. */
export interface Edge {
  readonly vertex: Vertex;
  readonly index: number;
}

export interface VertexOptions {
  /** Never take this vertex's result from the cache; a new result supersedes older ones. */
  readonly ignoreCache: boolean;
  readonly description: Readonly<Record<string, string>>;
  readonly progressGroup?: { readonly id: string; readonly name: string; readonly weak: boolean };
}

/** How an op is cached; made once per vertex. */
export interface CacheMap<R> {
  /** Digest of the op itself, inputs left out. */
  readonly digest: string;
  /** Further digests under which a root (an op without inputs) is known. */
  readonly alternates?: readonly string[];
  /** False for digests that hold for this session only: nothing is recorded under them. Defaults to true. */
  readonly persistent?: boolean;
  /** One for each input of the vertex. */
  readonly deps: readonly CacheDep<R>[];
}

export interface CacheDep<R> {
  /** Digest of which part of the input is read; part of the definition key only. */
  readonly selector?: Digest;
  /** Digest of what the op really reads from the input; absent where content can't stand for the input. */
  readonly contentDigest?: (input: R, context: OpContext) => Promise<Digest>;
  /** The same content as older builders digest it, where they differ: a second key, so that caches are exchanged with them. */
  readonly olderContentDigest?: (input: R, context: OpContext) => Promise<Digest>;
}

/** What an op may use while it works for one or more jobs. */
export interface OpContext {
  /** Aborted when no job wants the vertex any more. */
  readonly signal: AbortSignal;
  readonly vertex: Vertex;
  readonly progress: VertexProgress;
  /** The vertex as each job that wants it brought it, the eldest first; they differ in `sys` alone. */
  wanted(): readonly Vertex[];
}

/** One piece of work. Results returned belong to the solver, inputs stay the solver's. */
export interface Op<R> {
  cacheMap(context: OpContext): Promise<CacheMap<R>>;
  /** Runs the op; one result for each output index. */
  exec(inputs: readonly R[], context: OpContext): Promise<R[]>;
  /** What exactly the op's reference stands for, a digest or a commit; for ops that look one up. */
  pin?(context: OpContext): Promise<string>;
  /** False for ops that only shuffle references: they take no place in the parallelism limit. Defaults to true. */
  readonly heavy?: boolean;
  /** True where finding the cache map is work to show: resolving a reference. Defaults to false. */
  readonly resolves?: boolean;
}

export type OpResolver<R> = (vertex: Vertex) => Op<R>;

/** Keeps results beyond a build. */
export interface ResultStore<R> {
  /** Makes a result findable and returns its id; the same result gives the same id. */
  save(result: R): string;
  /** Undefined when the result is gone: a miss, never an error. The caller owns what is returned. */
  load(id: string): Promise<R | undefined>;
  exists(id: string): boolean;
  /** Ends one ownership of a result. */
  release(result: R): Promise<void>;
}

/** Where a vertex says what it does. */
export interface VertexProgress {
  log(stream: 1 | 2, data: Uint8Array): void;
  /** `id` names a line of work under the vertex; `completed` ends it. */
  status(id: string, update: StatusUpdate): void;
  warn(warning: VertexWarning): void;
}

export interface StatusUpdate {
  readonly current?: number;
  readonly total?: number;
  readonly completed?: boolean;
}

export interface VertexWarning {
  readonly level: number;
  readonly short: string;
  readonly detail: readonly string[];
  readonly url: string;
}

/** Receives every event of a job, in order for each vertex. */
export interface ProgressSink {
  vertex(event: VertexEvent): void;
  log(vertex: Digest, stream: 1 | 2, data: Uint8Array): void;
  status(vertex: Digest, id: string, update: StatusUpdate): void;
  warn(vertex: Digest, warning: VertexWarning): void;
}

export type VertexEvent =
  | { readonly kind: "known" | "started" | "completed" | "cached"; readonly vertex: Vertex }
  | { readonly kind: "failed"; readonly vertex: Vertex; readonly error: unknown };
