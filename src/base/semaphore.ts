// Bounds how much runs at once. First come, first served.

/** A counting semaphore. */
export class Semaphore {
  readonly #queue: (() => void)[] = [];
  /** Below zero while places that were added for a time are still held after it. */
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
      this.#add(1);
    };
  }

  /** Lets `count` more hold it at once, until the result is disposed; whoever holds it then keeps it. */
  widen(count: number): Disposable {
    let isOver = false;
    this.#add(count);
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#free -= count;
      },
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

  #add(count: number): void {
    this.#free += count;
    while (this.#free > 0 && this.#queue.length > 0) {
      this.#free--;
      this.#queue.shift()!();
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
