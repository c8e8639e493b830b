// Images of an OCI layout folder: `oci-layout://name@digest`, with the folder given. Nothing in the folder is trusted: blobs are
// checked against their digests, names are only looked up in index.json.
// Spec: OCI image-spec v1.1 image-layout.md. Counterpart: moby/buildkit source/containerimage/ocilayout.go.

import { createReadStream, readFileSync, statSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { BuildError, digestOf, errnoOf, hexOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { BlobProvider } from "../../distribution/index.ts";
import {
  formatAllPlatform,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  parseIndex,
  parsePlainReference,
} from "../../formats/oci/index.ts";
import type { Descriptor, Platform } from "../../formats/oci/index.ts";
import type { ContentStore } from "../../storage/content/index.ts";
import type { OciStore, SessionBlobs } from "../ports/index.ts";
import { SessionStores } from "./session-stores.ts";
import { checkSize, findImage, limitLayers } from "./image.ts";
import type { BlobReader, ResolvedImage } from "./image.ts";

export interface OciStoreResolveOptions {
  readonly platform: Platform;
  readonly store: OciStore;
  /** Only so many layers, from the bottom. */
  readonly layerLimit?: number;
}

export interface OciLayoutResolveOptions {
  readonly platform: Platform;
  /** The layout's folder. */
  readonly directory: string;
  /** Only so many layers, from the bottom. */
  readonly layerLimit?: number;
}

/** Finds images in OCI layout folders. Layers are copied into the content store when somebody needs them. */
export class OciLayoutSource {
  readonly #content: ContentStore;
  readonly #sessions: SessionStores;

  /** Stores of clients are noted in `sessions`. */
  constructor(content: ContentStore, sessions = new SessionStores()) {
    this.#content = content;
    this.#sessions = sessions;
  }

  /** The image of a layout folder, or of a client's store. @throws as {@link resolve}; IMAGE_NOT_FOUND. */
  resolveIn(ref: string, options: OciStoreResolveOptions, signal?: AbortSignal): Promise<ResolvedImage> {
    const { store, ...rest } = options;
    if (store.kind === "directory") return this.resolve(ref, { ...rest, directory: store.path }, signal);
    return this.#resolveBlobs(ref, store.blobs, rest, signal);
  }

  async #resolveBlobs(
    ref: string,
    blobs: SessionBlobs,
    { platform, layerLimit }: Omit<OciStoreResolveOptions, "store">,
    signal?: AbortSignal,
  ): Promise<ResolvedImage> {
    const { digest } = parsePlainReference(ref);
    const size = digest === undefined ? undefined : await blobs.size(digest, signal);
    if (digest === undefined || size === undefined) throw notFound(ref, blobs.remote.storeId);
    this.#sessions.add(blobs);
    const read: BlobReader = async (descriptor, kind) => {
      checkSize(descriptor, kind, ref);
      const parts: Uint8Array[] = [];
      let left = descriptor.size;
      for await (const chunk of blobs.read(descriptor.digest, 0, signal)) {
        left -= chunk.byteLength;
        if (left < 0) throw mismatch(descriptor.digest);
        parts.push(chunk);
      }
      const bytes = Buffer.concat(parts);
      if (digestOf(bytes) !== descriptor.digest) throw mismatch(descriptor.digest);
      this.#content.add(bytes);
      return bytes;
    };
    const remote = JSON.stringify({ kind: "session", ...blobs.remote });
    const image = await findImage({ mediaType: "", digest, size }, { ref, platform, remote, read }, signal);
    return layerLimit === undefined ? image : limitLayers(image, layerLimit);
  }

  /**
   * The image of `name@digest`, `name:tag` or `name` in a folder; without a digest, index.json is asked for the tag.
   *
   * @throws INVALID_LAYOUT, IMAGE_NOT_FOUND, NO_MATCHING_PLATFORM, INVALID_IMAGE, DIGEST_MISMATCH.
   */
  async resolve(ref: string, options: OciLayoutResolveOptions, signal?: AbortSignal): Promise<ResolvedImage> {
    const directory = resolvePath(options.directory);
    checkLayout(directory);
    const root = findRoot(directory, ref, options.platform);
    const read: BlobReader = (descriptor, kind) => {
      checkSize(descriptor, kind, ref);
      const limit = kind === "manifest" ? MAX_MANIFEST_BYTES : MAX_CONFIG_BYTES;
      const bytes = readLimited(blobPath(directory, descriptor.digest), limit, descriptor.digest);
      if (digestOf(bytes) !== descriptor.digest) throw mismatch(descriptor.digest);
      this.#content.add(bytes);
      return Promise.resolve(bytes);
    };
    const remote = JSON.stringify({ kind: "layout", directory });
    const image = await findImage(root, { ref, platform: options.platform, remote, read }, signal);
    return options.layerLimit === undefined ? image : limitLayers(image, options.layerLimit);
  }
}

/** The blobs of a layout folder. */
export function layoutBlobs(directory: string): BlobProvider {
  return {
    sources: 1,
    open: async function* ({ digest }, _source, signal) {
      const path = blobPath(directory, digest);
      try {
        const stream = createReadStream(path, { highWaterMark: 1 << 20, ...(signal ? { signal } : {}) });
        for await (const chunk of stream) yield chunk as Uint8Array;
      } catch (error) {
        signal?.throwIfAborted();
        throw unreadable(path, error);
      }
    },
  };
}

function checkLayout(directory: string): void {
  const path = join(directory, "oci-layout");
  let version: unknown;
  try {
    const value = JSON.parse(Buffer.from(readLimited(path, 64 * 1024)).toString("utf8")) as Record<
      string,
      unknown
    > | null;
    version = value?.["imageLayoutVersion"];
  } catch (error) {
    if (error instanceof SyntaxError) throw notLayout(directory, error);
    throw error;
  }
  if (version !== "1.0.0") throw notLayout(directory, new Error("imageLayoutVersion is not 1.0.0"));
}

function findRoot(directory: string, text: string, platform: Platform): Descriptor {
  const ref = parsePlainReference(text);
  if (ref.digest !== undefined) {
    const path = blobPath(directory, ref.digest);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) throw notFound(text, directory);
    return { mediaType: "", digest: ref.digest, size };
  }
  const { manifests } = parseIndex(readLimited(join(directory, "index.json"), MAX_MANIFEST_BYTES));
  const tag = ref.tag ?? "latest";
  const named = manifests.filter((each) => namesOf(each).some((name) => name === tag || name.endsWith(`:${tag}`)));
  const only = ref.tag === undefined && manifests.length === 1 ? manifests : [];
  const exact = named.find((each) => each.platform && formatAllPlatform(each.platform) === formatAllPlatform(platform));
  const found = exact ?? named[0] ?? only[0];
  if (found === undefined) throw notFound(text, directory);
  return found;
}

