// One request and its answer over a connection of an agent. Silence breaks it: before the answer, and whenever somebody waits for more of a body.
// A body is whole or an error. Nothing here throws later than its promise: requests, answers and connections are listened to until they end.

import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { causeCode, connectionError } from "./errors.ts";
import type { HttpRequest, HttpResponse } from "./transport.ts";

export interface ExchangeOptions {
  readonly agent: Agent;
  readonly idleTimeoutMs: number;
  /** Where exchanges are listed until they are over. */
  readonly active: Set<Exchange>;
  readonly signal: AbortSignal | undefined;
}

/** Up to so many bytes of an unwanted body are read, in bytes, so that its connection can serve again. */
const DISCARD_BYTES = 64 * 1024;

/** Sends a request, redirects and failures being the caller's. Rejects with what broke the connection, or `signal.reason`. */
export async function exchange(request: HttpRequest, options: ExchangeOptions): Promise<HttpResponse> {
  for (;;) {
    options.signal?.throwIfAborted();
    const current = new Exchange(request, options);
    try {
      return await current.answer;
    } catch (error) {
      // The server closed a kept connection while the request was on its way: there is nothing to wait for.
      if (!current.wasStale || request.once === true) throw error;
    }
  }
}

export class Exchange {
  readonly answer: Promise<HttpResponse>;
  readonly #settle = Promise.withResolvers<HttpResponse>();
  readonly #options: ExchangeOptions;
  readonly #url: URL;
  readonly #method: string;
  readonly #request: ClientRequest;
  readonly #onAbort = () => this.fail(this.#options.signal!.reason);
  #body: Readable | undefined;
  #response: IncomingMessage | undefined;
  #failure: { readonly error: unknown } | undefined;
  #receivedBefore = 0;
  #isSending = true;
  #isWaiting = false;
  #wasSilent = false;
  #wasStale = false;

