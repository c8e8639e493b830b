// Pieces of a layer that no search makes smaller (archives, pictures, keys) are stored as they are: what a compressor would make of them
// after it had read every byte. Spec: RFC 1951 section 3.2.4, RFC 8878 sections 3.1.1.1 and 3.1.1.2.

import { constants, crc32, zstdCompressSync } from "node:zlib";
import { byteEntropy, COMPRESSED_BITS } from "./gzip-level.ts";

/** Of a piece, in one part: where bytes are spread evenly, but the same ones come again and again, a compressor finds that in it. */
const LONG_SHARE = 1 / 16;
/** And in each of some parts from all over: a piece is seldom alike everywhere. */
const SHORT_SHARE = 1 / 64;
const SHORT_PARTS = 8;
/** What the trial has to gain for the piece to be compressed. */
const WORTH_SHARE = 1 / 256;
/** A smaller piece is compressed sooner than it is tried. */
const WORTH_TRYING_BYTES = 64 * 1024;

/** No name, no time, no system. */
export const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
const GZIP_TRAILER = 8;
const DEFLATE_BLOCK = 65_535;
const DEFLATE_HEADER = 5;
const ZSTD_BLOCK = 128 * 1024;
const ZSTD_BLOCK_HEADER = 3;
const ZSTD_FRAME_HEADER = 9;

/** Whether the piece is to be stored: by its bytes alone, so that equal layers stay equal. */
export function isWorthStoring(data: Buffer): boolean {
  if (data.length < WORTH_TRYING_BYTES || byteEntropy(data) <= COMPRESSED_BITS) return false;
  const [long, short] = [Math.floor(data.length * LONG_SHARE), Math.floor(data.length * SHORT_SHARE)];
  const parts = Array.from({ length: SHORT_PARTS }, (_, at) => partOf(data, short, (at + 0.5) / SHORT_PARTS));
  let [taken, tried] = [0, 0];
  for (const part of [partOf(data, long, 0.5), ...parts]) {
    const params = { [constants.ZSTD_c_compressionLevel]: 1 };
    taken += part.length;
    tried += zstdCompressSync(part, { params, chunkSize: part.length + 4096 }).length;
    if (tried <= taken * (1 - WORTH_SHARE)) return false;
  }
  return true;
}

/** `size` bytes; `at` is 0 for the first ones, 1 for the last. */
function partOf(data: Buffer, size: number, at: number): Buffer {
  const start = Math.floor((data.length - size) * at);
  return data.subarray(start, start + size);
}

/** More than any form adds to a piece. */
export function storedBytes(size: number): number {
  const blocks = DEFLATE_HEADER * (Math.ceil(size / DEFLATE_BLOCK) + 1);
  return size + blocks + ZSTD_FRAME_HEADER + GZIP_HEADER.length + GZIP_TRAILER;
}

/** Deflate's stored blocks, which begin and end at whole bytes. Writes them to `target`, which must have room, and returns that part of it. */
export function storeDeflate(data: Buffer, last: boolean, target: Buffer): Buffer {
  let to = 0;
  for (let at = 0; at < data.length;) {
    const size = Math.min(DEFLATE_BLOCK, data.length - at);
    to = target.writeUInt8(last && at + size === data.length ? 1 : 0, to);
    to = target.writeUInt16LE(size, to);
    to = target.writeUInt16LE(size ^ 0xffff, to);
    to += data.copy(target, to, at, at + size);
    at += size;
  }
  return target.subarray(0, to);
}

/** A gzip member of stored blocks. Writes it to `target`, which must have room, and returns that part of it. */
export function storeMember(data: Buffer, target: Buffer): Buffer {
  const start = GZIP_HEADER.copy(target);
  let to = start + storeDeflate(data, true, target.subarray(start)).length;
  to = target.writeUInt32LE(crc32(data), to);
  to = target.writeUInt32LE(data.length, to);
  return target.subarray(0, to);
}

/** One frame of raw blocks, which says how long its content is. Writes it to `target`, which must have room, and returns that part of it. */
export function storeZstd(data: Buffer, target: Buffer): Buffer {
  let to = target.writeUInt32LE(0xfd2fb528, 0);
  // The content is one segment, its size has four bytes, no checksum follows.
  to = target.writeUInt8(0b1010_0000, to);
  to = target.writeUInt32LE(data.length, to);
  for (let at = 0; at < data.length;) {
    const size = Math.min(ZSTD_BLOCK, data.length - at);
    const isLast = at + size === data.length;
    to = target.writeUIntLE((size << 3) | (isLast ? 1 : 0), to, ZSTD_BLOCK_HEADER);
    to += data.copy(target, to, at, at + size);
    at += size;
  }
  return target.subarray(0, to);
}
