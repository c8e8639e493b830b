// A call from the side that answers it. Spec: gRPC over HTTP/2, Requests and Responses.

import { constants } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { flatten, messageBatches } from "./incoming.ts";
import { MessageWriter } from "./message-writer.ts";
import { Metadata } from "./metadata.ts";
import { RpcError, StatusCode, statusTrailers } from "./status.ts";

/** Who called. */
export interface PeerInfo {
  /** As listeners name it: "unix", "tcp", or "duplex" for a tunnel or standard streams. */
  readonly transport: "unix" | "tcp" | "duplex";
  readonly address: string;
  /** Common name of the client's certificate, which was checked. */
  readonly certificateName?: string | undefined;
}

export interface ServerCall {
  /** "/package.Service/Method". */
  readonly path: string;
  readonly metadata: Metadata;
  /** Aborted when the peer leaves or its deadline passes. */
  readonly signal: AbortSignal;
  readonly peer: PeerInfo;
  /** The requests, in order; to be iterated once. */
  readonly messages: AsyncGenerator<Uint8Array>;
  /** The same, in batches of what arrived together. */
  readonly batches: AsyncGenerator<Uint8Array[]>;
  /** Sent with the answer's end. */
  readonly trailers: Metadata;
  /** Sends the headers now; otherwise they go with the first message. */
  sendHeaders(metadata?: Metadata): void;
  /** Sends a message, which must not change afterwards. A promise asks to be awaited first. @throws RpcError when the call has ended. */
  send(message: Uint8Array): void | Promise<void>;
}

/** Answers a call: resolving ends it well, throwing ends it with that error. */
export type RawHandler = (call: ServerCall) => Promise<void>;

/** How long a client has to stop sending after it was answered. */
const LINGER_MS = 2000;

const HEADERS = { ":status": 200, "content-type": "application/grpc" };

export class StreamCall implements ServerCall {
  readonly path: string;
  readonly metadata: Metadata;
  readonly peer: PeerInfo;
  readonly trailers = new Metadata();
  readonly #stream: ServerHttp2Stream;
  readonly #writer: MessageWriter;
  readonly #maxBytes: number;
  readonly #controller = new AbortController();
  #deadline: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(
    stream: ServerHttp2Stream,
    path: string,
    options: { rawHeaders: readonly string[]; peer: PeerInfo; maxMessageBytes: number },
  ) {
    this.#stream = stream;
    this.#writer = new MessageWriter(stream);
    this.#maxBytes = options.maxMessageBytes;
    this.path = path;
    this.peer = options.peer;
    this.metadata = Metadata.fromRawHeaders(options.rawHeaders);
    stream.on("error", () => undefined); // its close says as much
    stream.on("close", () => {
      clearTimeout(this.#deadline);
      if (!this.#ended) this.#controller.abort(new DOMException("the client left", "AbortError"));
    });
    this.#startDeadline(options.rawHeaders);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get messages(): AsyncGenerator<Uint8Array> {
    return flatten(this.batches);
  }

  get batches(): AsyncGenerator<Uint8Array[]> {
    return messageBatches(this.#stream, this.#maxBytes);
  }

  sendHeaders(metadata = new Metadata()): void {
    if (this.#stream.headersSent || this.#stream.destroyed) return;
    this.#stream.respond({ ...HEADERS, ...metadata.toHeaders() }, { waitForTrailers: true });
  }

  send(message: Uint8Array): void | Promise<void> {
    this.sendHeaders();
    return this.#writer.send(message);
  }

  /** Sends how the call ended. */
  end(error: RpcError | undefined): void {
    this.#ended = true;
    clearTimeout(this.#deadline);
    const stream = this.#stream;
    if (stream.destroyed) return;
    const trailers = statusTrailers(error, this.trailers);
    if (!stream.headersSent) {
      stream.respond({ ...HEADERS, ...trailers }, { endStream: true });
    } else {
      this.#writer.flush();
      stream.once("wantTrailers", () => stream.sendTrailers(trailers));
      stream.end();
    }
    if (!stream.readableEnded) this.#leaveRequests();
  }

  /** What the client still sends is nobody's any more. A reset at once could overtake the answer; a client that knows it ends by itself. */
  #leaveRequests(): void {
    const stream = this.#stream;
    stream.resume();
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), LINGER_MS);
    timer.unref();
    stream.once("close", () => clearTimeout(timer));
  }

  #startDeadline(rawHeaders: readonly string[]): void {
    for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
      if (rawHeaders[index] !== "grpc-timeout") continue;
      const ms = parseTimeout(rawHeaders[index + 1]!);
      if (ms === undefined) continue;
      this.#deadline = setTimeout(
        () => this.#controller.abort(new RpcError(StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded")),
        Math.min(ms, 0x7fff_ffff),
      );
      this.#deadline.unref();
    }
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

function parseTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  return match ? Number(match[1]) * UNIT_MS[match[2]!]! : undefined;
}
