// Reads images from registries: tags to digests, manifests, blobs that go on where a broken connection left them. Every byte is
// checked against its digest, manifests here, blobs by whoever stores them.
// Spec: OCI distribution-spec v1.1 (pull). Counterpart: containerd core/remotes/docker.

import { digestOf, isBuildError, isDigest } from "../base/index.ts";
import type { BuildError, Digest } from "../base/index.ts";
import {
  MAX_MANIFEST_BYTES,
  manifestMediaType,
  mediaTypes,
  parseIndex,
  referenceName,
  referenceString,
} from "../formats/oci/index.ts";
import type { Descriptor, Reference } from "../formats/oci/index.ts";
import { Authorizer } from "./authorizer.ts";
import type { BlobProvider } from "./blob-fetcher.ts";
import { anonymous } from "./credentials.ts";
import type { Credentials } from "./credentials.ts";
import { endpointsOf } from "./endpoints.ts";
import type { Endpoint, RegistriesSettings } from "./endpoints.ts";
import {
  accessDenied,
  badAnswer,
  blobNotFound,
  notFound,
  printable,
  serverMessage,
  unexpectedStatus,
  unreachable,
} from "./errors.ts";
import { parseChallenges } from "./challenge.ts";
import { RegistryPusher } from "./pusher.ts";
import { Transport, headerOf, isPassing, readBody } from "./transport.ts";
import type { HttpResponse, TransportOptions } from "./transport.ts";

export interface RegistryClientOptions extends TransportOptions {
  readonly registries?: RegistriesSettings;
  /** Defaults to nobody's. */
  readonly credentials?: Credentials;
}

/** A manifest or index, the bytes as received. */
export interface ReceivedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

interface Call {
  readonly method: "GET" | "HEAD";
  /** Below `/v2/<repository>/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const ACCEPT = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
  "*/*",
].join(", ");
const MAX_ERROR_BYTES = 64 * 1024;
/** What a broken connection must have brought, in bytes, to count as progress. */
const PROGRESS_BYTES = 64 * 1024;

