// A call from the side that makes it: messages out, messages in, and how it ended.
// Spec: gRPC over HTTP/2, Requests and Responses.

import { constants } from "node:http2";
import type { ClientHttp2Stream } from "node:http2";
import { flatten, messageBatches } from "./incoming.ts";
import { MessageWriter } from "./message-writer.ts";
import { Metadata } from "./metadata.ts";
import { errorFromTrailers, RpcError, StatusCode } from "./status.ts";

export class ClientCall {
  /** The response's metadata; rejects where the call ends before it has any. */
  readonly header: Promise<Metadata>;
  /** The trailers' metadata; rejects with the call's error. */
  readonly trailers: Promise<Metadata>;
  readonly #stream: ClientHttp2Stream;
  readonly #writer: MessageWriter;
  readonly #maxBytes: number;
  #failure: unknown;

  constructor(
    stream: ClientHttp2Stream,
    options: { readonly maxMessageBytes: number; readonly signal?: AbortSignal | undefined },
  ) {
    this.#stream = stream;
    this.#writer = new MessageWriter(stream);
    this.#maxBytes = options.maxMessageBytes;
    const header = Promise.withResolvers<Metadata>();
    const trailers = Promise.withResolvers<Metadata>();
    this.header = header.promise;
    this.trailers = trailers.promise;
    // Who iterates the messages learns of a failure there.
    this.header.catch(() => undefined);
    this.trailers.catch(() => undefined);
    const signal = options.signal;
    const onAbort = () => {
      this.#failure ??= signal!.reason;
      stream.close(constants.NGHTTP2_CANCEL);
    };
    let settled = false;
    const settle = (raw: readonly string[] | undefined) => {
      if (settled) return;
      settled = true;
      const error = raw === undefined ? fromReset(stream.rstCode) : errorFromTrailers(raw);
      this.#failure ??= error;
      if (this.#failure === undefined) return trailers.resolve(Metadata.fromRawHeaders(raw ?? []));
      header.reject(this.#failure);
      trailers.reject(this.#failure);
    };
    stream.on("response", (headers, _flags, rawHeaders?: string[]) => {
      const status = headers[":status"];
      if (status !== 200) this.#failure ??= fromHttpStatus(Number(status));
      if (headers["grpc-status"] !== undefined) settle(rawHeaders ?? []);
      else header.resolve(Metadata.fromRawHeaders(rawHeaders ?? []));
    });
    stream.on("trailers", (_headers, _flags: number, rawHeaders?: string[]) => settle(rawHeaders ?? []));
    // The server has said all: what would still be sent is wanted by nobody.
    stream.on("end", () => stream.writableEnded || stream.close(constants.NGHTTP2_NO_ERROR));
    stream.on("error", (error) => (this.#failure ??= fromStreamError(error, stream.rstCode)));
    stream.on("close", () => {
      signal?.removeEventListener("abort", onAbort);
      settle(undefined);
    });
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  }

  /** Sends a message, which must not change afterwards. A promise asks to be awaited first. @throws RpcError when the call has ended. */
  send(message: Uint8Array): void | Promise<void> {
    return this.#writer.send(message);
  }

  /** No more messages follow. */
  end(): void {
    this.#writer.flush();
    if (!this.#stream.destroyed) this.#stream.end();
  }

  /** Ends the call at once. */
  cancel(): void {
    this.#failure ??= new RpcError(StatusCode.CANCELLED, "context canceled");
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** The answers, in order; throws the call's error at their end. To be iterated once; leaving early cancels the call. */
  get messages(): AsyncGenerator<Uint8Array> {
    return flatten(this.batches);
  }

  /** The same, in batches of what arrived together. */
  get batches(): AsyncGenerator<Uint8Array[]> {
    return this.#batches();
  }

  async *#batches(): AsyncGenerator<Uint8Array[]> {
    let whole = false;
    try {
      yield* messageBatches(this.#stream, this.#maxBytes);
      whole = true;
      await this.trailers;
    } catch (error) {
      if (!whole) this.#failure ??= error;
      throw this.#failure ?? error;
    } finally {
      if (!whole) this.cancel();
    }
  }
}

function fromHttpStatus(status: number): RpcError {
  const code =
    status === 401
      ? StatusCode.UNAUTHENTICATED
      : status === 403
        ? StatusCode.PERMISSION_DENIED
        : status === 404
          ? StatusCode.UNIMPLEMENTED
          : status === 429 || status >= 502
            ? StatusCode.UNAVAILABLE
            : StatusCode.UNKNOWN;
  return new RpcError(code, `unexpected HTTP status ${status}: the peer does not speak gRPC`);
}

function fromStreamError(error: Error, rstCode: number | undefined): RpcError {
  const reset = fromReset(rstCode);
  return new RpcError(reset.code, error.message, { cause: error });
}

function fromReset(rstCode: number | undefined): RpcError {
  switch (rstCode) {
    case constants.NGHTTP2_CANCEL:
      return new RpcError(StatusCode.CANCELLED, "the peer cancelled the call");
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return new RpcError(StatusCode.RESOURCE_EXHAUSTED, "the peer refused the call: too much at once");
    default:
      return new RpcError(StatusCode.UNAVAILABLE, "the connection was lost");
  }
}
