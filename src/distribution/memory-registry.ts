// A registry in memory for tests: pull and push endpoints of the distribution-spec, every way of authorization, and faults on
// demand. Listens on loopback only. Spec: OCI distribution-spec v1.1.

import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { digestOf } from "../base/index.ts";
import type { Digest } from "../base/index.ts";
import { manifestMediaType } from "../formats/oci/index.ts";
import type { Descriptor } from "../formats/oci/index.ts";
import { TokenServer } from "./memory-registry-tokens.ts";
import type { RegistryAuth } from "./memory-registry-tokens.ts";

/** What goes wrong with one request. */
export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** The connection breaks before an answer. */
  | { readonly kind: "drop" }
  /** The connection breaks after so many bytes of the body. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** One byte of the body is another. */
  | { readonly kind: "corrupt" }
  | { readonly kind: "redirect"; readonly location: string }
  /** The answer lacks this header. */
  | { readonly kind: "without"; readonly header: string }
  /** The connection breaks after so many bytes of what is uploaded; those are kept. */
  | { readonly kind: "cut-upload"; readonly afterBytes: number }
  /** Range headers are ignored. */
  | { readonly kind: "no-range" };

/** A request as the log has it, in order of arrival. */
export interface LoggedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

export interface MemoryRegistryOptions {
  /** Defaults to none. */
  readonly auth?: RegistryAuth;
  /** Asked for every request that is authorized. */
  readonly fault?: (request: LoggedRequest) => Fault | undefined;
}

interface Repository {
  readonly manifests: Map<Digest, { readonly bytes: Uint8Array; readonly mediaType: string }>;
  readonly blobs: Map<Digest, Uint8Array>;
  readonly tags: Map<string, Digest>;
}

const MAX_UPLOAD_BYTES = 256 * 1024 * 1024;

export class MemoryRegistry implements AsyncDisposable {
  /** All requests so far. */
  readonly requests: LoggedRequest[] = [];
  /** May be changed while it runs. */
  fault: ((request: LoggedRequest) => Fault | undefined) | undefined;
  readonly #repositories = new Map<string, Repository>();
  readonly #uploads = new Map<string, Uint8Array[]>();
  readonly #server: Server;
  #started = 0;
  readonly #tokens: TokenServer;

