// Bounds how much runs at once. First come, first served.

/** A counting semaphore. */
export class Semaphore {
  readonly #queue: (() => void)[] = [];
  #free: number;

  /** @param limit how many may hold it at once; at least 1. */
  constructor(limit: number) {
    if (!(limit >= 1)) throw new Error(`semaphore limit ${limit}`);
    this.#free = limit;
  }

  /** Resolves with the release function, to be called once; rejects with `signal.reason` while still waiting. */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    };
  }

  /** Runs `work` while holding one place. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const at = this.#queue.indexOf(granted);
        if (at >= 0) this.#queue.splice(at, 1);
        reject(signal!.reason as Error);
      };
      const granted = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      this.#queue.push(granted);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
