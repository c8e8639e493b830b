// Cuts a byte stream into gRPC messages. A message that lies whole in a chunk is a view of it; others are copied once.
// Spec: gRPC over HTTP/2, Length-Prefixed-Message.

import { RpcError, StatusCode } from "./status.ts";

const PREFIX_BYTES = 5;

export class MessageReader {
  readonly #maxBytes: number;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixFilled = 0;
  #message: Buffer | undefined;
  #messageFilled = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the stream may end here. */
  get atBoundary(): boolean {
    return this.#prefixFilled === 0 && this.#message === undefined;
  }

  /** The messages that `chunk` completes, in order. @throws RpcError where one is too large or compressed. */
  read(chunk: Buffer): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#message !== undefined) {
        offset += this.#fill(chunk, offset, messages);
        continue;
      }
      const taken = Math.min(PREFIX_BYTES - this.#prefixFilled, chunk.length - offset);
      chunk.copy(this.#prefix, this.#prefixFilled, offset, offset + taken);
      this.#prefixFilled += taken;
      offset += taken;
      if (this.#prefixFilled < PREFIX_BYTES) break;
      const length = this.#lengthFromPrefix();
      if (chunk.length - offset >= length) {
        messages.push(chunk.subarray(offset, offset + length));
        offset += length;
      } else {
        this.#message = Buffer.allocUnsafe(length);
        this.#messageFilled = 0;
      }
    }
    return messages;
  }

  #lengthFromPrefix(): number {
    this.#prefixFilled = 0;
    if (this.#prefix[0] !== 0) {
      throw new RpcError(StatusCode.UNIMPLEMENTED, "compressed messages are not supported");
    }
    const length = this.#prefix.readUInt32BE(1);
    if (length > this.#maxBytes) {
      throw new RpcError(
        StatusCode.RESOURCE_EXHAUSTED,
        `received message larger than max (${length} vs. ${this.#maxBytes})`,
      );
    }
    return length;
  }

  #fill(chunk: Buffer, offset: number, messages: Uint8Array[]): number {
    const message = this.#message!;
    const taken = Math.min(message.length - this.#messageFilled, chunk.length - offset);
    chunk.copy(message, this.#messageFilled, offset, offset + taken);
    this.#messageFilled += taken;
    if (this.#messageFilled === message.length) {
      messages.push(message);
      this.#message = undefined;
    }
    return taken;
  }
}
