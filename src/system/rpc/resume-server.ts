// The server's end of resumable streams: a stream whose connection broke is kept for a while, for its client to come back to.

import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { ResumableStream } from "./resumable.ts";
import type { ResumableOptions } from "./resumable.ts";
import { encodeAnswer, NEW_STREAM, readHello } from "./resume-hello.ts";

export interface ResumeServerOptions extends ResumableOptions {
  /** How long a stream is kept without a connection. */
  readonly keepMs?: number;
  /** The same where the client closed the connection in order without leaving: most likely its process died. */
  readonly keepClosedMs?: number;
}

const HELLO_MS = 10_000;
const MAX_STREAMS = 10_000;

export class ResumeServer {
  readonly #streams = new Map<string, ResumableStream>();
  readonly #options: ResumeServerOptions;
  readonly #onStream: (stream: ResumableStream, socket: Socket) => void;

  /** `onStream` is told of each new stream once. */
  constructor(onStream: (stream: ResumableStream, socket: Socket) => void, options: ResumeServerOptions = {}) {
    this.#onStream = onStream;
    this.#options = options;
  }

  /** Takes a connection. Never rejects: what a peer does wrong ends its connection. */
  async accept(socket: Socket): Promise<void> {
    try {
      const { id, received, rest } = await readHello(socket, HELLO_MS);
      if (id.equals(NEW_STREAM)) this.#start(socket, rest);
      else this.#resume(socket, { id, received, rest });
    } catch {
      socket.destroy();
    }
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.destroy();
  }

  #start(socket: Socket, rest: Buffer): void {
    if (this.#streams.size >= MAX_STREAMS) {
      socket.destroy();
      return;
    }
    const stream = new ResumableStream(randomBytes(16), this.#options);
    const key = stream.id.toString("hex");
    this.#streams.set(key, stream);
    let expiry: NodeJS.Timeout | undefined;
    stream.on("attached", () => clearTimeout(expiry));
    stream.on("detached", (inOrder: boolean) => {
      const { keepMs = 120_000, keepClosedMs = 15_000 } = this.#options;
      expiry = setTimeout(
        () => stream.destroy(new Error("the client did not come back")),
        inOrder ? keepClosedMs : keepMs,
      );
      expiry.unref();
    });
    stream.on("error", () => undefined);
    stream.on("close", () => {
      clearTimeout(expiry);
      this.#streams.delete(key);
    });
    socket.write(encodeAnswer(true, stream.id, 0));
    stream.attach(socket, 0, rest);
    this.#onStream(stream, socket);
  }

  #resume(socket: Socket, hello: { id: Buffer; received: number; rest: Buffer }): void {
    const stream = this.#streams.get(hello.id.toString("hex"));
    if (stream === undefined || stream.destroyed) {
      socket.end(encodeAnswer(false, hello.id, 0));
      return;
    }
    socket.write(encodeAnswer(true, stream.id, stream.receivedBytes));
    stream.attach(socket, hello.received, hello.rest);
    stream.emit("attached");
  }
}
