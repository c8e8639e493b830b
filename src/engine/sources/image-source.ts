// Images of registries and of this machine. Manifests and configs are kept in the content store: a reference with a digest then needs
// no network, a tag one request. Layers stay where they are until somebody needs them.
// Counterpart: moby/buildkit source/containerimage, util/resolver/pool.go (resolve modes).

import { BuildError, FlightControl, isAbort, isBuildError } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { BlobFetcher } from "../../distribution/index.ts";
import type { FetchProgress, RegistryClient } from "../../distribution/index.ts";
import {
  familiarString,
  formatAllPlatform,
  manifestMediaType,
  parseReference,
  referenceName,
  referenceString,
  tagNameOnly,
  withDigest,
} from "../../formats/oci/index.ts";
import type { Descriptor, Platform, Reference } from "../../formats/oci/index.ts";
import type { ContentStore } from "../../storage/content/index.ts";
import type { Remote } from "../../storage/refs/index.ts";
import { checkSize, findImage, limitLayers } from "./image.ts";
import type { BlobReader, ResolvedImage } from "./image.ts";
import { layoutBlobs } from "./oci-layout.ts";
import { sessionBlobs } from "./session-stores.ts";
import type { SessionStores } from "./session-stores.ts";

/** `default`: the registry, else this machine. `pull`: the registry alone. `local`: this machine, else the registry. */
export type ImageResolveMode = "default" | "pull" | "local";

export interface ImageResolveOptions {
  readonly platform: Platform;
  readonly mode: ImageResolveMode;
  /** What the reference must name. */
  readonly checksum?: Digest;
  /** Only so many layers, from the bottom. */
  readonly layerLimit?: number;
}

/** Images that were built here and kept under a name. */
export interface LocalImages {
  /** The manifest or index of a reference such as `docker.io/library/app:latest`. */
  lookup(normalizedRef: string): { readonly digest: Digest } | undefined;
}

export interface ImageSourceOptions {
  readonly content: ContentStore;
  readonly client: RegistryClient;
  readonly local?: LocalImages;
  /** Content stores of clients. */
  readonly sessions?: SessionStores;
  /** Told what a user should know although the build goes on. */
  readonly onNote?: (text: string) => void;
  /** Told how fetches of layers go on. */
  readonly onProgress?: (progress: FetchProgress) => void;
  /** How many blobs are fetched at once; defaults to 4. */
  readonly parallel?: number;
}

export class ImageSource {
  readonly #o: ImageSourceOptions;
  readonly #fetcher: BlobFetcher;
  readonly #flights = new FlightControl<ResolvedImage>();
  /** Where the layers of images that were resolved are. */
  readonly #places = new Map<Digest, string>();

  constructor(options: ImageSourceOptions) {
    this.#o = options;
    this.#fetcher = new BlobFetcher(options.content, options.parallel);
  }

  /**
   * Finds the image of a reference for a platform; fetches manifests and config, no layer.
   *
   * @throws INVALID_REFERENCE, IMAGE_NOT_FOUND, REGISTRY_*, NO_MATCHING_PLATFORM, INVALID_IMAGE, CHECKSUM_MISMATCH.
   */
  async resolve(text: string, options: ImageResolveOptions, signal?: AbortSignal): Promise<ResolvedImage> {
    const ref = tagNameOnly(parseReference(text));
    const { platform, mode, checksum, layerLimit } = options;
    const key = JSON.stringify([referenceString(ref), formatAllPlatform(platform), mode, this.#o.client.partition]);
    const image = await this.#flights.do(key, (shared) => this.#resolve(ref, platform, mode, shared), signal);
    for (const { descriptor } of image.layers) this.#places.set(descriptor.digest, image.remote);
    if (checksum !== undefined && image.digest !== checksum) {
      throw new BuildError(
        `image digest ${image.digest} for ${image.ref} does not match expected checksum ${checksum}`,
        {
          code: "CHECKSUM_MISMATCH",
          status: "FailedPrecondition",
        },
      );
    }
    return layerLimit === undefined ? image : limitLayers(image, layerLimit);
  }

  /**
   * The places that a text names, one a line as `ResolvedImage.remote` has them, also those of an earlier process; asked in turn,
   * and then where an image of this process has the blob. @throws INVALID_REMOTE.
   */
  openRemote(remote: string): Remote {
    const lines = remote.split("\n");
    for (const line of lines) parseRemote(line);
    return {
      fetch: async (descriptor, signal) => {
        const known = this.#places.get(descriptor.digest);
        const places = known === undefined || lines.includes(known) ? lines : [...lines, known];
        for (const [at, place] of places.entries()) {
          try {
            return await this.#openPlace(place).fetch(descriptor, signal);
          } catch (error) {
            if (at === places.length - 1 || !isBuildError(error) || isAbort(error) || error.code === "DISK_FULL")
              throw error;
          }
        }
      },
    };
  }

  #openPlace(text: string): Remote {
    const place = parseRemote(text);
    return {
      fetch: async (descriptor, signal) => {
        const { onProgress, client, content } = this.#o;
        const options = { ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) };
        switch (place.kind) {
          case "registry":
            return this.#fetcher.fetch(descriptor, client.blobs(parseReference(place.repository)), options);
          case "layout":
            return this.#fetcher.fetch(descriptor, layoutBlobs(place.directory), options);
          case "session": {
            const store = this.#o.sessions?.find(place);
            if (store === undefined) throw gone(descriptor.digest);
            return this.#fetcher.fetch(descriptor, sessionBlobs(store), options);
          }
          case "local":
            if (!content.has(descriptor.digest)) throw gone(descriptor.digest);
        }
      },
    };
  }

