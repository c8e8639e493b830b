// gzip and zstd for layers. Compressing cuts the input at fixed places and works on the pieces in parallel on libuv's thread
// pool; the output depends on the input and level alone, not on chunk sizes given, thread count or timing.
// gzip: pieces of 1 MiB, each a member of its own where somebody can make those; else raw deflate, each primed with the 32 KiB before it,
// joined by sync flushes: one ordinary member. zstd: one frame for each 4 MiB. Pieces that don't get smaller are stored.
// Spec: RFC 1951, 1952 (2.2: a file is a series of members), 8878.

import { constants, crc32, createGunzip, createZstdDecompress, deflateRaw, zstdCompress } from "node:zlib";
import { pipeline, type Readable } from "node:stream";
import { BuildError } from "../../base/index.ts";
import { gzipLevelFor, memberLevelFor } from "./gzip-level.ts";
import { GZIP_HEADER, isWorthStoring, storeDeflate, storedBytes, storeMember, storeZstd } from "./stored-pieces.ts";

export type Compression = "none" | "gzip" | "zstd";

/** Bytes that a compressor takes at once. */
export const PIECE_BYTES: Readonly<Record<"gzip" | "zstd", number>> = { gzip: 1024 * 1024, zstd: 4 * 1024 * 1024 };
/** More than a piece can grow by: what comes out of one lies in one buffer, and need not be put together. */
const GROWTH = 64 * 1024;
const WINDOW = 32 * 1024;

/** What the first bytes of a blob say; "none" for anything unknown. Six bytes are enough. */
export function detectCompression(start: Uint8Array): Compression | "bzip2" | "xz" {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  // Skippable frames may come first.
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  if (a === 0x42 && b === 0x5a && c === 0x68) return "bzip2";
  if (a === 0xfd && b === 0x37 && c === 0x7a && d === 0x58 && start[4] === 0x5a) return "xz";
  return "none";
}

const ZSTD_LEVEL = 3;
/** Up to here zstd looks near by, as the trial for pieces that are to be stored does; who asks for more gets its far searches too. */
const ZSTD_NEAR_LEVEL = 3;
/** Tables of zlib: the largest, which are faster to search and let blocks be longer, for 256 KiB a piece that is worked on. */
const MEM_LEVEL = 9;

/** Makes a gzip member of `data` in `target`, which has room, and tells its size; level 0 to 9. By its bytes and the level alone. */
export type MemberMaker = (data: Buffer, level: number, target: Buffer) => Promise<number>;

/** A piece on its way: what becomes of it, or that it is stored. */
interface Job {
  readonly data: Buffer;
  readonly sizeBytes: number;
  readonly done: Promise<Buffer> | "stored";
  readonly last: boolean;
}

export interface CompressorOptions {
  readonly compression: "gzip" | "zstd";
  /** gzip 0-9, by default what each piece is worth ({@link gzipLevelFor}); zstd 1-19, by default 3. */
  readonly level?: number | undefined;
  /** Somebody faster than zlib, for gzip; must not be gone before `finish` or a failure. */
  readonly member?: MemberMaker | undefined;
  /** Pieces worked on at once. Defaults to 4, as many as the thread pool has threads. */
  readonly parallel?: number | undefined;
  /** Takes the output, in order; a chunk is not to be kept once it returns. */
  readonly write: (chunk: Buffer) => void;
}

/** Compresses what is given to `push`. Call `finish` once; both must be awaited one after the other. */
export class Compressor {
  readonly #options: CompressorOptions;
  readonly #pieceBytes: number;
  /** Undefined where pieces are parts of one member, or frames. */
  readonly #member: MemberMaker | undefined;
  /** Pieces are parts of one member. */
  readonly #isOne: boolean;
  readonly #jobs: Job[] = [];
  /** Buffers whose pieces are done: new memory, zeroed by the kernel, costs as much as filling it. */
  readonly #spare: Buffer[] = [];
  /** Where members were made that are written. */
  readonly #targets: Buffer[] = [];
  /** Where stored pieces get their headers, one after the other. */
  #stored: Buffer | undefined;
  #piece: Buffer | undefined;
  #filled = 0;
  #window: Buffer | undefined;
  #crc = 0;
  #size = 0;
  #pieces = 0;

