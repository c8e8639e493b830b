// Owned background work: a task scope awaits everything started in it, and its first failure cancels the rest.
// No promise of this code base floats: it belongs to a scope, or its caller awaits it.

/** A set of tasks that live and die together. */
export class TaskScope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #detach: () => void;
  #failure: { error: unknown } | undefined;

  /** Cancelling `signal` cancels the scope. */
  constructor(signal?: AbortSignal) {
    const onAbort = () => this.#controller.abort(signal!.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#detach = () => signal?.removeEventListener("abort", onAbort);
  }

  /** Aborted when the parent is, when a task fails, or on dispose. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts a task. Its first rejection aborts the scope and is what {@link join} rejects with. */
  run(task: (signal: AbortSignal) => Promise<void>): void {
    const running: Promise<void> = task(this.#controller.signal)
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#controller.abort(error);
      })
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  /** Resolves when every task ended; rejects with the first failure, still after every task ended. */
  async join(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    this.#detach();
    if (this.#failure) throw this.#failure.error;
  }

  /** Aborts what still runs and awaits its end; never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#tasks.size > 0) this.#controller.abort(new DOMException("scope left", "AbortError"));
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    this.#detach();
  }
}
