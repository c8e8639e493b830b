// Runs graphs of opaque vertexes. Vertexes are shared by digest between jobs; independent ones run at once, bounded by
// `parallelism`; equal work (same op, same content read) runs once even where the vertexes differ.
// Counterpart: moby/buildkit solver/jobs.go, scheduler.go.

import { Semaphore, raceAbort } from "../../base/index.ts";
import { CacheManager, workKey } from "./cache-manager.ts";
import type { InputKeys } from "./cache-manager.ts";
import { EdgeState, rootIds } from "./edge-state.ts";
import type { EdgeHost } from "./edge-state.ts";
import { rootKeyId } from "./key-storage.ts";
import type { CacheKeyStorage } from "./key-storage.ts";
import type { Edge, OpResolver, ProgressSink, ResultStore, Vertex } from "./types.ts";
import { VertexState } from "./vertex-state.ts";
import type { EdgeResult } from "./vertex-state.ts";

/** How far a shuffled start is put off at most. */
const SHUFFLE_MS = 50;

export interface SolverOptions<R> {
  readonly resolveOp: OpResolver<R>;
  readonly storage: CacheKeyStorage;
  readonly results: ResultStore<R>;
  /** How many heavy ops may execute at once; at least 1. */
  readonly parallelism: number;
  /** Ops that are ready start in a random order, for finding out what hangs on it. Defaults to false. */
  readonly shuffled?: boolean | undefined;
  /** Milliseconds since the epoch; defaults to the clock. */
  readonly now?: () => number;
  /** Told of every result as soon as it is there; the result stays the solver's. */
  readonly onResult?: (made: MadeResult<R>) => void;
}

/** A result of one output, made or taken from the cache. */
export interface MadeResult<R> {
  readonly vertex: Vertex;
  readonly result: EdgeResult<R>;
  /** The jobs that want the vertex. */
  readonly jobs: ReadonlySet<Job<R>>;
  /** How long making it took, in milliseconds; undefined for one from the cache. */
  readonly tookMs: number | undefined;
}

/** What became of a vertex: what its reference stands for, and the results there are of it by output. */
export interface TracedVertex<R> {
  readonly vertex: Vertex;
  readonly pin: string | undefined;
  readonly results: ReadonlyMap<number, R>;
}

export class Solver<R> {
  readonly #options: SolverOptions<R>;
  readonly #states = new Map<string, { state: VertexState<R>; jobs: Set<Job<R>> }>();
  readonly #host: EdgeHost<R>;
  readonly #places: Semaphore;
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #executions = new WeakMap<VertexState<R>, Promise<readonly EdgeResult<R>[]>>();
  readonly cache: CacheManager<R>;

