// Flight control: the same computation asked for twice at the same time runs once. It is cancelled only when its last
// waiter leaves. Counterpart: moby/buildkit util/flightcontrol.

interface Flight<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/** Shares running computations by key. Results are not kept: once a flight lands, the next call runs anew. */
export class FlightControl<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** How many computations run now. */
  get size(): number {
    return this.#flights.size;
  }

  /**
   * Joins the running computation of `key`, or starts `work`.
   * A waiter whose `signal` aborts rejects at once with the signal's reason; `work`'s own signal aborts when no waiter is left.
   */
  async do(key: string, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    let flight = this.#flights.get(key);
    if (flight === undefined || flight.controller.signal.aborted) {
      flight = this.#start(key, work);
    }
    flight.waiters++;
    try {
      return await raceAbort(flight.promise, signal);
    } finally {
      flight.waiters--;
      if (flight.waiters === 0) {
        flight.controller.abort(new DOMException("no waiter left", "AbortError"));
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const promise = work(controller.signal).finally(() => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    promise.catch(() => {}); // every waiter may have left; each of them saw its own reason
    const flight: Flight<T> = { promise, controller, waiters: 0 };
    this.#flights.set(key, flight);
    return flight;
  }
}

/** `promise`, or a rejection with `signal.reason` as soon as the signal aborts. */
export async function raceAbort<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise;
  signal.throwIfAborted();
  let onAbort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