function namesOf({ annotations }: Descriptor): string[] {
  const names = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
  return names.flatMap((name) => annotations?.[name] ?? []);
}

function blobPath(directory: string, digest: Digest): string {
  return join(directory, "blobs", "sha256", hexOf(digest));
}

function readLimited(path: string, limit: number, digest?: Digest): Uint8Array {
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > limit) throw new Error(`not a file of at most ${limit} bytes`);
    return readFileSync(path);
  } catch (error) {
    throw unreadable(path, error, digest);
  }
}

function unreadable(path: string, cause: unknown, digest?: Digest): BuildError {
  if (digest !== undefined && errnoOf(cause) === "ENOENT") {
    return new BuildError(`blob ${digest}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound", cause });
  }
  return new BuildError(`${path} of the OCI layout can't be read`, {
    code: "INVALID_LAYOUT",
    status: "InvalidArgument",
    cause,
  });
}

function notLayout(directory: string, cause: Error): BuildError {
  return new BuildError(`${directory} is not an OCI layout: ${cause.message}`, {
    code: "INVALID_LAYOUT",
    status: "InvalidArgument",
    cause,
  });
}

function notFound(ref: string, directory: string): BuildError {
  return new BuildError(`${ref}: not found`, {
    code: "IMAGE_NOT_FOUND",
    status: "NotFound",
    hint: `the OCI layout ${directory} has no such image`,
  });
}

function mismatch(digest: Digest): BuildError {
  return new BuildError(`the blob ${digest} of the OCI layout has other content`, {
    code: "DIGEST_MISMATCH",
    status: "DataLoss",
  });
}
