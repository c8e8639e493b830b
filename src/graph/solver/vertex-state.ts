// A vertex while at least one job wants it: its op, cache map and execution, each worked out once however many jobs and
// dependents ask. Cancelled when its last job leaves; `settled` then waits for the work to wind down.

import { BuildError, isAbort, isBuildError, messageOf } from "../../base/index.ts";
import type { EdgeState } from "./edge-state.ts";
import type {
  CacheMap,
  Op,
  OpContext,
  ProgressSink,
  StatusUpdate,
  Vertex,
  VertexEvent,
  VertexWarning,
} from "./types.ts";

/** What a resolved edge is: the result, and the keys that it is known by. */
export interface EdgeResult<R> {
  readonly result: R;
  readonly ids: ReadonlySet<string>;
  readonly cached: boolean;
}

export class VertexState<R> {
  readonly vertex: Vertex;
  readonly op: Op<R>;
  readonly sinks = new Set<ProgressSink>();
  /** The vertex as each job brought it. */
  readonly wanted = new Map<object, Vertex>();
  readonly edges = new Map<number, EdgeState<R>>();
  readonly context: OpContext;
  readonly #controller = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #owned: R[] = [];
  #cacheMap: Promise<CacheMap<R>> | undefined;
  #last: VertexEvent["kind"] | undefined;
  #events: VertexEvent[] = [];
  #active = 0;

  constructor(vertex: Vertex, op: Op<R>) {
    this.vertex = vertex;
    this.op = op;
    const digest = vertex.digest;
    const each = (tell: (sink: ProgressSink) => void) => {
      for (const sink of this.sinks) tell(sink);
    };
    this.context = {
      signal: this.#controller.signal,
      vertex,
      wanted: () => [...this.wanted.values()],
      progress: {
        log: (stream: 1 | 2, data: Uint8Array) => each((sink) => sink.log(digest, stream, data)),
        status: (id: string, update: StatusUpdate) => each((sink) => sink.status(digest, id, update)),
        warn: (warning: VertexWarning) => each((sink) => sink.warn(digest, warning)),
      },
    };
  }

  /** A job that joins late is told what happened so far. */
  join(sink: ProgressSink): void {
    if (this.sinks.has(sink)) return;
    this.sinks.add(sink);
    sink.vertex({ kind: "known", vertex: this.vertex });
    for (const event of this.#events) sink.vertex(event);
  }

  /** Set when the op ran, or is about to. */
  executed = false;

  /** Tells that the vertex was not needed: what depends on it came from the cache. */
  skip(): void {
    if (!this.executed && this.#active === 0 && this.#last !== "cached")
      this.tell({ kind: "cached", vertex: this.vertex });
  }

  cacheMap(): Promise<CacheMap<R>> {
    this.#cacheMap ??= this.track(async () => {
      if (this.op.resolves === true) return this.working(() => this.op.cacheMap(this.context));
      try {
        return await this.op.cacheMap(this.context);
      } catch (error) {
        throw this.blame(error);
      }
    });
    return this.#cacheMap;
  }

  /** Tells the sinks that the vertex works while `work` runs; nested and overlapping calls tell it once. */
  async working<T>(work: () => Promise<T>): Promise<T> {
    if (this.#active++ === 0) this.tell({ kind: "started", vertex: this.vertex });
    try {
      const value = await work();
      if (--this.#active === 0) this.tell({ kind: "completed", vertex: this.vertex });
      return value;
    } catch (error) {
      this.#active--;
      throw this.blame(error);
    }
  }

  /** Tells that the vertex failed, and returns the error that names it. */
  blame(error: unknown): unknown {
    const digest = this.vertex.digest;
    const named = isAbort(error)
      ? error
      : isBuildError(error)
        ? error.vertex === undefined
          ? error.with({ vertex: digest })
          : error
        : new BuildError(messageOf(error), { code: "STEP_FAILED", vertex: digest, cause: error });
    if (this.#last === undefined) this.tell({ kind: "started", vertex: this.vertex });
    if (this.#last !== "failed") this.tell({ kind: "failed", vertex: this.vertex, error: named });
    return named;
  }

  tell(event: VertexEvent): void {
    this.#last = event.kind;
    this.#events = event.kind === "started" ? [...this.#events, event] : [...this.#events, event].slice(-4);
    for (const sink of this.sinks) sink.vertex(event);
  }

  /** Runs `work` as this vertex's own: {@link settled} waits for it. */
  track<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    const ended: Promise<void> = running.then(
      () => void this.#running.delete(ended),
      () => void this.#running.delete(ended),
    );
    this.#running.add(ended);
    return running;
  }

  /** Makes a result this vertex's: released when the vertex is. */
  own(result: R): R {
    this.#owned.push(result);
    return result;
  }

  cancel(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Waits until nothing runs, then hands over the results to release. Call after {@link cancel}. */
  async settled(): Promise<R[]> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    return this.#owned.splice(0);
  }
}
