// Things by name that may be asked for before they are there: a build before its client has started it, a session before it has joined.

/** Values by name, waited for where they are not there yet. */
export class Arrivals<T> {
  readonly #there = new Map<string, T>();
  readonly #waiting = new Map<string, Set<() => void>>();

  get size(): number {
    return this.#there.size;
  }

  values(): MapIterator<T> {
    return this.#there.values();
  }

  find(name: string): T | undefined {
    return this.#there.get(name);
  }

  /** Those who wait for the name have it from now on. */
  add(name: string, value: T): void {
    this.#there.set(name, value);
    for (const wake of this.#waiting.get(name) ?? []) wake();
  }

  delete(name: string): void {
    this.#there.delete(name);
  }

  /** What has the name, as soon as it is there; undefined when it does not come within `timeoutMs`. @throws `signal.reason`. */
  async get(name: string, timeoutMs: number, signal?: AbortSignal): Promise<T | undefined> {
    signal?.throwIfAborted();
    const found = this.#there.get(name);
    if (found !== undefined) return found;
    const deadline = AbortSignal.timeout(timeoutMs);
    await this.#arrival(name, signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
    signal?.throwIfAborted();
    return this.#there.get(name);
  }

  #arrival(name: string, stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(name) ?? new Set();
      this.#waiting.set(name, waiting);
      const wake = () => {
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(name);
        stop.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      stop.addEventListener("abort", wake, { once: true });
    });
  }
}