  constructor(options: SolverOptions<R>) {
    this.#options = options;
    this.#places = new Semaphore(options.parallelism);
    this.cache = new CacheManager(options.storage, options.results);
    this.#host = {
      cache: this.cache,
      edgeState: (edge) => this.#edgeState(edge),
      execute: (state) => this.#execute(state),
      skipAncestors: (state) => this.#skipAncestors(state.vertex),
      loaded: (state, result) => this.#tellResult(state.vertex, result, undefined),
    };
  }

  /** How many vertexes are alive; zero once every job is closed. */
  get size(): number {
    return this.#states.size;
  }

  /** Starts a job; close it to let go of its vertexes and results. */
  job(sink: ProgressSink): Job<R> {
    return new Job(sink, {
      join: (job, vertex) => this.#join(job, vertex),
      result: (edge) => this.#edgeState(edge).result(),
      trace: (edge) => this.#trace(edge),
      leave: (job) => this.#leave(job),
    });
  }

  #join(job: Job<R>, vertex: Vertex): void {
    const stack = [vertex];
    const ordered: Vertex[] = [];
    const seen = new Set<string>();
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (seen.has(next.digest)) continue;
      seen.add(next.digest);
      ordered.push(next);
      stack.push(...next.inputs.map((input) => input.vertex));
    }
    for (const each of ordered.reverse()) {
      let entry = this.#states.get(stateKey(each));
      if (entry === undefined) {
        entry = { state: new VertexState(each, this.#options.resolveOp(each)), jobs: new Set() };
        this.#states.set(stateKey(each), entry);
      }
      entry.jobs.add(job);
      entry.state.wanted.set(job, each);
      entry.state.join(job.sink);
    }
  }

  async #trace({ vertex }: Edge): Promise<TracedVertex<R>[]> {
    const traced = new Map<string, Promise<TracedVertex<R>>>();
    const stack = [vertex];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (traced.has(next.digest)) continue;
      const state = this.#states.get(stateKey(next))?.state;
      if (state === undefined) throw new Error(`vertex ${next.name} belongs to no job`);
      traced.set(next.digest, traceOf(state));
      stack.push(...next.inputs.map((input) => input.vertex));
    }
    return Promise.all(traced.values());
  }

  async #leave(job: Job<R>): Promise<void> {
    const left: VertexState<R>[] = [];
    for (const [digest, entry] of this.#states) {
      if (!entry.jobs.delete(job)) continue;
      entry.state.wanted.delete(job);
      entry.state.sinks.delete(job.sink);
      if (entry.jobs.size > 0) continue;
      this.#states.delete(digest);
      entry.state.cancel(new DOMException("no job wants this vertex any more", "AbortError"));
      left.push(entry.state);
    }
    for (const state of left) {
      for (const result of await state.settled()) await this.#options.results.release(result);
    }
  }

  #edgeState(edge: Edge): EdgeState<R> {
    const entry = this.#states.get(stateKey(edge.vertex));
    if (entry === undefined) throw new DOMException("the job of this vertex is closed", "AbortError");
    let found = entry.state.edges.get(edge.index);
    if (found === undefined)
      entry.state.edges.set(edge.index, (found = new EdgeState(this.#host, entry.state, edge.index)));
    return found;
  }

  #execute(state: VertexState<R>): Promise<readonly EdgeResult<R>[]> {
    let execution = this.#executions.get(state);
    if (execution === undefined) {
      execution = state.track(() => this.#run(state));
      this.#executions.set(state, execution);
    }
    return execution;
  }

  async #run(state: VertexState<R>): Promise<readonly EdgeResult<R>[]> {
    const map = await state.cacheMap();
    const edge = this.#edgeState({ vertex: state.vertex, index: 0 });
    const keys = await edge.inputKeys();
    const key =
      map.persistent === false ? `${stateKey(state.vertex)} once` : workKey({ digest: map.digest, output: 0 }, keys);

    while (!state.vertex.options.ignoreCache) {
      const other = this.#running.get(key);
      if (other === undefined) break;
      await raceAbort(
        other.catch(() => {}),
        state.context.signal,
      );
      const loaded = await this.#loadAll(state, map.digest, keys);
      if (loaded !== undefined) return loaded;
    }
    const run = this.#runOnce(state, keys);
    this.#running.set(key, run);
    try {
      return await run;
    } finally {
      if (this.#running.get(key) === run) this.#running.delete(key);
    }
  }

  /** What another vertex with the same work just recorded, for every output that this vertex is asked for. */
  async #loadAll(state: VertexState<R>, digest: string, keys: InputKeys[]): Promise<EdgeResult<R>[] | undefined> {
    const loaded: EdgeResult<R>[] = [];
    for (const [index, edge] of state.edges) {
      const ids =
        keys.length === 0 ? new Set([rootKeyId(digest, index)]) : this.cache.query({ digest, output: index }, keys);
      const record = this.cache.newestRecord(ids);
      const result = record === undefined ? undefined : await edge.load(record);
      if (result === undefined) return undefined;
      loaded[index] = result;
    }
    return loaded;
  }

  async #runOnce(state: VertexState<R>, keys: InputKeys[]): Promise<readonly EdgeResult<R>[]> {
    const { vertex, op, context } = state;
    state.executed = true;
    const inputs = await Promise.all(vertex.inputs.map((input) => this.#edgeState(input).result()));
    let startedMs = 0;
    if (this.#options.shuffled === true) await raceAbort(randomPause(), context.signal);
    const exec = () =>
      state.working(async () => {
        context.signal.throwIfAborted();
        startedMs = performance.now();
        return op.exec(
          inputs.map((input) => input.result),
          context,
        );
      });
    const results = op.heavy === false ? await exec() : await this.#places.run(exec, context.signal);
    for (const result of results) state.own(result);
    const tookMs = performance.now() - startedMs;
    const map = await state.cacheMap();
    return results.map((result, index) => {
      const made = { result, cached: false, ids: this.#record(vertex, map, index, keys, result) };
      this.#tellResult(vertex, made, tookMs);
      return made;
    });
  }

  #record(
    vertex: Vertex,
    map: { digest: string; alternates?: readonly string[]; persistent?: boolean },
    index: number,
    keys: InputKeys[],
    result: R,
  ): ReadonlySet<string> {
    const nowMs = this.#options.now?.() ?? Date.now();
    if (keys.length === 0) {
      const ids = rootIds({ ...map, deps: [] }, index);
      for (const id of ids) {
        this.cache.storage.addResult(id, { id: this.#options.results.save(result), createdAtMs: nowMs });
      }
      return ids;
    }
    if (keys.some((input) => input.ids.size === 0 && input.contentId === undefined)) return new Set();
    const owner = { digest: map.digest, output: index };
    return new Set([this.cache.record(owner, keys, result, { fresh: vertex.options.ignoreCache, nowMs })]);
  }

  #tellResult(vertex: Vertex, result: EdgeResult<R>, tookMs: number | undefined): void {
    const jobs = this.#states.get(stateKey(vertex))?.jobs;
    if (jobs !== undefined) this.#options.onResult?.({ vertex, result, jobs, tookMs });
  }

  #skipAncestors(vertex: Vertex): void {
    const stack = vertex.inputs.map((input) => input.vertex);
    const seen = new Set<string>();
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (seen.has(next.digest)) continue;
      seen.add(next.digest);
      this.#states.get(stateKey(next))?.state.skip();
      stack.push(...next.inputs.map((input) => input.vertex));
    }
  }
}

function stateKey({ digest, scope }: Vertex): string {
  return scope === undefined ? digest : `${digest} ${scope}`;
}

interface JobHost<R> {
  join(job: Job<R>, vertex: Vertex): void;
  result(edge: Edge): Promise<EdgeResult<R>>;
  trace(edge: Edge): Promise<TracedVertex<R>[]>;
  leave(job: Job<R>): Promise<void>;
}

/** One build's hold on vertexes and results. */
export class Job<R> implements AsyncDisposable {
  readonly sink: ProgressSink;
  readonly #host: JobHost<R>;
  #closed: Promise<void> | undefined;

  constructor(sink: ProgressSink, host: JobHost<R>) {
    this.sink = sink;
    this.#host = host;
  }

  /**
   * The result of an edge, valid until the job is closed. Aborting `signal` rejects at once; work stops when the job is closed and
   * no other job wants it.
   */
  async build(edge: Edge, signal?: AbortSignal): Promise<EdgeResult<R>> {
    if (this.#closed) throw new Error("the job is closed");
    this.#host.join(this, edge.vertex);
    return raceAbort(this.#host.result(edge), signal);
  }

  /** Every vertex that an edge of this job stands on, itself included; call it once the edge is built. */
  async trace(edge: Edge, signal?: AbortSignal): Promise<readonly TracedVertex<R>[]> {
    if (this.#closed) throw new Error("the job is closed");
    return raceAbort(this.#host.trace(edge), signal);
  }

  /** Cancels what only this job wanted, waits for it to wind down and releases its results. */
  close(): Promise<void> {
    this.#closed ??= this.#host.leave(this);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function randomPause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * SHUFFLE_MS));
}

async function traceOf<R>(state: VertexState<R>): Promise<TracedVertex<R>> {
  const results = new Map<number, R>();
  for (const [index, { settled }] of state.edges) if (settled !== undefined) results.set(index, settled.result);
  return { vertex: state.vertex, pin: await state.op.pin?.(state.context), results };
}