  private constructor(options: MemoryRegistryOptions) {
    this.fault = options.fault;
    this.#tokens = new TokenServer(options.auth ?? { kind: "none" });
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: MemoryRegistryOptions = {}): Promise<MemoryRegistry> {
    const registry = new MemoryRegistry(options);
    await new Promise<void>((resolve) => registry.#server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  /** `127.0.0.1:port`: what references begin with. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Puts a blob without a request. */
  putBlob(repository: string, bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    this.#repository(repository).blobs.set(digest, bytes);
    return digest;
  }

  /** Puts a manifest or index without a request, tagged if `tag` is given. */
  putManifest(repository: string, bytes: Uint8Array, tag?: string): Descriptor {
    const digest = digestOf(bytes);
    const mediaType = manifestMediaType(bytes);
    const { manifests, tags } = this.#repository(repository);
    manifests.set(digest, { bytes, mediaType });
    if (tag !== undefined) tags.set(tag, digest);
    return { mediaType, digest, size: bytes.byteLength };
  }

  /** Makes all issued tokens invalid. */
  revokeTokens(): void {
    this.#tokens.revokeAll();
  }

  /** Requests whose method and path match, as `METHOD path`. */
  count(pattern: RegExp): number {
    return this.requests.filter(({ method, path }) => pattern.test(`${method} ${path}`)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url: path = "/" } = request;
    const { authorization, range } = request.headers;
    const logged = { method, path, authorization, range };
    this.requests.push(logged);
    const url = new URL(path, `http://${this.host}`);
    const isUpload = method === "PUT" || method === "PATCH";
    const early = isUpload ? this.fault?.(logged) : undefined;
    if (early?.kind === "cut-upload") {
      const id = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
      this.#uploads.get(id)?.push(await readSome(request, early.afterBytes));
      response.destroy();
      return;
    }
    const body = await readAll(request);
    if (url.pathname === "/token") {
      this.#tokens.serve(logged, url, body, response);
      return;
    }
    const parsed = /^\/v2\/(?:(.+)\/)?(manifests|blobs|tags)\/(.*)$/.exec(url.pathname);
    const refusal = this.#tokens.check(authorization, this.host, parsed?.[1], method);
    if (refusal !== undefined) {
      fail(response, 401, "UNAUTHORIZED", "authentication required", { "www-authenticate": refusal });
      return;
    }
    const fault = isUpload ? early : this.fault?.(logged);
    if (fault !== undefined && spoil(fault, response)) return;
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    if (url.pathname === "/v2/") {
      send(response, 200, Buffer.from("{}"), "application/json");
      return;
    }
    const [, name, kind, rest] = parsed ?? [];
    if (name === undefined || rest === undefined)
      fail(response, 404, "NAME_UNKNOWN", "repository name not known to registry");
    else if (kind === "tags") this.#tagList(response, name);
    else if (kind === "manifests") this.#manifest(response, method, name, rest, body);
    else if (rest === "uploads/" || rest.startsWith("uploads/"))
      this.#upload(response, { method, url, name, rest, body, contentRange: request.headers["content-range"] });
    else this.#blob(response, method, name, rest, fault?.kind === "no-range" ? undefined : range);
  }

  #repository(name: string): Repository {
    let repository = this.#repositories.get(name);
    if (repository === undefined) {
      repository = { manifests: new Map(), blobs: new Map(), tags: new Map() };
      this.#repositories.set(name, repository);
    }
    return repository;
  }

  #tagList(response: ServerResponse, name: string): void {
    const tags = [...(this.#repositories.get(name)?.tags.keys() ?? [])].sort();
    send(response, 200, Buffer.from(JSON.stringify({ name, tags })), "application/json");
  }

  #manifest(response: ServerResponse, method: string, name: string, ref: string, body: Uint8Array): void {
    if (method === "PUT") {
      const isTag = !ref.includes(":");
      if (!isTag && ref !== digestOf(body)) {
        fail(response, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        return;
      }
      const { digest } = this.putManifest(name, body, isTag ? ref : undefined);
      response.setHeader("docker-content-digest", digest).setHeader("location", `/v2/${name}/manifests/${digest}`);
      send(response, 201);
      return;
    }
    const repository = this.#repositories.get(name);
    const digest = (ref.includes(":") ? ref : repository?.tags.get(ref)) as Digest;
    const found = repository?.manifests.get(digest);
    if (found === undefined) {
      fail(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
      return;
    }
    response.setHeader("docker-content-digest", digest);
    send(response, 200, found.bytes, found.mediaType);
  }

  #blob(response: ServerResponse, method: string, name: string, digest: string, range: string | undefined): void {
    const bytes = this.#repositories.get(name)?.blobs.get(digest as Digest);
    if (bytes === undefined) {
      fail(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
      return;
    }
    response.setHeader("docker-content-digest", digest);
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? "NaN");
    if (method !== "GET" || Number.isNaN(start)) {
      send(response, 200, bytes, "application/octet-stream");
    } else if (start >= bytes.byteLength) {
      fail(response, 416, "RANGE_INVALID", "invalid content range");
    } else {
      response.setHeader("content-range", `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}`);
      send(response, 206, bytes.subarray(start), "application/octet-stream");
    }
  }

  #upload(
    response: ServerResponse,
    {
      method,
      url,
      name,
      rest,
      body,
      contentRange,
    }: { method: string; url: URL; name: string; rest: string; body: Uint8Array; contentRange: string | undefined },
  ): void {
    const digest = url.searchParams.get("digest") ?? undefined;
    if (method === "POST") {
      const mounted = url.searchParams.get("mount");
      const blob = this.#repositories.get(url.searchParams.get("from") ?? "")?.blobs.get(mounted as Digest);
      if (blob !== undefined) return this.#stored(response, name, blob, mounted!);
      if (digest !== undefined) return this.#stored(response, name, body, digest);
      const id = `${++this.#started}`;
      this.#uploads.set(id, []);
      return accepted(response, name, id, 0);
    }
    const id = rest.slice("uploads/".length);
    const chunks = this.#uploads.get(id);
    if (chunks === undefined) return fail(response, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    if (method === "GET") {
      accepted(
        response,
        name,
        id,
        chunks.reduce((sum, each) => sum + each.byteLength, 0),
        204,
      );
      return;
    }
    const received = chunks.reduce((sum, each) => sum + each.byteLength, 0);
    const start = /^(\d+)-\d+$/.exec(contentRange ?? "")?.[1];
    if (start !== undefined && Number(start) !== received) {
      return fail(response, 416, "RANGE_INVALID", "invalid content range");
    }
    chunks.push(body);
    const whole = Buffer.concat(chunks);
    if (method === "PATCH") return accepted(response, name, id, whole.byteLength);
    this.#uploads.delete(id);
    return this.#stored(response, name, whole, digest ?? "");
  }

  #stored(response: ServerResponse, name: string, bytes: Uint8Array, digest: string): void {
    if (digestOf(bytes) !== digest) {
      fail(response, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
      return;
    }
    this.putBlob(name, bytes);
    response.setHeader("docker-content-digest", digest).setHeader("location", `/v2/${name}/blobs/${digest}`);
    send(response, 201);
  }
}

async function readSome(request: IncomingMessage, bytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Uint8Array);
    if ((size += (chunk as Uint8Array).byteLength) >= bytes) break;
  }
  return Buffer.concat(chunks).subarray(0, bytes);
}

