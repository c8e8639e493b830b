// A cache in a folder: an OCI layout, one index entry for each tag. Several processes may write at once: each change of the index is
// made under the lock that buildx takes too, which the kernel drops when its holder dies; blobs are written beside and renamed.
// Spec: OCI image-spec v1.1 image-layout.md. Counterpart: moby/buildkit client/ociindex, cache/remotecache/local.

import * as fs from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { BuildError, digestOf, errnoOf, hexOf, isBuildError, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import {
  encodeIndex,
  isIndexType,
  isManifestType,
  manifestMediaType,
  MAX_MANIFEST_BYTES,
  mediaTypes,
  parseIndex,
  parseManifest,
} from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import { lockFile } from "../../system/linux/index.ts";
import type { WorkerPool } from "../../system/workers/index.ts";
import { layoutMarker, writeBeside } from "../exporters/index.ts";
import type { WriteLayoutInput } from "../exporters/index.ts";
import { readCache } from "./cache-manifest.ts";
import type { SmallBlobReader } from "./cache-manifest.ts";
import type { CacheDestination, CacheDraft, Current, DestinationBlobs, PutFile, StagedBlob } from "./destination.ts";
import type { OpenedCache } from "./importer.ts";
import { readMounts } from "./mount-manifest.ts";
import type { ReadMounts } from "./mount-manifest.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
/** Small blobs of a cache: manifests and configs. */
const MAX_SMALL_BYTES = 16 << 20;
/** Blobs that no index names stay this long: another process may just be about to name them. */
const UNREFERENCED_MS = 60 * 60 * 1000;

export interface LocalCacheSource {
  readonly dir: string;
  readonly tag: string;
  readonly digest?: Digest;
}

/**
 * The cache of a tag, or of the manifest `digest`. Results whose blobs are missing or too short are left out.
 *
 * @throws CACHE_NOT_FOUND, CACHE_DAMAGED, INVALID_IMAGE.
 */
export async function openLocalCache({ dir, tag, digest }: LocalCacheSource): Promise<OpenedCache> {
  const root = digest ?? readIndex(dir).find((each) => each.annotations?.[REF_NAME] === tag)?.digest;
  if (root === undefined) {
    throw new BuildError(`no cache tagged ${JSON.stringify(tag)} in ${dir}`, {
      code: "CACHE_NOT_FOUND",
      status: "NotFound",
    });
  }
  const cache = await readCache(readSmall(dir, root), (each) => Promise.resolve(readSmall(dir, each.digest)));
  return {
    cache,
    remote: JSON.stringify({ kind: "layout", directory: dir, cache: true }),
    hasBlob: ({ digest: blob, size }) => sizeOf(dir, blob) === size,
  };
}

export interface LocalDestinationOptions {
  readonly dir: string;
  readonly tag: string;
  /** Leaves nothing of what was there under this tag, nor of what nothing refers to. */
  readonly reset: boolean;
  readonly workers: WorkerPool;
  /** Blobs that were found damaged: they are written again. */
  readonly isDamaged: (digest: Digest) => boolean;
}

/** A folder to export to. */
export class LocalCacheDestination implements CacheDestination {
  readonly name = "exporting cache to client directory";
  readonly #o: LocalDestinationOptions;
  readonly #written = new Set<Digest>();
  #reset: boolean;

  /** Makes the folder where there is none. */
  constructor(options: LocalDestinationOptions) {
    this.#o = options;
    this.#reset = options.reset;
    fs.mkdirSync(join(options.dir, "blobs", "sha256"), { recursive: true, mode: 0o755 });
    // Layers are going to be packed: a worker starts while it is found out which.
    if (!fs.existsSync(join(options.dir, "index.json"))) options.workers.warmUp();
  }

  has({ digest, size }: Descriptor): Promise<boolean> {
    const { dir, isDamaged } = this.#o;
    const isThere = sizeOf(dir, digest) === size && (this.#written.has(digest) || !isDamaged(digest));
    return Promise.resolve(isThere);
  }

  async put({ digest, size }: Descriptor, { path, isFresh = false }: PutFile, signal: AbortSignal): Promise<void> {
    const { dir, workers } = this.#o;
    await workers.run<WriteLayoutInput, void>(
      "writeLayoutBlobs",
      { dir, blobs: [{ digest, sizeBytes: size, blobPath: path, isFresh }] },
      { signal },
    );
    this.#written.add(digest);
  }

  stage(): StagedBlob {
    const folder = join(this.#o.dir, "blobs", "sha256");
    fs.mkdirSync(folder, { recursive: true });
    const path = join(folder, `packing.${randomBytes(6).toString("hex")}.tmp`);
    return {
      path,
      commit: ({ digest }) => {
        fs.chmodSync(path, 0o444);
        fs.renameSync(path, blobPath(this.#o.dir, digest));
        this.#written.add(digest);
      },
      [Symbol.dispose]: () => fs.rmSync(path, { force: true }),
    };
  }

  async update<T extends Current>(
    read: (manifest: Uint8Array, readBlob: SmallBlobReader) => Promise<T>,
    make: (current: T | undefined) => Promise<CacheDraft | undefined>,
  ): Promise<DestinationBlobs | undefined> {
    const { dir, tag } = this.#o;
    const lock = await lockIndex(dir);
    try {
      const entries = tryReadIndex(dir);
      const old = entries.find((each) => each.annotations?.[REF_NAME] === tag);
      const current = old === undefined || this.#reset ? undefined : await tryRead(dir, old.digest, read);
      const draft = await make(current);
      if (draft === undefined) return undefined;
      const { blobs } = draft;
      for (const { descriptor, bytes } of [blobs.config, blobs.manifest]) {
        if (sizeOf(dir, descriptor.digest) === descriptor.size) continue;
        writeBeside(blobPath(dir, descriptor.digest), 0o644, (fd) => writeAll(fd, bytes));
      }
      writeBeside(join(dir, "oci-layout"), 0o644, (fd) => writeAll(fd, layoutMarker));
      const entry: Descriptor = { ...blobs.manifest.descriptor, annotations: { [REF_NAME]: tag } };
      const manifests = [...entries.filter((each) => each !== old), entry];
      const index = encodeIndex({ mediaType: mediaTypes.ociIndex, manifests });
      writeBeside(join(dir, "index.json"), 0o644, (fd) => writeAll(fd, index));
      this.#sweep(manifests, current, draft);
      this.#reset = false;
      return blobs;
    } finally {
      fs.closeSync(lock);
    }
  }

  mounts(): CacheDestination {
    return new LocalCacheDestination({ ...this.#o, tag: mountsTag(this.#o.tag) });
  }

  /** Removes blobs that no entry of the index needs: at once where they belonged to what was replaced, else when they are old. */
  #sweep(manifests: readonly Descriptor[], current: Current | undefined, draft: CacheDraft): void {
    const { dir } = this.#o;
    if (!draft.last && current === undefined) return;
    const needed = new Set<Digest>([draft.blobs.config.descriptor.digest, ...draft.layers]);
    for (const { digest } of manifests) {
      needed.add(digest);
      // What can't be read may need anything.
      if (digest !== draft.blobs.manifest.descriptor.digest && !addReferenced(dir, digest, needed)) return;
    }
    const gone = current === undefined ? [] : [...current.parts, ...current.layers.keys()];
    for (const digest of gone) if (!needed.has(digest)) fs.rmSync(blobPath(dir, digest), { force: true });
    if (!draft.last) return;
    const folder = join(dir, "blobs", "sha256");
    const limit = this.#reset ? Infinity : Date.now() - UNREFERENCED_MS;
    const removeOld = (path: string, limitMs: number) => {
      const modified = fs.lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
      if (modified < limitMs) fs.rmSync(path, { force: true, recursive: true });
    };
    for (const name of fs.readdirSync(folder)) {
      const digest = `sha256:${name}`;
      if (isDigest(digest) && (needed.has(digest) || this.#written.has(digest))) continue;
      removeOld(join(folder, name), limit);
    }
    // What a killed writer had not renamed yet.
    for (const name of fs.readdirSync(dir))
      if (/^(index\.json|oci-layout)\.\w+\.tmp$/.test(name)) removeOld(join(dir, name), Date.now() - UNREFERENCED_MS);
  }
}

/** The digest that a folder's index has for a tag; undefined where there is no such cache. */
export function localCacheDigest(dir: string, tag: string): Digest | undefined {
  return tryReadIndex(dir).find((each) => each.annotations?.[REF_NAME] === tag)?.digest;
}

/** Notes a cache, whose blobs are there, under a tag. */
export async function putLocalCacheIndex(dir: string, tag: string, descriptor: Descriptor): Promise<void> {
  const lock = await lockIndex(dir);
  try {
    const others = tryReadIndex(dir).filter((each) => each.annotations?.[REF_NAME] !== tag);
    const manifests = [...others, { ...descriptor, annotations: { ...descriptor.annotations, [REF_NAME]: tag } }];
    writeBeside(join(dir, "oci-layout"), 0o644, (fd) => writeAll(fd, layoutMarker));
    const index = encodeIndex({ mediaType: mediaTypes.ociIndex, manifests });
    writeBeside(join(dir, "index.json"), 0o644, (fd) => writeAll(fd, index));
  } finally {
    fs.closeSync(lock);
  }
}

/** Under which tag the cache mounts that go with a cache are. */
export function mountsTag(tag: string): string {
  return `${tag}.mounts`;
}

/** The cache mounts that go with a cache; undefined where there are none. @throws CACHE_DAMAGED, INVALID_IMAGE. */
export async function openLocalMounts(dir: string, tag: string): Promise<ReadMounts | undefined> {
  const root = tryReadIndex(dir).find((each) => each.annotations?.[REF_NAME] === mountsTag(tag))?.digest;
  if (root === undefined) return undefined;
  return readMounts(readSmall(dir, root), (each) => Promise.resolve(readSmall(dir, each.digest)));
}

/** Adds all that a manifest or index names, however far; false where that can't be told. */
function addReferenced(dir: string, digest: Digest, needed: Set<Digest>, depth = 0): boolean {
  if (depth > 4) return false;
  try {
    const bytes = readSmall(dir, digest);
    needed.add(digest);
    if (isIndexType(manifestMediaType(bytes))) {
      return parseIndex(bytes).manifests.every((each) => {
        needed.add(each.digest);
        return isIndexType(each.mediaType) || isManifestType(each.mediaType)
          ? addReferenced(dir, each.digest, needed, depth + 1)
          : true;
      });
    }
    const { config, layers } = parseManifest(bytes);
    for (const each of [config, ...layers]) needed.add(each.digest);
    return true;
  } catch (error) {
    if (!isBuildError(error)) throw error;
    return false;
  }
}

async function lockIndex(dir: string): Promise<number> {
  const fd = fs.openSync(join(dir, "index.json.lock"), "a", 0o666);
  try {
    for (let waitMs = 2; !lockFile(fd, "exclusive"); waitMs = Math.min(100, waitMs * 2)) {
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

function readIndex(dir: string): readonly Descriptor[] {
  const path = join(dir, "index.json");
  try {
    const size = fs.statSync(path).size;
    if (size > MAX_MANIFEST_BYTES) throw new Error(`${size} bytes are too many`);
    return parseIndex(fs.readFileSync(path)).manifests;
  } catch (error) {
    const isMissing = errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR";
    throw new BuildError(isMissing ? `${dir} has no index.json` : `index.json of ${dir} can't be read`, {
      code: isMissing ? "CACHE_NOT_FOUND" : "CACHE_DAMAGED",
      status: isMissing ? "NotFound" : "DataLoss",
      cause: error,
    });
  }
}

function tryReadIndex(dir: string): readonly Descriptor[] {
  try {
    return readIndex(dir);
  } catch (error) {
    if (!isBuildError(error)) throw error;
    return [];
  }
}

async function tryRead<T>(
  dir: string,
  digest: Digest,
  read: (manifest: Uint8Array, readBlob: SmallBlobReader) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read(readSmall(dir, digest), (each) => Promise.resolve(readSmall(dir, each.digest)));
  } catch (error) {
    if (!isBuildError(error)) throw error;
    return undefined;
  }
}

function readSmall(dir: string, digest: Digest): Uint8Array {
  const path = blobPath(dir, digest);
  try {
    const size = fs.statSync(path).size;
    if (size > MAX_SMALL_BYTES) throw new Error(`${size} bytes are too many`);
    const bytes = fs.readFileSync(path);
    if (digestOf(bytes) === digest) return bytes;
    throw new Error("its content has another digest");
  } catch (error) {
    throw new BuildError(`blob ${digest} of the cache ${dir} can't be used`, {
      code: errnoOf(error) === "ENOENT" ? "CACHE_NOT_FOUND" : "CACHE_DAMAGED",
      status: "DataLoss",
      cause: error,
    });
  }
}

function sizeOf(dir: string, digest: Digest): number | undefined {
  const stat = fs.lstatSync(blobPath(dir, digest), { throwIfNoEntry: false });
  return stat?.isFile() ? stat.size : undefined;
}

function blobPath(dir: string, digest: Digest): string {
  return join(dir, "blobs", "sha256", hexOf(digest));
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += fs.writeSync(fd, bytes, at);
}
