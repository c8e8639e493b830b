// Content-addressed blobs: files named by their digest, written beside and renamed, so that a name that exists is whole. A blob is
// never changed. What is missing is a cache miss for whoever asks. Several processes share one store without locks: two that write
// the same blob rename the same bytes. Counterpart: containerd content store.

import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { BuildError, Digester, digestOf, errnoOf, hexOf, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";

export interface BlobInfo {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** When it came here or was last touched. */
  readonly modifiedMs: number;
}

export interface WriterOptions {
  /** What the bytes must hash to. */
  readonly expected?: Digest;
  /** How many bytes must come. */
  readonly sizeBytes?: number;
}

/** A blob being written. Disposing without commit leaves nothing. */
export interface BlobWriter extends Disposable {
  readonly writtenBytes: number;
  write(chunk: Uint8Array): void;
  /** @throws DIGEST_MISMATCH, SIZE_MISMATCH: nothing is kept then. */
  commit(): Digest;
}

export class ContentStore {
  readonly #blobs: string;
  readonly #ingest: string;
  readonly #owner: string;
  #count = 0;

  /** @param root folder of the store's blobs. @param owner name of this process among those on the store; enters temporary names. */
  constructor(root: string, owner: string) {
    this.#blobs = join(root, "blobs", "sha256");
    this.#ingest = join(root, "ingest");
    this.#owner = owner;
    mkdirSync(this.#blobs, { recursive: true, mode: 0o700 });
    mkdirSync(this.#ingest, { recursive: true, mode: 0o700 });
  }

  has(digest: Digest): boolean {
    return existsSync(this.path(digest));
  }

  info(digest: Digest): BlobInfo | undefined {
    const stat = statSync(this.path(digest), { throwIfNoEntry: false });
    return stat === undefined ? undefined : { digest, sizeBytes: stat.size, modifiedMs: stat.mtimeMs };
  }

  /** Where the blob's file is, or would be. Never write to it. */
  path(digest: Digest): string {
    return join(this.#blobs, hexOf(digest));
  }

  /** A small blob, whole and verified. @throws BLOB_NOT_FOUND; BLOB_DAMAGED, and then the blob is removed. */
  read(digest: Digest): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(this.path(digest));
    } catch (error) {
      throw errnoOf(error) === "ENOENT" ? notFound(digest) : error;
    }
    if (digestOf(bytes) === digest) return bytes;
    this.delete(digest);
    throw new BuildError(`blob ${digest} is damaged; it was removed`, {
      code: "BLOB_DAMAGED",
      status: "DataLoss",
      retryable: true,
    });
  }

  /** The blob's bytes in chunks of up to 1 MiB. Not verified. @throws BLOB_NOT_FOUND. */
  async *open(
    digest: Digest,
    options: { readonly offset?: number; readonly signal?: AbortSignal } = {},
  ): AsyncIterable<Uint8Array> {
    if (!this.has(digest)) throw notFound(digest);
    const { offset = 0, signal } = options;
    const stream = createReadStream(this.path(digest), {
      start: offset,
      highWaterMark: 1 << 20,
      ...(signal ? { signal } : {}),
    });
    for await (const chunk of stream) yield chunk as Uint8Array;
  }

  writer(options: WriterOptions = {}): BlobWriter {
    const path = this.temporaryPath();
    return new FileBlobWriter(path, options, (digest, size) => this.adopt(path, digest, size));
  }

  /** Stores bytes. */
  add(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    if (this.has(digest)) return digest;
    using writer = this.writer({ expected: digest });
    writer.write(bytes);
    return writer.commit();
  }

  /** A name in the store's own file system for something that {@link adopt} takes later. Leftovers go at the next start. */
  temporaryPath(): string {
    return join(this.#ingest, `${this.#owner}-${++this.#count}`);
  }

  /** Makes a finished file, already verified by the caller, the blob `digest`. The file is gone from `path` afterwards. */
  adopt(path: string, digest: Digest, sizeBytes: number): void {
    const size = statSync(path).size;
    if (size !== sizeBytes) throw new Error(`adopting ${digest}: ${size} bytes instead of ${sizeBytes}`);
    renameSync(path, this.path(digest));
  }

  delete(digest: Digest): void {
    rmSync(this.path(digest), { force: true });
  }

  list(): BlobInfo[] {
    const names = readdirSync(this.#blobs).map((name) => `sha256:${name}`);
    return names.filter(isDigest).flatMap((digest) => this.info(digest) ?? []);
  }

  /** Removes what dead processes left half written. */
  removeLeftovers(isAlive: (owner: string) => boolean): void {
    for (const name of readdirSync(this.#ingest)) {
      const owner = name.slice(0, name.lastIndexOf("-"));
      if (owner !== this.#owner && !isAlive(owner)) rmSync(join(this.#ingest, name), { force: true, recursive: true });
    }
  }
}

class FileBlobWriter implements BlobWriter {
  readonly #path: string;
  readonly #options: WriterOptions;
  readonly #keep: (digest: Digest, sizeBytes: number) => void;
  readonly #digester = new Digester();
  #fd: number | undefined;

  constructor(path: string, options: WriterOptions, keep: (digest: Digest, sizeBytes: number) => void) {
    this.#path = path;
    this.#options = options;
    this.#keep = keep;
    this.#fd = openSync(path, "wx", 0o600);
  }

  get writtenBytes(): number {
    return this.#digester.sizeBytes;
  }

  write(chunk: Uint8Array): void {
    if (this.#fd === undefined) throw new Error("the blob writer is closed");
    const { sizeBytes } = this.#options;
    if (sizeBytes !== undefined && this.writtenBytes + chunk.byteLength > sizeBytes) {
      throw mismatch("SIZE_MISMATCH", `more than the announced ${sizeBytes} bytes came`);
    }
    this.#digester.update(chunk);
    try {
      for (let at = 0; at < chunk.byteLength;) at += writeSync(this.#fd, chunk, at);
    } catch (error) {
      if (errnoOf(error) !== "ENOSPC") throw error;
      throw new BuildError("no space left on the disk of the state directory", {
        code: "DISK_FULL",
        status: "ResourceExhausted",
        hint: "free some space, for example with: slipway prune",
        cause: error,
      });
    }
  }

  commit(): Digest {
    const { expected, sizeBytes } = this.#options;
    if (sizeBytes !== undefined && this.writtenBytes !== sizeBytes) {
      throw mismatch("SIZE_MISMATCH", `${this.writtenBytes} bytes came instead of the announced ${sizeBytes}`);
    }
    const digest = this.#digester.digest();
    if (expected !== undefined && digest !== expected) {
      throw mismatch("DIGEST_MISMATCH", `the bytes that came have digest ${digest}, not the announced ${expected}`);
    }
    this.#close();
    this.#keep(digest, this.writtenBytes);
    return digest;
  }

  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    this.#close();
    unlinkSync(this.#path);
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function notFound(digest: Digest): BuildError {
  return new BuildError(`blob ${digest}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound", retryable: true });
}

function mismatch(code: string, text: string): BuildError {
  return new BuildError(text, {
    code,
    status: "DataLoss",
    hint: "the source is damaged or was tampered with; nothing of it was kept",
    retryable: true,
  });
}
