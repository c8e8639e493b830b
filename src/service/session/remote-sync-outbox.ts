// Gathers packets on their way to the thread: a message to a thread costs as much as a hundred packets, and a client that walks its folder
// sends a few packets at a time.

/** Goes at once. */
const MAX_BYTES = 64 * 1024;
/** A transfer of no more than this is not held up: it consists of questions and answers. */
const SMALL_BYTES = 16 * 1024;
/** How long packets of a larger one wait for others. */
const WAIT_MS = 4;

export class Outbox {
  readonly #send: (packets: readonly Uint8Array[]) => void;
  #packets: Uint8Array[] = [];
  #bytes = 0;
  #total = 0;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `send` is given what was gathered, in order, and never nothing. */
  constructor(send: (packets: readonly Uint8Array[]) => void) {
    this.#send = send;
  }

  /** Takes packets, which must not change. */
  add(packets: readonly Uint8Array[]): void {
    for (const packet of packets) {
      this.#packets.push(packet);
      this.#bytes += packet.length;
    }
    if (this.#bytes >= MAX_BYTES) {
      this.flush();
    } else if (this.#immediate === undefined && this.#timer === undefined) {
      if (this.#total < SMALL_BYTES) this.#immediate = setImmediate(() => this.flush());
      else this.#timer = setTimeout(() => this.flush(), WAIT_MS);
    }
  }

  /** Sends what is here. */
  flush(): void {
    this.close();
    if (this.#packets.length === 0) return;
    const packets = this.#packets;
    this.#total += this.#bytes;
    this.#packets = [];
    this.#bytes = 0;
    this.#send(packets);
  }

  /** Stops waiting; what is here stays here. */
  close(): void {
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    this.#immediate = undefined;
    this.#timer = undefined;
  }
}