  constructor({ method, url, headers = {}, body }: HttpRequest, options: ExchangeOptions) {
    this.#options = options;
    this.#url = url;
    this.#method = method;
    this.answer = this.#settle.promise;
    const { request } = process.getBuiltinModule(url.protocol === "https:" ? "node:https" : "node:http");
    const isLengthGiven = Object.keys(headers).some((name) => name.toLowerCase() === "content-length");
    const isWhole = typeof body === "string" || body instanceof Uint8Array;
    const length = isWhole && !isLengthGiven ? { "content-length": Buffer.byteLength(body) } : {};
    this.#request = request({
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[(.+)\]$/, "$1"),
      ...(url.port === "" ? {} : { port: url.port }),
      path: `${url.pathname}${url.search}`,
      method,
      headers: { "user-agent": "slipway", "accept-encoding": "identity", ...headers, ...length },
      agent: options.agent,
      timeout: options.idleTimeoutMs,
    })
      .on("socket", (socket) => void (this.#receivedBefore = socket.bytesRead))
      .on("response", (response) => this.#onAnswer(response))
      .on("timeout", () => this.#onSilence())
      .on("error", (error) => this.#onBroken(error))
      .on("close", () => this.#onBroken(connectionError("other side closed", "ECONNRESET")));
    options.active.add(this);
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (typeof body === "function") void this.#send(body);
    else {
      this.#isSending = false;
      this.#request.end(body);
    }
  }

  /** Whether it failed because a kept connection was closed, and nothing came. */
  get wasStale(): boolean {
    return this.#wasStale;
  }

  /** Ends it; who waits for the answer or reads its body is given the error. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#settle.reject(error as Error);
    this.#over();
    const reason = error instanceof Error ? error : undefined;
    this.#response?.destroy(reason);
    this.#request.destroy(reason);
  }

  /** No more is sent, and nobody is listened to. */
  #over(): void {
    this.#options.active.delete(this);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#isSending = false;
    this.#body?.destroy();
  }

  #onAnswer(response: IncomingMessage): void {
    this.#response = response;
    const body = this.#read(response);
    response.on("error", () => {});
    response.on("close", () => this.#over());
    response.on("end", () => {
      this.#over();
      // The answer came before the whole request had gone, and nobody is there for the rest.
      if (!this.#request.writableFinished) this.#request.destroy();
    });
    const all = Object.entries(response.headersDistinct);
    this.#settle.resolve({
      status: response.statusCode ?? 0,
      headers: Object.fromEntries(all.map(([name, values]) => [name, values?.length === 1 ? values[0] : values])),
      url: this.#url,
      body,
      discard: () => this.#discard(response, body),
    });
  }

  #onBroken(error: Error): void {
    // An answer tells for itself whether it is whole.
    if (this.#response !== undefined) this.#body?.destroy();
    else {
      const isReset = ["ECONNRESET", "EPIPE"].includes(causeCode(error) ?? "");
      const received = this.#request.socket?.bytesRead ?? this.#receivedBefore;
      this.#wasStale ||=
        this.#failure === undefined && isReset && this.#request.reusedSocket && received === this.#receivedBefore;
      this.fail(worded(error));
    }
  }

  #onSilence(): void {
    const { idleTimeoutMs } = this.#options;
    if (this.#response === undefined) {
      // It is our own side that has nothing to say.
      if (this.#isSending && !this.#request.writableNeedDrain) this.#request.socket?.setTimeout(idleTimeoutMs);
      else this.fail(connectionError(`no answer within ${idleTimeoutMs} ms`, "HTTP_HEADERS_TIMEOUT"));
    } else if (this.#isWaiting) {
      this.fail(connectionError(`nothing came for ${idleTimeoutMs} ms`, "HTTP_BODY_TIMEOUT"));
    } else {
      this.#wasSilent = true;
    }
  }

  async #send(make: () => Readable): Promise<void> {
    try {
      this.#body = make();
      const header = this.#request.getHeader("content-length");
      const expected = header === undefined ? undefined : Number(header);
      let sent = 0;
      for await (const chunk of this.#body as AsyncIterable<Uint8Array | string>) {
        sent += Buffer.byteLength(chunk);
        if (expected !== undefined && sent > expected) throw wrongLength(sent, expected);
        if (this.#request.destroyed) return;
        if (!this.#request.write(chunk)) await drained(this.#request);
      }
      if (expected !== undefined && sent !== expected) throw wrongLength(sent, expected);
      this.#request.end();
      this.#isSending = false;
    } catch (error) {
      // What was given up ends with an error too.
      if (this.#isSending && !this.#request.destroyed) this.fail(error);
    }
  }

  async *#read(response: IncomingMessage): AsyncGenerator<Uint8Array> {
    try {
      this.#wait();
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        this.#isWaiting = false;
        yield chunk;
        this.#wait();
      }
      // The connection is free for the next request a tick after the end of this one's answer.
      await new Promise(setImmediate);
    } catch (error) {
      if (this.#failure !== undefined) throw this.#failure.error;
      throw worded(error);
    } finally {
      this.#isWaiting = false;
    }
  }

  #wait(): void {
    this.#isWaiting = true;
    // The time of the connection ran out while nobody waited.
    if (this.#wasSilent) this.#request.socket?.setTimeout(this.#options.idleTimeoutMs);
    this.#wasSilent = false;
  }

  async #discard(response: IncomingMessage, body: AsyncIterable<Uint8Array>): Promise<void> {
    if (response.readableEnded || response.destroyed) return;
    const hasBody = this.#method !== "HEAD" && response.statusCode !== 304;
    if (hasBody && Number(response.headers["content-length"] ?? 0) > DISCARD_BYTES) {
      response.destroy();
      return;
    }
    let size = 0;
    try {
      for await (const chunk of body) {
        size += chunk.byteLength;
        if (size > DISCARD_BYTES) break;
      }
    } catch {
      // Nobody wanted it.
    }
  }
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      request.off("drain", done);
      request.off("close", done);
      resolve();
    };
    request.on("drain", done);
    request.on("close", done);
  });
}

function wrongLength(sent: number, expected: number): Error {
  const message = `a request's body has ${sent} bytes or more, not ${expected}`;
  return Object.assign(new Error(message), { code: "HTTP_BODY_LENGTH" });
}

/** Node's names for a connection that the other side closed are its own affair. */
function worded(error: unknown): unknown {
  if (causeCode(error) === "ERR_STREAM_PREMATURE_CLOSE" || (error as Error).message === "aborted") {
    return connectionError("other side closed", "ECONNRESET", error);
  }
  return (error as Error).message === "socket hang up"
    ? connectionError("other side closed", "ECONNRESET", error)
    : error;
}