export class RegistryClient implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  readonly #registries: RegistriesSettings;
  readonly #credentials: Credentials;
  #pusher: RegistryPusher | undefined;

  constructor(options: RegistryClientOptions = {}) {
    this.#transport = new Transport(options);
    this.#credentials = options.credentials ?? anonymous;
    this.#authorizer = new Authorizer(this.#transport, this.#credentials);
    this.#registries = options.registries ?? {};
  }

  /** Who asks right now: what one may read is not told another unasked. */
  get partition(): string {
    return this.#credentials.partition?.() ?? "";
  }

  /**
   * What a reference names now: one HEAD request. Registries that do not say the digest are asked for the manifest itself, whose
   * `bytes` then come along. `latest` where the reference has neither tag nor digest.
   *
   * @throws IMAGE_NOT_FOUND, REGISTRY_ACCESS_DENIED, REGISTRY_UNREACHABLE, REGISTRY_THROTTLED, REGISTRY_FAILED, REGISTRY_BAD_ANSWER.
   */
  resolve(ref: Reference, signal?: AbortSignal): Promise<{ descriptor: Descriptor; bytes?: Uint8Array }> {
    return this.#overEndpoints(ref, async (endpoint) => {
      const call: Call = { method: "HEAD", path: manifestPath(ref), headers: { accept: ACCEPT } };
      const response = await this.#call(endpoint, ref, call, signal);
      await response.discard();
      const digest = ref.digest ?? headerOf(response, "docker-content-digest") ?? "";
      const size = Number(headerOf(response, "content-length") ?? "NaN");
      const mediaType = (headerOf(response, "content-type") ?? "").split(";")[0]!.trim();
      if (response.status === 200 && isDigest(digest) && Number.isSafeInteger(size) && mediaType !== "") {
        checkManifestSize(size, ref);
        return { descriptor: { mediaType, digest, size } };
      }
      // Some registries do not do HEAD; and the body of an error is worth more than its status.
      if (response.status === 404) throw notFound(referenceString(ref));
      if (response.status === 429 || [500, 502, 503, 504].includes(response.status)) {
        throw await this.#failure(endpoint, ref, "HEAD", response);
      }
      return this.#manifest(endpoint, ref, signal);
    });
  }

  /** The manifest or index that a reference names, checked against the reference's digest if it has one. @throws as {@link resolve}. */
  manifest(ref: Reference, signal?: AbortSignal): Promise<ReceivedManifest> {
    return this.#overEndpoints(ref, (endpoint) => this.#manifest(endpoint, ref, signal));
  }

  /**
   * Manifests of a repository whose subject is `subject`, by the registry's own list, else by the tag that stands in for one; none where
   * there is neither. @throws as {@link resolve}.
   */
  referrers(repository: Reference, subject: Digest, signal?: AbortSignal): Promise<readonly Descriptor[]> {
    return this.#overEndpoints(repository, async (endpoint) => {
      const headers = { accept: mediaTypes.ociIndex };
      for (const path of [`referrers/${subject}`, `manifests/${subject.replace(":", "-")}`]) {
        const response = await this.#call(endpoint, repository, { method: "GET", path, headers }, signal);
        if (response.status === 404 || response.status === 405 || response.status === 400) {
          await response.discard();
          continue;
        }
        if (response.status !== 200) throw await this.#failure(endpoint, repository, "GET", response);
        const bytes = await readBody(response, MAX_MANIFEST_BYTES);
        return manifestMediaType(bytes) === mediaTypes.ociIndex ? parseIndex(bytes).manifests : [];
      }
      return [];
    });
  }

  /** The blobs of a repository. Opening @throws BLOB_NOT_FOUND and as {@link resolve}. */
  blobs(repository: Reference): BlobProvider {
    const endpoints = endpointsOf(repository.domain, this.#registries);
    return {
      sources: endpoints.length,
      open: (descriptor, source, signal) => this.#blob(endpoints[source]!, repository, descriptor, signal),
    };
  }

  /** Uploads over the same connections and with the same credentials; valid as long as this client. */
  pusher(): RegistryPusher {
    return (this.#pusher ??= new RegistryPusher({
      transport: this.#transport,
      authorizer: this.#authorizer,
      registries: this.#registries,
    }));
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }

  async #manifest(endpoint: Endpoint, ref: Reference, signal?: AbortSignal): Promise<ReceivedManifest> {
    for (let attempt = 1; ; attempt++) {
      const call: Call = { method: "GET", path: manifestPath(ref), headers: { accept: ACCEPT } };
      let response = await this.#call(endpoint, ref, call, signal);
      if (response.status === 404 && ref.digest !== undefined) {
        // Some have kept manifests as blobs only.
        await response.discard();
        response = await this.#call(endpoint, ref, { method: "GET", path: `blobs/${ref.digest}` }, signal);
      }
      if (response.status !== 200) throw await this.#failure(endpoint, ref, "GET", response);
      let bytes: Uint8Array;
      try {
        bytes = await readBody(response, MAX_MANIFEST_BYTES);
      } catch (error) {
        signal?.throwIfAborted();
        if (isBuildError(error)) throw error;
        if (!isPassing(error) || attempt >= this.#transport.attempts) throw unreachable(endpoint.host, error);
        await this.#transport.pause(attempt + 1, signal);
        continue;
      }
      return { descriptor: checkManifest(bytes, ref, response), bytes };
    }
  }

  async *#blob(
    endpoint: Endpoint,
    ref: Reference,
    { digest, size }: Descriptor,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    let offset = 0;
    let failures = 0;
    for (;;) {
      const start = offset;
      const headers: Record<string, string> = start === 0 ? {} : { range: `bytes=${start}-` };
      const response = await this.#call(endpoint, ref, { method: "GET", path: `blobs/${digest}`, headers }, signal);
      if (response.status === 404) {
        await response.discard();
        throw blobNotFound(digest, referenceName(ref));
      }
      if (response.status !== 200 && response.status !== 206) throw await this.#failure(endpoint, ref, "GET", response);
      let skip = start - (response.status === 206 ? rangeStart(response) : 0);
      if (skip < 0) {
        await response.discard();
        throw badAnswer(`registry ${endpoint.host} sends another part of blob ${digest} than was asked for`);
      }
      let broken: unknown;
      try {
        for await (const chunk of response.body) {
          const rest = skip > 0 ? chunk.subarray(skip) : chunk;
          skip = Math.max(0, skip - chunk.byteLength);
          if (rest.byteLength === 0) continue;
          offset += rest.byteLength;
          yield rest;
        }
        if (offset >= size) return;
        broken = new Error(`the connection ended after ${offset} of ${size} bytes`);
      } catch (error) {
        signal?.throwIfAborted();
        if (!isPassing(error)) throw unreachable(endpoint.host, error);
        broken = error;
      }
      if (offset >= size) return;
      failures = offset - start >= PROGRESS_BYTES ? 1 : failures + 1;
      if (failures >= this.#transport.attempts) throw unreachable(endpoint.host, broken);
      await this.#transport.pause(failures + 1, signal);
    }
  }

  /** Sends with authorization; an answer of any status but 401 and 403 is given back. */
  async #call(endpoint: Endpoint, ref: Reference, call: Call, signal?: AbortSignal): Promise<HttpResponse> {
    const scope = `repository:${ref.path}:pull`;
    const url = new URL(`${ref.path}/${call.path}`, endpoint.base);
    if (endpoint.namespace !== undefined) url.searchParams.set("ns", endpoint.namespace);
    for (let attempt = 1; ; attempt++) {
      const used = this.#authorizer.header(endpoint, scope);
      const headers = { ...call.headers, ...(used === undefined ? {} : { authorization: used }) };
      const response = await this.#transport.send(
        { method: call.method, url, headers, verifyTls: endpoint.verifyTls },
        signal,
      );
      if (response.status !== 401 && response.status !== 403) return response;
      const mayAnswer = response.status === 401 && attempt < 3;
      if (mayAnswer) {
        await response.discard();
        if (await this.#authorizer.answer(endpoint, scope, { response, used }, signal)) continue;
      }
      throw await this.#denied(endpoint, ref, response, mayAnswer);
    }
  }

  async #denied(endpoint: Endpoint, ref: Reference, response: HttpResponse, isRead: boolean): Promise<BuildError> {
    const bearer = parseChallenges(response.headers["www-authenticate"]).find((each) => each.parameters.has("error"));
    const named = printable(bearer?.parameters.get("error") ?? "");
    const said = isRead ? "" : await this.#serverMessage(response);
    const server = named === "" ? said : `${named}: authorization failed`;
    return accessDenied(referenceName(ref), ref.domain, server, this.#authorizer.failure(endpoint));
  }

  async #failure(endpoint: Endpoint, ref: Reference, method: string, response: HttpResponse): Promise<BuildError> {
    const said = await this.#serverMessage(response);
    if (response.status === 404) return notFound(referenceString(ref));
    return unexpectedStatus(method, new URL(response.url.pathname, endpoint.base), response.status, said);
  }

  async #serverMessage(response: HttpResponse): Promise<string> {
    try {
      return serverMessage(await readBody(response, MAX_ERROR_BYTES));
    } catch {
      return "";
    }
  }

  /** Mirrors first; what they can't give, the registry itself is asked for. Its error is the one that counts. */
  async #overEndpoints<T>(ref: Reference, work: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const endpoints = endpointsOf(ref.domain, this.#registries);
    for (const endpoint of endpoints.slice(0, -1)) {
      try {
        return await work(endpoint);
      } catch (error) {
        if (!isBuildError(error) || error.code === "CANCELED") throw error;
      }
    }
    return work(endpoints.at(-1)!);
  }
}

function manifestPath(ref: Reference): string {
  return `manifests/${ref.digest ?? ref.tag ?? "latest"}`;
}

function checkManifest(bytes: Uint8Array, ref: Reference, response: HttpResponse): Descriptor {
  const digest: Digest = digestOf(bytes);
  const announced = ref.digest ?? headerOf(response, "docker-content-digest");
  if (announced !== undefined && announced !== digest) {
    throw badAnswer(
      `the manifest that came for ${referenceString(ref)} has digest ${digest}, not ${printable(announced)}`,
    );
  }
  return { mediaType: manifestMediaType(bytes), digest, size: bytes.byteLength };
}

function checkManifestSize(size: number, ref: Reference): void {
  if (size <= MAX_MANIFEST_BYTES) return;
  throw badAnswer(`rejecting ${size} byte manifest for ${referenceString(ref)}: more than ${MAX_MANIFEST_BYTES}`);
}

function rangeStart(response: HttpResponse): number {
  const match = /^bytes (\d{1,15})-/.exec(headerOf(response, "content-range") ?? "");
  return match === null ? 0 : Number(match[1]);
}