function accepted(response: ServerResponse, name: string, id: string, sizeBytes: number, status = 202): void {
  response.setHeader("location", `/v2/${name}/blobs/uploads/${id}`);
  response.setHeader("docker-upload-uuid", id).setHeader("range", `0-${Math.max(0, sizeBytes - 1)}`);
  send(response, status);
}

function send(response: ServerResponse, status: number, body: Uint8Array = Buffer.alloc(0), type?: string): void {
  response.statusCode = status;
  response.setHeader("content-length", body.byteLength);
  if (type !== undefined) response.setHeader("content-type", type);
  // For HEAD, node leaves the body out.
  response.end(body);
}

function fail(response: ServerResponse, status: number, code: string, message: string, headers = {}): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value as string);
  send(response, status, Buffer.from(JSON.stringify({ errors: [{ code, message }] })), "application/json");
}

/** Applies a fault; true when the request is answered by that. */
function spoil(fault: Fault, response: ServerResponse): boolean {
  switch (fault.kind) {
    case "status":
      for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value);
      send(response, fault.status, Buffer.from(fault.body ?? ""), "application/json");
      return true;
    case "redirect":
      response.setHeader("location", fault.location);
      send(response, 307);
      return true;
    case "drop":
      response.destroy();
      return true;
    case "cut":
      replaceEnd(response, (body, end) => {
        if (body.byteLength <= fault.afterBytes) end(body);
        else response.write(body.subarray(0, fault.afterBytes), () => response.destroy());
      });
      return false;
    case "corrupt":
      replaceEnd(response, (body, end) => {
        const copy = Buffer.from(body);
        if (copy.length > 0) copy[copy.length >> 1]! ^= 1;
        end(copy);
      });
      return false;
    case "without":
      replaceEnd(response, (body, end) => {
        response.removeHeader(fault.header);
        end(body);
      });
      return false;
    case "cut-upload":
    case "no-range":
      return false;
  }
}

function replaceEnd(response: ServerResponse, work: (body: Uint8Array, end: (body: Uint8Array) => void) => void): void {
  const end = response.end.bind(response);
  response.end = ((body: Uint8Array) => {
    work(body, (bytes) => end(bytes));
    return response;
  }) as typeof response.end;
}

async function readAll(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_UPLOAD_BYTES) throw new Error("upload too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
