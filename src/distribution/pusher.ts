// Uploads to registries: blobs that are not there yet, mounted from another repository of the registry where one has them, else sent
// in one piece; an upload whose connection broke goes on where the registry says that it stopped. Manifests under tags and digests.
// Mirrors are never written to. Spec: OCI distribution-spec v1.1 (push). Counterpart: containerd core/remotes/docker/pusher.go.

import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { BuildError, FlightControl, digestOf, isBuildError } from "../base/index.ts";
import { referenceName, referenceString } from "../formats/oci/index.ts";
import type { Descriptor, Reference } from "../formats/oci/index.ts";
import type { Authorizer } from "./authorizer.ts";
import { endpointsOf } from "./endpoints.ts";
import type { Endpoint, RegistriesSettings } from "./endpoints.ts";
import { badAnswer, pushDenied, serverMessage, unexpectedStatus, unreachable } from "./errors.ts";
import { headerOf, isPassing, readBody } from "./transport.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";

/** A blob's bytes: at hand, or in a file. */
export type UploadSource = { readonly bytes: Uint8Array } | { readonly path: string };

export interface PushOptions {
  readonly signal?: AbortSignal;
  /** Another repository of the same registry that may have the blob. */
  readonly mountFrom?: string;
  /** Called as bytes go. */
  readonly onProgress?: (sentBytes: number) => void;
}

/** How a blob came to be in the repository. */
export type PushOutcome = "exists" | "mounted" | "uploaded";

export interface PusherParts {
  readonly transport: Transport;
  readonly authorizer: Authorizer;
  readonly registries: RegistriesSettings;
}

/** What one PATCH carries when an upload is resumed, in bytes; some registries want at least 5 MiB. */
const CHUNK_BYTES = 16 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;

type Body = () => Readable;

/** Pushes; made by `RegistryClient.pusher`, whose connections and authorization it shares. */
export class RegistryPusher {
  readonly #o: PusherParts;
  readonly #flights = new FlightControl<PushOutcome>();
  readonly #known = new Set<string>();

  constructor(parts: PusherParts) {
    this.#o = parts;
  }

  /** Whether a repository has a blob. @throws REGISTRY_*. */
  async hasBlob(repository: Reference, { digest, size }: Descriptor, signal?: AbortSignal): Promise<boolean> {
    const key = `${referenceName(repository)} ${digest}`;
    if (this.#known.has(key)) return true;
    const { endpoint, url } = this.#place(repository, `blobs/${digest}`);
    const response = await this.#call(endpoint, repository, { method: "HEAD", url }, signal);
    await response.discard();
    if (response.status === 404) return false;
    if (response.status !== 200) throw await this.#failure("HEAD", endpoint, response);
    // A registry that answers with another size has not got this blob.
    const length = headerOf(response, "content-length");
    const isThere = length === undefined || Number(length) === size;
    if (isThere) this.#known.add(key);
    return isThere;
  }

  /**
   * Makes sure that a repository has a blob; the same one asked for twice at once is sent once.
   *
   * @throws REGISTRY_*, BLOB_NOT_FOUND when the source's file is gone, `signal.reason`.
   */
  blob(
    repository: Reference,
    descriptor: Descriptor,
    source: UploadSource,
    options: PushOptions = {},
  ): Promise<PushOutcome> {
    const key = `${referenceName(repository)} ${descriptor.digest}`;
    return this.#flights.do(
      key,
      async (signal) => {
        if (await this.hasBlob(repository, descriptor, signal)) return "exists";
        const outcome = await this.#upload(repository, descriptor, source, { ...options, signal });
        this.#known.add(key);
        return outcome;
      },
      options.signal,
    );
  }

