// A connection to a gRPC server: over an address, or over any duplex such as a session's tunnel or a process's stdio.

import { connect as connectHttp2 } from "node:http2";
import type { ClientHttp2Session, ClientSessionRequestOptions, OutgoingHttpHeaders } from "node:http2";
import type { Duplex } from "node:stream";
import { dialAddress } from "./address.ts";
import type { Address, TlsOptions } from "./address.ts";
import { ClientCall } from "./client-call.ts";
import type { Metadata } from "./metadata.ts";
import { ResumableStream } from "./resumable.ts";
import { dialResumable } from "./resume-client.ts";
import type { DialResumableOptions } from "./resume-client.ts";
import { DEFAULT_MAX_MESSAGE_BYTES, keepAlive, SESSION_OPTIONS, widen } from "./settings.ts";
import { RpcError, StatusCode } from "./status.ts";

export interface ChannelOptions {
  readonly tls?: TlsOptions | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Of an answer; 16 MiB by default. */
  readonly maxMessageBytes?: number;
  /** Of a connection over TLS to a server of ours, which outlives its sockets. */
  readonly resume?: Pick<DialResumableOptions, "giveUpMs" | "signOfLifeMs" | "silenceMs">;
  /** Pings an otherwise silent peer; none by default. */
  readonly keepAlive?: { readonly intervalMs: number; readonly timeoutMs: number };
}

export interface CallOptions {
  readonly metadata?: Metadata | undefined;
  /** Aborting cancels the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Dispose to close; calls that run are cancelled. */
export class Channel implements AsyncDisposable {
  /** Resolves when the connection is gone, however it went. */
  readonly closed: Promise<void>;
  readonly #session: ClientHttp2Session;
  readonly #maxBytes: number;
  readonly #scheme: string;
  #error: Error | undefined;

  private constructor(duplex: Duplex, options: ChannelOptions, scheme: string) {
    this.#maxBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    this.#scheme = scheme;
    const session = connectHttp2("http://localhost", { ...SESSION_OPTIONS, createConnection: () => duplex });
    this.#session = session;
    // A Go peer that leaves says so with a stream id of its own, which node's HTTP/2 calls a protocol error.
    session.on("error", (error) => (this.#error ??= error));
    session.once("connect", () => widen(session));
    if (options.keepAlive) keepAlive(session, options.keepAlive);
    this.closed = new Promise((resolve) => {
      session.once("close", () => resolve());
      // A socket that a TLS alert ends takes its session along without a word.
      duplex.once("error", (error: Error) => {
        this.#error ??= error;
        session.destroy();
        duplex.destroy();
        resolve();
      });
    });
  }

  /** @throws RpcError UNAVAILABLE when nobody answers there. */
  static async dial(address: Address, options: ChannelOptions = {}): Promise<Channel> {
    const { tls, signal } = options;
    if (tls === undefined) return new Channel(await dialAddress(address, { tls, signal }), options, "http");
    const duplex = await dialResumable(address, { tls, signal, ...options.resume });
    // Such a stream watches its connections itself, and must not be given up with one of them.
    const { keepAlive: _, ...rest } = options;
    return new Channel(duplex, duplex instanceof ResumableStream ? rest : options, "https");
  }

  /** Over a connected duplex, which the channel owns from here on. */
  static over(duplex: Duplex, options: ChannelOptions = {}): Channel {
    return new Channel(duplex, options, "http");
  }

  /** Whether new calls are pointless. */
  get isClosed(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  /** Starts a call of `path`, "/package.Service/Method". @throws RpcError UNAVAILABLE when the connection is gone. */
  call(path: string, options: CallOptions = {}): ClientCall {
    if (this.isClosed) {
      throw new RpcError(StatusCode.UNAVAILABLE, "the connection is closed", { cause: this.#error });
    }
    const headers: OutgoingHttpHeaders = {
      ":method": "POST",
      ":scheme": this.#scheme,
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "slipway",
      ...options.metadata?.toHeaders(),
    };
    const request: ClientSessionRequestOptions = { endStream: false };
    return new ClientCall(this.#session.request(headers, request), {
      maxMessageBytes: this.#maxBytes,
      signal: options.signal,
    });
  }

  /** Resolves with the round trip in milliseconds. @throws RpcError UNAVAILABLE when the connection is gone. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => {
      const lost = (cause?: unknown) =>
        reject(new RpcError(StatusCode.UNAVAILABLE, "the connection is closed", { cause }));
      try {
        if (!this.#session.ping((error, ms) => (error ? lost(error) : resolve(ms)))) lost();
      } catch (error) {
        lost(error);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.destroy();
    await this.closed;
  }
}