  async #resolve(
    ref: Reference,
    platform: Platform,
    mode: ImageResolveMode,
    signal: AbortSignal,
  ): Promise<ResolvedImage> {
    if (mode === "local") {
      const here = await this.#fromHere(ref, platform, signal);
      if (here !== undefined) return here;
    }
    try {
      return await this.#fromRegistry(ref, platform, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (mode !== "default" || !isBuildError(error)) throw error;
      const here = await this.#fromHere(ref, platform, signal);
      if (here === undefined) throw error;
      this.#o.onNote?.(`using the local image ${familiarString(ref)}: ${error.message}`);
      return here;
    }
  }

  /** Undefined when there is no such image here, or not for the platform, or not all of it. */
  async #fromHere(ref: Reference, platform: Platform, signal: AbortSignal): Promise<ResolvedImage | undefined> {
    const found = this.#o.local?.lookup(referenceString(ref));
    if (found === undefined || (ref.digest !== undefined && found.digest !== ref.digest)) return undefined;
    const read: BlobReader = async ({ digest }) => this.#stored(digest) ?? Promise.reject(gone(digest));
    const root = { mediaType: "", digest: found.digest, size: 0 };
    try {
      const options = { ref: referenceString(ref), platform, remote: JSON.stringify({ kind: "local" }), read };
      return await findImage(root, options, signal);
    } catch (error) {
      if (!isBuildError(error)) throw error;
      return undefined;
    }
  }

  async #fromRegistry(ref: Reference, platform: Platform, signal: AbortSignal): Promise<ResolvedImage> {
    const repository: Reference = { domain: ref.domain, path: ref.path };
    const read: BlobReader = async (descriptor, kind, each) => {
      const stored = this.#stored(descriptor.digest);
      if (stored !== undefined) return stored;
      checkSize(descriptor, kind, referenceString(ref));
      if (kind === "manifest") {
        const { bytes } = await this.#o.client.manifest(withDigest(repository, descriptor.digest), each);
        this.#o.content.add(bytes);
        return bytes;
      }
      await this.#fetcher.fetch(
        descriptor,
        this.#o.client.blobs(repository),
        each === undefined ? {} : { signal: each },
      );
      return this.#o.content.read(descriptor.digest);
    };
    const remote = JSON.stringify({ kind: "registry", repository: referenceName(ref) });
    const root = await this.#root(ref, signal);
    return findImage(root, { ref: referenceString(ref), platform, remote, read }, signal);
  }

  async #root(ref: Reference, signal: AbortSignal): Promise<Descriptor> {
    const stored = ref.digest === undefined ? undefined : this.#stored(ref.digest);
    if (ref.digest !== undefined && stored !== undefined) {
      return { mediaType: manifestMediaType(stored), digest: ref.digest, size: stored.byteLength };
    }
    const { descriptor, bytes } = await this.#o.client.resolve(ref, signal);
    if (bytes !== undefined) this.#o.content.add(bytes);
    return descriptor;
  }

  /** A blob of the store if it is whole. */
  #stored(digest: Digest): Uint8Array | undefined {
    if (!this.#o.content.has(digest)) return undefined;
    try {
      return this.#o.content.read(digest);
    } catch (error) {
      if (isBuildError(error)) return undefined;
      throw error;
    }
  }
}

type Place =
  | { readonly kind: "registry"; readonly repository: string }
  | { readonly kind: "layout"; readonly directory: string }
  | { readonly kind: "session"; readonly sessionId: string; readonly storeId: string }
  | { readonly kind: "local" };

function parseRemote(text: string): Place {
  let value: Partial<Record<string, unknown>> = {};
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    // Told below.
  }
  const { kind, repository, directory, sessionId, storeId } = value ?? {};
  if (kind === "registry" && typeof repository === "string") return { kind, repository };
  if (kind === "layout" && typeof directory === "string") return { kind, directory };
  if (kind === "session" && typeof sessionId === "string" && typeof storeId === "string")
    return { kind, sessionId, storeId };
  if (kind === "local") return { kind };
  throw new BuildError(`no place for blobs: ${text.slice(0, 200)}`, { code: "INVALID_REMOTE", status: "Internal" });
}

/** The repositories that a layer's source names. */
export function repositoriesOf(remote: string): string[] {
  return remote
    .split("\n")
    .map(parseRemote)
    .flatMap((place) => (place.kind === "registry" ? [place.repository] : []));
}

function gone(digest: Digest): BuildError {
  return new BuildError(`blob ${digest}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound", retryable: true });
}
