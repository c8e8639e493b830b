// Writes gRPC messages to a stream. Small ones that come in one turn of the event loop go out in one write: a write for each costs
// several times more than all else about it. Spec: gRPC over HTTP/2, Length-Prefixed-Message.

import type { Writable } from "node:stream";
import { RpcError, StatusCode } from "./status.ts";

/** More than this goes out without waiting for the turn's end. */
const FLUSH_BYTES = 64 * 1024;

export class MessageWriter {
  readonly #stream: Writable;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #scheduled = false;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Takes a message, which must not change afterwards; a promise asks to be awaited before the next. @throws RpcError when the stream is closed. */
  send(message: Uint8Array): void | Promise<void> {
    if (this.#stream.destroyed || this.#stream.writableEnded) {
      throw new RpcError(StatusCode.CANCELLED, "the call has ended");
    }
    const prefix = Buffer.allocUnsafe(5);
    prefix[0] = 0;
    prefix.writeUInt32BE(message.length, 1);
    this.#pending.push(prefix, message);
    this.#pendingBytes += prefix.length + message.length;
    if (this.#pendingBytes >= FLUSH_BYTES) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.flush());
    }
    return this.#stream.writableNeedDrain ? this.#drained() : undefined;
  }

  /** Writes what is pending. */
  flush(): void {
    this.#scheduled = false;
    if (this.#pending.length === 0) return;
    const bytes = Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.write(bytes);
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#stream.off("drain", done);
        this.#stream.off("close", done);
        resolve();
      };
      this.#stream.on("drain", done);
      this.#stream.on("close", done);
    });
  }
}