  /** Has the registry take a blob over from another of its repositories. False where it does not. @throws REGISTRY_*. */
  async mount(repository: Reference, descriptor: Descriptor, from: string, signal?: AbortSignal): Promise<boolean> {
    const { endpoint, url } = this.#place(repository, "blobs/uploads/");
    url.searchParams.set("mount", descriptor.digest);
    url.searchParams.set("from", from);
    const response = await this.#call(endpoint, repository, { method: "POST", url, body: "" }, signal);
    await response.discard();
    if (response.status === 201) {
      this.#known.add(`${referenceName(repository)} ${descriptor.digest}`);
      return true;
    }
    if (response.status !== 202) throw await this.#failure("POST", endpoint, response);
    // The registry began an upload instead; it is called off.
    const cancel = { method: "DELETE" as const, url: locationOf(response, url) };
    await (await this.#call(endpoint, repository, cancel, signal)).discard();
    return false;
  }

  /** Puts a manifest or index under the reference's tag, or else its digest. @throws REGISTRY_*. */
  async manifest(ref: Reference, mediaType: string, bytes: Uint8Array, signal?: AbortSignal): Promise<Descriptor> {
    const digest = digestOf(bytes);
    const { endpoint, url } = this.#place(ref, `manifests/${ref.tag ?? digest}`);
    const request = { method: "PUT" as const, url, headers: { "content-type": mediaType }, body: bytes };
    const response = await this.#call(endpoint, ref, request, signal);
    if (response.status !== 201 && response.status !== 200 && response.status !== 202) {
      throw await this.#failure("PUT", endpoint, response, referenceString(ref));
    }
    await response.discard();
    const stored = headerOf(response, "docker-content-digest");
    if (stored !== undefined && stored !== digest) {
      throw badAnswer(
        `registry ${endpoint.host} stored ${referenceString(ref)} as ${stored.slice(0, 100)}, not as ${digest}`,
      );
    }
    return { mediaType, digest, size: bytes.byteLength };
  }

  async #upload(
    repository: Reference,
    descriptor: Descriptor,
    source: UploadSource,
    options: PushOptions & { readonly signal: AbortSignal },
  ): Promise<PushOutcome> {
    const { transport } = this.#o;
    const { signal } = options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#uploadOnce(repository, descriptor, source, options);
      } catch (error) {
        signal.throwIfAborted();
        const mayPass = isBuildError(error) ? error.retryable && error.code !== "BLOB_NOT_FOUND" : isPassing(error);
        if (!mayPass || attempt >= transport.attempts) {
          throw isBuildError(error) || !isPassing(error) ? error : unreachable(repository.domain, error);
        }
        await transport.pause(attempt + 1, signal);
        // What was lost may have been the answer alone.
        if (await this.hasBlob(repository, descriptor, signal)) return "uploaded";
      }
    }
  }

  async #uploadOnce(
    repository: Reference,
    { digest, size }: Descriptor,
    source: UploadSource,
    options: PushOptions & { readonly signal: AbortSignal },
  ): Promise<PushOutcome> {
    const { signal, mountFrom, onProgress } = options;
    const { endpoint, url } = this.#place(repository, "blobs/uploads/");
    if (mountFrom !== undefined && mountFrom !== repository.path) {
      url.searchParams.set("mount", digest);
      url.searchParams.set("from", mountFrom);
    }
    const started = await this.#call(endpoint, repository, { method: "POST", url, body: "" }, signal);
    await started.discard();
    if (started.status === 201) return "mounted";
    if (started.status !== 202) throw await this.#failure("POST", endpoint, started);
    const place = locationOf(started, url);

    try {
      const body = bodyOf(source, digest, 0, size, onProgress);
      const response = await this.#send(endpoint, repository, finishing(place, digest), { body, size }, signal);
      if (response.status === 201 || response.status === 204) {
        await response.discard();
        return "uploaded";
      }
      if (response.status === 404) throw interrupted(endpoint.host);
      throw await this.#failure("PUT", endpoint, response);
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      return await this.#resume(endpoint, repository, { place, digest, size, source }, options);
    }
  }

  /** Goes on with an upload whose connection broke, in chunks. */
  async #resume(
    endpoint: Endpoint,
    repository: Reference,
    { place, digest, size, source }: { place: URL; digest: string; size: number; source: UploadSource },
    { signal, onProgress }: PushOptions & { readonly signal: AbortSignal },
  ): Promise<PushOutcome> {
    let failures = 0;
    for (let at = place; ;) {
      const status = await this.#call(endpoint, repository, { method: "GET", url: at }, signal);
      await status.discard();
      // The registry has forgotten the upload: begin again.
      if (status.status !== 204 && status.status !== 202) throw interrupted(endpoint.host);
      if (headerOf(status, "location") !== undefined) at = locationOf(status, at);
      let offset = receivedBytes(status);
      try {
        while (offset < size) {
          const end = Math.min(size, offset + CHUNK_BYTES);
          const body = bodyOf(source, digest, offset, end, onProgress);
          const headers = { "content-range": `${offset}-${end - 1}` };
          const response = await this.#send(
            endpoint,
            repository,
            { method: "PATCH", url: at, headers },
            { body, size: end - offset },
            signal,
          );
          await response.discard();
          if (response.status === 416) break;
          // The upload is over: it was forgotten, or was finished by an answer that never came.
          if (response.status === 404) throw interrupted(endpoint.host);
          if (response.status !== 202) throw await this.#failure("PATCH", endpoint, response);
          at = locationOf(response, at);
          offset = end;
          failures = 0;
        }
        if (offset < size) {
          if (++failures >= this.#o.transport.attempts) throw interrupted(endpoint.host);
          continue;
        }
        const done = await this.#call(endpoint, repository, { ...finishing(at, digest), body: "" }, signal);
        await done.discard();
        if (done.status !== 201 && done.status !== 204) throw interrupted(endpoint.host);
        return "uploaded";
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error) || ++failures >= this.#o.transport.attempts) throw error;
        await this.#o.transport.pause(failures + 1, signal);
      }
    }
  }

  /** Sends a body once: whoever calls knows how to go on when the connection breaks. */
  async #send(
    endpoint: Endpoint,
    repository: Reference,
    request: Omit<HttpRequest, "body">,
    { body, size }: { body: Body; size: number },
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const headers = {
      ...request.headers,
      "content-type": "application/octet-stream",
      "content-length": String(size),
    };
    return this.#call(endpoint, repository, { ...request, headers, body, once: true }, signal);
  }

  /** Sends with authorization; an answer of any status but 401 and 403 is given back. */
  async #call(
    endpoint: Endpoint,
    { domain, path }: Reference,
    request: HttpRequest,
    signal?: AbortSignal,
  ): Promise<HttpResponse> {
    const { authorizer, transport } = this.#o;
    const scope = `repository:${path}:pull,push`;
    // Uploads may go to another host, which has its own ways: it is given what it asked for in its address, never our token.
    const isOurs = request.url.origin === endpoint.base.origin;
    for (let attempt = 1; ; attempt++) {
      const used = isOurs ? authorizer.header(endpoint, scope) : undefined;
      const headers = { ...request.headers, ...(used === undefined ? {} : { authorization: used }) };
      const response = await transport.send({ ...request, headers, verifyTls: endpoint.verifyTls }, signal);
      if (response.status !== 401 && response.status !== 403) return response;
      if (response.status === 401 && attempt < 3 && isOurs) {
        await response.discard();
        if (await authorizer.answer(endpoint, scope, { response, used }, signal)) continue;
        throw pushDenied(`${domain}/${path}`, domain, "", authorizer.failure(endpoint));
      }
      throw pushDenied(`${domain}/${path}`, domain, await said(response), authorizer.failure(endpoint));
    }
  }

  async #failure(method: string, endpoint: Endpoint, response: HttpResponse, name?: string): Promise<BuildError> {
    const text = await said(response);
    const error = unexpectedStatus(method, new URL(response.url.pathname, endpoint.base), response.status, text);
    return name === undefined ? error : error.with({ hint: `pushing ${name} failed` });
  }

  #place(ref: Reference, path: string): { endpoint: Endpoint; url: URL } {
    const endpoint = endpointsOf(ref.domain, this.#o.registries).at(-1)!;
    return { endpoint, url: new URL(`${ref.path}/${path}`, endpoint.base) };
  }
}