  constructor(options: CompressorOptions) {
    this.#options = options;
    this.#pieceBytes = PIECE_BYTES[options.compression];
    this.#member = options.compression === "gzip" ? options.member : undefined;
    this.#isOne = options.compression === "gzip" && this.#member === undefined;
    if (this.#isOne) options.write(GZIP_HEADER);
  }

  /** Takes a chunk, which may be reused once this returns; waits while too many pieces are under way. */
  async push(chunk: Buffer): Promise<void> {
    if (this.#isOne) this.#crc = crc32(chunk, this.#crc);
    this.#size += chunk.length;
    for (let at = 0; at < chunk.length;) {
      // A full piece is kept until more comes: the last one must know that it is.
      if (this.#filled === this.#pieceBytes) await this.#submit(false);
      this.#piece ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#pieceBytes);
      const size = Math.min(this.#pieceBytes - this.#filled, chunk.length - at);
      chunk.copy(this.#piece, this.#filled, at, at + size);
      this.#filled += size;
      at += size;
    }
  }

  async finish(): Promise<void> {
    if (this.#options.compression === "gzip" || this.#filled > 0 || this.#pieces === 0) await this.#submit(true);
    while (this.#jobs.length > 0) await this.#drainOne();
    if (!this.#isOne) return;
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#crc, 0);
    trailer.writeUInt32LE(this.#size % 2 ** 32, 4);
    this.#options.write(trailer);
  }

  async #submit(last: boolean): Promise<void> {
    if (this.#jobs.length >= (this.#options.parallel ?? 4)) await this.#drainOne();
    const buffer = this.#piece ?? Buffer.alloc(0);
    const data = buffer.subarray(0, this.#filled);
    const done = this.#isStored(data) ? "stored" : this.#compress(data, last);
    // A failure is reported when its turn comes.
    if (done !== "stored") done.catch(() => undefined);
    this.#jobs.push({ data: buffer, sizeBytes: this.#filled, done, last });
    if (this.#isOne) this.#window = Buffer.from(data.subarray(Math.max(0, data.length - WINDOW)));
    this.#piece = undefined;
    this.#filled = 0;
    this.#pieces++;
  }

  /** A level of gzip that somebody chose is kept whatever comes of it. */
  #isStored(data: Buffer): boolean {
    const { compression, level } = this.#options;
    const isOpen = compression === "gzip" ? level === undefined : (level ?? ZSTD_LEVEL) <= ZSTD_NEAR_LEVEL;
    return isOpen && isWorthStoring(data);
  }

  #compress(data: Buffer, last: boolean): Promise<Buffer> {
    const { compression, level } = this.#options;
    if (this.#member !== undefined) return this.#makeMember(this.#member, data, level ?? memberLevelFor(data));
    return compression === "gzip"
      ? deflatePiece(data, level ?? gzipLevelFor(data), this.#window, last)
      : zstdPiece(data, level ?? ZSTD_LEVEL);
  }

  async #makeMember(make: MemberMaker, data: Buffer, level: number): Promise<Buffer> {
    const isFull = data.length === this.#pieceBytes;
    const target = (isFull ? this.#targets.pop() : undefined) ?? Buffer.allocUnsafeSlow(data.length + GROWTH);
    return target.subarray(0, await make(data, level, target));
  }

  async #drainOne(): Promise<void> {
    const { data, sizeBytes, done, last } = this.#jobs.shift()!;
    const made = done === "stored" ? this.#store(data.subarray(0, sizeBytes), last) : await done;
    this.#options.write(made);
    if (data.length === this.#pieceBytes) this.#spare.push(data);
    const isFullMember = this.#member !== undefined && made.buffer.byteLength === this.#pieceBytes + GROWTH;
    if (isFullMember) this.#targets.push(Buffer.from(made.buffer));
  }

  #store(data: Buffer, last: boolean): Buffer {
    this.#stored ??= Buffer.allocUnsafeSlow(storedBytes(this.#pieceBytes));
    if (this.#member !== undefined) return storeMember(data, this.#stored);
    return this.#options.compression === "gzip"
      ? storeDeflate(data, last, this.#stored)
      : storeZstd(data, this.#stored);
  }
}

function deflatePiece(data: Buffer, level: number, dictionary: Buffer | undefined, last: boolean): Promise<Buffer> {
  const finishFlush = last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const options = {
    level,
    memLevel: MEM_LEVEL,
    finishFlush,
    chunkSize: 256 * 1024,
    ...(dictionary?.length ? { dictionary } : {}),
  };
  deflateRaw(data, options, (error, result) => (error === null ? resolve(result) : reject(error)));
  return promise;
}

function zstdPiece(data: Buffer, level: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  zstdCompress(data, { params, chunkSize: PIECE_BYTES.zstd + GROWTH }, (error, result) =>
    error === null ? resolve(result) : reject(error),
  );
  return promise;
}

/**
 * The decompressed bytes of a stream, in chunks of up to 256 KiB; the work happens on the thread pool, ahead of the reader.
 *
 * @throws BLOB_CORRUPT when the data does not decompress; what `source` throws.
 */
export async function* decompress(source: Readable, compression: Compression): AsyncGenerator<Buffer, void, void> {
  if (compression === "none") {
    yield* source as AsyncIterable<Buffer>;
    return;
  }
  let sourceError: unknown;
  source.once("error", (error) => (sourceError = error));
  const unpacker =
    compression === "gzip" ? createGunzip({ chunkSize: CHUNK }) : createZstdDecompress({ chunkSize: CHUNK });
  const piped = pipeline(source, unpacker, () => undefined);
  try {
    yield* piped as AsyncIterable<Buffer>;
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    const code = (error as { code?: unknown }).code;
    if (typeof code !== "string" || !/^(Z_|ZSTD_|ERR_ZSTD|ERR_ZLIB)/i.test(code)) throw error;
    throw new BuildError(`${compression} data is corrupt: ${(error as Error).message}`, {
      code: "BLOB_CORRUPT",
      status: "DataLoss",
      cause: error,
    });
  } finally {
    source.destroy();
    unpacker.destroy();
  }
}

const CHUNK = 256 * 1024;
