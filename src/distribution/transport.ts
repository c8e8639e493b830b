// HTTP to registries and other servers: retries with growing pauses, redirects by hand (authorization stays with the host it was made for), limits on
// bodies. An answer of any status is an answer; only a connection that fails is an error.

import type { Readable } from "node:stream";
import { isBuildError } from "../base/index.ts";
import { causeCode, badAnswer, connectionError, publicUrl, unreachable } from "./errors.ts";
import { HttpAgents } from "./http-agents.ts";
import { exchange, type Exchange } from "./http-exchange.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A function makes the body anew for each time it is sent. */
  readonly body?: string | Uint8Array | (() => Readable);
  /** Sends one time only, and rejects with what broke the connection, as it is. Defaults to false. */
  readonly once?: boolean;
  /** Defaults to true. */
  readonly verifyTls?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  /** To be read to its end, or given up with `discard`. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

export interface RetryPolicy {
  /** How often one request is sent at most. Defaults to 5. */
  readonly attempts?: number;
  /** Pause before attempt 2, 3 … in milliseconds. Defaults to 0.25 s, doubling, with jitter, at most 10 s. */
  readonly delayMs?: (attempt: number) => number;
}

export interface TransportOptions {
  readonly retry?: RetryPolicy;
  /** Longest silence, in milliseconds, before a connection counts as broken. Defaults to 60 s. */
  readonly idleTimeoutMs?: number;
}

const MAX_REDIRECTS = 10;
const MAX_RETRY_AFTER_MS = 30_000;
const retried = new Set([408, 429, 500, 502, 503, 504]);

/** Failures that another attempt may not show. A refused connection or an unknown host is told at once instead. */
const passing = new Set([
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "HTTP_HEADERS_TIMEOUT",
  "HTTP_BODY_TIMEOUT",
  "HPE_INVALID_EOF_STATE",
]);

export class Transport implements AsyncDisposable {
  readonly #agents = new HttpAgents();
  readonly #active = new Set<Exchange>();
  readonly #idleTimeoutMs: number;
  readonly #attempts: number;
  readonly #delayMs: (attempt: number) => number;

  constructor(options: TransportOptions = {}) {
    this.#idleTimeoutMs = options.idleTimeoutMs ?? 60_000;
    this.#attempts = Math.max(1, options.retry?.attempts ?? 5);
    this.#delayMs =
      options.retry?.delayMs ?? ((at) => Math.min(10_000, 250 * 2 ** (at - 2)) * (0.75 + Math.random() / 2));
  }

  /** How often one thing is tried. */
  get attempts(): number {
    return this.#attempts;
  }

  /**
   * Sends and gives the answer, whatever its status, once redirects and retries are done with.
   *
   * @throws REGISTRY_UNREACHABLE; REGISTRY_BAD_ANSWER for bad redirects; `signal.reason`.
   */
  async send(request: HttpRequest, signal?: AbortSignal): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      let pauseMs: number | undefined;
      try {
        const response = await this.#follow(request, signal);
        if (!retried.has(response.status) || attempt >= this.#attempts || request.once === true) return response;
        pauseMs = retryAfterMs(response.headers["retry-after"]);
        await response.discard();
      } catch (error) {
        signal?.throwIfAborted();
        if (isBuildError(error) || causeCode(error) === undefined || request.once === true) throw error;
        if (!isPassing(error) || attempt >= this.#attempts) throw unreachable(request.url.host, error);
      }
      await this.pause(attempt + 1, signal, pauseMs);
    }
  }

  /** The pause before an attempt, the second being 2. */
  async pause(attempt: number, signal?: AbortSignal, atLeastMs = 0): Promise<void> {
    await sleep(Math.max(atLeastMs, this.#delayMs(attempt)), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#active) each.fail(connectionError("the connections were closed", "HTTP_CLOSED"));
    await this.#agents.close();
  }

  async #follow(original: HttpRequest, signal: AbortSignal | undefined): Promise<HttpResponse> {
    let current = original;
    for (let hops = 0; ; hops++) {
      const response = await this.#once(current, signal);
      const location = response.headers["location"];
      if (![301, 302, 303, 307, 308].includes(response.status) || typeof location !== "string") return response;
      // Whoever sends a stream is told where else to send it in other ways.
      if (typeof original.body === "function") return response;
      await response.discard();
      if (hops >= MAX_REDIRECTS)
        throw badAnswer(`${publicUrl(original.url)} redirects more than ${MAX_REDIRECTS} times`);
      current = redirected(current, location, response.status);
    }
  }

  async #once(request: HttpRequest, signal: AbortSignal | undefined): Promise<HttpResponse> {
    const { agent, isProxied } = this.#agents.for(request.url, request.verifyTls ?? true);
    const options = { agent, active: this.#active, idleTimeoutMs: this.#idleTimeoutMs, signal };
    const response = await exchange(request, options);
    if (response.status !== 407 || !isProxied) return response;
    await response.discard();
    throw connectionError("the proxy wants a name and a password (407)", "HTTP_PROXY_DENIED");
  }
}

/** Whether trying again may help: the connection broke on the way. */
export function isPassing(error: unknown): boolean {
  return passing.has(causeCode(error) ?? "");
}

/** A body, whole. @throws REGISTRY_BAD_ANSWER when it has more than `limit` bytes. */
export async function readBody(response: HttpResponse, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > limit) throw badAnswer(`${publicUrl(response.url)} sends more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** One value of a header; the first where it came several times. */
export function headerOf(response: HttpResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function redirected(from: HttpRequest, location: string, status: number): HttpRequest {
  let url: URL;
  try {
    url = new URL(location, from.url);
  } catch {
    throw badAnswer(`${publicUrl(from.url)} redirects to an invalid address`);
  }
  if (url.protocol !== "https:" && url.protocol !== from.url.protocol) {
    throw badAnswer(`${publicUrl(from.url)} redirects from https to ${url.protocol.slice(0, 20)}//${url.host}`);
  }
  url.username = "";
  url.password = "";
  const { headers: _, body: __, ...rest } = from;
  const headers = url.origin === from.url.origin ? (from.headers ?? {}) : withoutAuthorization(from.headers ?? {});
  const method = status === 303 && from.method === "POST" ? "GET" : from.method;
  // A body may hold a password: it is never sent on.
  return { ...rest, method, url, headers };
}

function withoutAuthorization(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization"));
}

function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const seconds = typeof header === "string" && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
  return seconds === undefined ? undefined : Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
