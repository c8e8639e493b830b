// A byte stream that outlives its connections: what was sent is kept until the peer has it, so a new connection goes on where the last one
// broke, and whatever runs over the stream never notices. Spoken only between Slipway's own ends; others speak HTTP/2 directly.
//
// After a hello on each connection (see resume-hello.ts) both ends send frames: type (1 byte), length (4), payload.
// DATA: bytes of the stream. ACK: how many bytes of the stream have come (8); also sent as a sign of life. END: the stream ends here.
// LEAVE: the sender gives the stream up. Counterpart: none in BuildKit, whose builds end with their connection.

import { Duplex } from "node:stream";
import type { Socket } from "node:net";

const FrameType = { data: 0, ack: 1, end: 2, leave: 3 } as const;
const HEADER_BYTES = 5;
/** What may be on its way; a writer waits beyond that. */
const MAX_UNACKED_BYTES = 16 << 20;
const ACK_EVERY_BYTES = 256 << 10;
const MAX_FRAME_BYTES = 1 << 20;

export interface ResumableOptions {
  /** How often signs of life are sent, and how long a connection may be without any. */
  readonly signOfLifeMs?: number;
  readonly silenceMs?: number;
}

/** Emits "detached" (with true where the peer closed the connection in order) each time a connection is lost. */
export class ResumableStream extends Duplex {
  /** By which its connections find it: 16 random bytes. */
  readonly id: Buffer;
  readonly #options: Required<ResumableOptions>;
  #socket: Socket | undefined;
  readonly #unacked: Buffer[] = [];
  #unackedBytes = 0;
  /** Bytes of the stream that the peer has. */
  #acked = 0;
  #received = 0;
  #toldReceived = 0;
  #ended = false;
  #peerEnded = false;
  #blocked: (() => void) | undefined;
  #pending = Buffer.alloc(0);
  #heardAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(id: Buffer, options: ResumableOptions = {}) {
    super({ readableHighWaterMark: 1 << 20, writableHighWaterMark: 1 << 20, allowHalfOpen: true });
    this.id = id;
    this.#options = { signOfLifeMs: options.signOfLifeMs ?? 5000, silenceMs: options.silenceMs ?? 15_000 };
  }

  /** How many bytes of the stream have come. */
  get receivedBytes(): number {
    return this.#received;
  }

  get isAttached(): boolean {
    return this.#socket !== undefined;
  }

  /** Goes on over a connection whose hello is done. `peerReceived` is how many bytes the peer has. */
  attach(socket: Socket, peerReceived: number, early: Buffer): void {
    this.#drop();
    if (this.destroyed) {
      socket.destroy();
      return;
    }
    this.#acknowledge(peerReceived);
    this.#socket = socket;
    this.#pending = Buffer.alloc(0);
    this.#heardAt = performance.now();
    let inOrder = false;
    socket.on("data", (chunk: Buffer) => this.#take(socket, chunk));
    socket.on("end", () => (inOrder = true));
    socket.on("error", () => undefined);
    socket.on("close", () => this.#lost(socket, inOrder));
    socket.on("drain", () => this.#unblock());
    this.#timer = setInterval(() => this.#beat(), this.#options.signOfLifeMs);
    this.#timer.unref();
    // In order again: what the peer does not have, then what comes.
    for (const chunk of this.#unacked) this.#frame(FrameType.data, chunk);
    if (this.#ended) this.#frame(FrameType.end, Buffer.alloc(0));
    if (early.length > 0) this.#take(socket, early);
    // It was paused after the hello.
    socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    for (let at = 0; at < chunk.length; at += MAX_FRAME_BYTES) {
      // A copy: what was written may be reused, and this is kept until the peer has it.
      const part = Buffer.from(chunk.subarray(at, at + MAX_FRAME_BYTES));
      this.#unacked.push(part);
      this.#unackedBytes += part.length;
      this.#frame(FrameType.data, part);
    }
    const full = this.#unackedBytes > MAX_UNACKED_BYTES || this.#socket?.writableNeedDrain === true;
    if (full) this.#blocked = callback;
    else callback();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#ended = true;
    this.#frame(FrameType.end, Buffer.alloc(0));
    callback();
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const socket = this.#socket;
    this.#socket = undefined;
    clearInterval(this.#timer);
    if (socket !== undefined && !socket.destroyed) {
      // So that the peer does not wait for a connection that never comes.
      socket.end(frame(FrameType.leave, Buffer.alloc(0)));
      socket.resume();
      setTimeout(() => socket.destroy(), 1000).unref();
    }
    callback(error);
  }

  #frame(type: number, payload: Buffer): void {
    this.#socket?.write(frame(type, payload));
  }

  #take(socket: Socket, chunk: Buffer): void {
    if (socket !== this.#socket) return;
    this.#heardAt = performance.now();
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32BE(1);
      if (length > MAX_FRAME_BYTES) {
        this.destroy(new Error("a frame of a resumable stream is too long"));
        return;
      }
      if (bytes.length < HEADER_BYTES + length) break;
      this.#handle(socket, bytes[0]!, bytes.subarray(HEADER_BYTES, HEADER_BYTES + length));
      if (this.destroyed) return;
      bytes = bytes.subarray(HEADER_BYTES + length);
    }
    this.#pending = Buffer.from(bytes);
  }

  #handle(socket: Socket, type: number, payload: Buffer): void {
    switch (type) {
      case FrameType.data: {
        this.#received += payload.length;
        if (!this.push(payload)) socket.pause();
        if (this.#received - this.#toldReceived >= ACK_EVERY_BYTES) this.#tell();
        return;
      }
      case FrameType.ack:
        if (payload.length === 8) this.#acknowledge(Number(payload.readBigUInt64BE()));
        return;
      case FrameType.end:
        if (this.#peerEnded) return;
        this.#peerEnded = true;
        this.#tell();
        this.push(null);
        return;
      case FrameType.leave:
        // Where both have said all, that is just the end.
        if (this.#peerEnded && this.#ended) this.destroy();
        else this.destroy(new Error("the peer has left"));
        return;
      default:
        this.destroy(new Error(`a resumable stream has no frames of type ${type}`));
    }
  }

  #acknowledge(offset: number): void {
    let gone = offset - this.#acked;
    if (gone < 0 || gone > this.#unackedBytes) {
      this.destroy(new Error("the peer acknowledges what was never sent"));
      return;
    }
    this.#acked = offset;
    this.#unackedBytes -= gone;
    while (gone > 0) {
      const first = this.#unacked[0]!;
      if (first.length > gone) {
        this.#unacked[0] = first.subarray(gone);
        break;
      }
      gone -= first.length;
      this.#unacked.shift();
    }
    this.#unblock();
  }

  #unblock(): void {
    const blocked = this.#blocked;
    if (blocked === undefined || this.#unackedBytes > MAX_UNACKED_BYTES / 2) return;
    if (this.#socket?.writableNeedDrain === true) return;
    this.#blocked = undefined;
    blocked();
  }

  #tell(): void {
    const offset = Buffer.alloc(8);
    offset.writeBigUInt64BE(BigInt(this.#received));
    this.#toldReceived = this.#received;
    this.#frame(FrameType.ack, offset);
  }

  #beat(): void {
    if (performance.now() - this.#heardAt > this.#options.silenceMs && this.#socket?.isPaused() !== true) this.#drop();
    else this.#tell();
  }

  #drop(): void {
    this.#socket?.destroy();
  }

  #lost(socket: Socket, inOrder: boolean): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearInterval(this.#timer);
    this.#unblock();
    if (!this.destroyed) this.emit("detached", inOrder);
  }
}

function frame(type: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes[0] = type;
  bytes.writeUInt32BE(payload.length, 1);
  payload.copy(bytes, HEADER_BYTES);
  return bytes;
}