function finishing(place: URL, digest: string): { method: "PUT"; url: URL } {
  const url = new URL(place);
  url.searchParams.set("digest", digest);
  return { method: "PUT", url };
}

/** Where an upload goes on. Only web addresses, and never from https to http. */
function locationOf(response: HttpResponse, from: URL): URL {
  const text = headerOf(response, "location");
  let url: URL | undefined;
  try {
    url = text === undefined ? undefined : new URL(text, response.url);
  } catch {
    // Told below.
  }
  const isFine = url !== undefined && (url.protocol === "https:" || url.protocol === from.protocol);
  if (!isFine) throw badAnswer(`registry ${from.host} does not say where an upload goes on`);
  url!.username = "";
  url!.password = "";
  return url!;
}

function receivedBytes(response: HttpResponse): number {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(headerOf(response, "range") ?? "")?.[1];
  // `0-0` is what registries say of an upload that has nothing yet; one byte more or less is found out by the next chunk.
  return last === undefined || last === "0" ? 0 : Number(last) + 1;
}

function bodyOf(
  source: UploadSource,
  digest: string,
  start: number,
  end: number,
  onProgress: ((sentBytes: number) => void) | undefined,
): Body {
  return () =>
    Readable.from(chunksOf(source, digest, start, end, onProgress), { objectMode: false, highWaterMark: 1 << 20 });
}

async function* chunksOf(
  source: UploadSource,
  digest: string,
  start: number,
  end: number,
  onProgress: ((sentBytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  if ("bytes" in source) {
    yield source.bytes.subarray(start, end);
    onProgress?.(end);
    return;
  }
  await using file = await open(source.path, "r").catch((cause: unknown) => {
    throw new BuildError(`blob ${digest}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound", cause });
  });
  for (let at = start; at < end;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(1 << 20, end - at)), 0, undefined, at);
    if (bytesRead === 0) {
      throw new BuildError(`blob ${digest} is shorter than announced`, { code: "BLOB_DAMAGED", status: "DataLoss" });
    }
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
    onProgress?.(at);
  }
}

function interrupted(host: string): BuildError {
  return new BuildError(`an upload to registry ${host} was interrupted`, {
    code: "REGISTRY_FAILED",
    status: "Unavailable",
    retryable: true,
  });
}

async function said(response: HttpResponse): Promise<string> {
  try {
    return serverMessage(await readBody(response, MAX_ERROR_BYTES));
  } catch {
    return "";
  }
}
