// A tar parser fed with chunks of any size; it calls back synchronously, so a worker can unpack as it reads. Understood: ustar,
// v7, pax (local and global records, xattrs, sub-second times), GNU long names and base-256 numbers. Sparse files are refused.
// Limits: extension headers of at most 1 MiB, sizes below 2^53. Anything malformed is TAR_INVALID, never a guess.
// Spec: POSIX.1-2017 pax; GNU tar manual "Basic Tar Format". Counterpart: Go archive/tar reader.go.

import { BuildError, type ByteString } from "../../base/index.ts";
import { BLOCK, type EntryType, NO_XATTRS, type TarEntry } from "./entry.ts";

const MAX_EXTENSION_BYTES = 1024 * 1024;
const XATTR = "SCHILY.xattr.";

/** Receives the archive's parts in order. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** Data of the entry announced last; valid only during the call. */
  data(chunk: Buffer): void;
  /** All data of the entry announced last has been given. */
  end(): void;
}

type PaxRecords = Map<string, string>;

/** @throws TAR_INVALID from `push` and `finish`; whatever the handler throws. */
export class TarReader {
  readonly #handler: TarHandler;
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #state: "header" | "data" | "extension" | "padding" | "end" = "header";
  #remaining = 0;
  #padding = 0;
  #zeroBlocks = 0;
  #extension: Buffer = Buffer.alloc(0);
  #extensionType = "";
  #extensionFilled = 0;
  #global: PaxRecords = new Map();
  #local: PaxRecords | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /** Takes the next bytes of the archive. Bytes after the end mark are ignored. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#state !== "end") {
      switch (this.#state) {
        case "header":
          at = this.#takeHeader(chunk, at);
          break;
        case "data": {
          const size = Math.min(this.#remaining, chunk.length - at);
          this.#handler.data(chunk.subarray(at, at + size));
          at += size;
          this.#remaining -= size;
          if (this.#remaining === 0) this.#endData();
          break;
        }
        case "extension": {
          const size = Math.min(this.#remaining, chunk.length - at);
          chunk.copy(this.#extension, this.#extensionFilled, at, at + size);
          at += size;
          this.#extensionFilled += size;
          this.#remaining -= size;
          if (this.#remaining === 0) this.#endExtension();
          break;
        }
        case "padding": {
          const size = Math.min(this.#padding, chunk.length - at);
          at += size;
          this.#padding -= size;
          if (this.#padding === 0) this.#state = "header";
          break;
        }
      }
    }
  }

  /** Says that no more bytes come. A missing end mark is accepted, a cut entry is not. */
  finish(): void {
    const whole = this.#state === "end" || (this.#state === "header" && this.#filled === 0);
    if (!whole && this.#state !== "padding") throw invalid("unexpected end of archive");
    if (this.#local !== undefined || this.#longName !== undefined || this.#longLink !== undefined) {
      throw invalid("an extended header without its entry at the end of the archive");
    }
  }

  #takeHeader(chunk: Buffer, at: number): number {
    if (this.#filled === 0 && chunk.length - at >= BLOCK) {
      this.#header(chunk, at);
      return at + BLOCK;
    }
    const size = Math.min(BLOCK - this.#filled, chunk.length - at);
    chunk.copy(this.#block, this.#filled, at, at + size);
    this.#filled += size;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#header(this.#block, 0);
    }
    return at + size;
  }

  #header(buffer: Buffer, at: number): void {
    if (!checkSum(buffer, at)) {
      if (!isZero(buffer, at)) throw invalid("invalid header checksum");
      if (++this.#zeroBlocks === 2) this.#state = "end";
      return;
    }
    this.#zeroBlocks = 0;
    const flag = String.fromCharCode(buffer[at + 156]!);
    const size = number(buffer, at + 124, 12);
    if (flag === "x" || flag === "g" || flag === "L" || flag === "K") {
      this.#startExtension(flag, size);
      return;
    }
    this.#entry(buffer, at, flag, size);
  }

  #startExtension(flag: string, size: number): void {
    if (size > MAX_EXTENSION_BYTES) throw invalid(`an extended header of ${size} bytes`);
    this.#extensionType = flag;
    this.#extension = Buffer.alloc(size);
    this.#extensionFilled = 0;
    this.#remaining = size;
    this.#padding = pad(size);
    this.#state = "extension";
    if (size === 0) this.#endExtension();
  }

  #endExtension(): void {
    const data = this.#extension;
    this.#state = this.#padding > 0 ? "padding" : "header";
    switch (this.#extensionType) {
      case "L":
        this.#longName = text(data, 0, data.length);
        break;
      case "K":
        this.#longLink = text(data, 0, data.length);
        break;
      case "g":
        this.#global = new Map([...this.#global, ...parsePax(data)]);
        break;
      default:
        this.#local = parsePax(data);
    }
  }

  #endData(): void {
    this.#handler.end();
    this.#state = this.#padding > 0 ? "padding" : "header";
  }

  #entry(buffer: Buffer, at: number, flag: string, headerSize: number): void {
    const records = this.#records();
    const get = (key: string): string | undefined => records?.get(key) || undefined;
    const longName = this.#longName;
    const longLink = this.#longLink;
    this.#local = this.#longName = this.#longLink = undefined;

    const path = get("path") ?? longName ?? headerPath(buffer, at);
    const type = entryType(flag, path);
    if (type === undefined) {
      if (flag === "S") throw refused(path);
      // Volume labels and unknown vendor types: nothing to unpack, their data is skipped.
      this.#padding = decimal(get("size"), headerSize) + pad(decimal(get("size"), headerSize));
      if (this.#padding > 0) this.#state = "padding";
      return;
    }
    if (records !== undefined) for (const key of records.keys()) if (key.startsWith("GNU.sparse.")) throw refused(path);
    // Only files carry data; a size in any other header is an old habit and means nothing (POSIX says so for links).
    const size = type === "file" ? decimal(get("size"), headerSize) : 0;
    const device = type === "char" || type === "block";
    const trimmed = path.length > 1 && path.endsWith("/") ? path.replace(/\/+$/, "") : path;
    this.#handler.entry({
      path: trimmed === "" ? "/" : trimmed,
      type,
      mode: number(buffer, at + 100, 8) & 0o7777,
      uid: decimal(get("uid"), number(buffer, at + 108, 8)),
      gid: decimal(get("gid"), number(buffer, at + 116, 8)),
      mtimeNs: time(get("mtime"), number(buffer, at + 136, 12)),
      size,
      linkname:
        type === "symlink" || type === "hardlink" ? (get("linkpath") ?? longLink ?? text(buffer, at + 157, 100)) : "",
      devMajor: device ? number(buffer, at + 329, 8) : 0,
      devMinor: device ? number(buffer, at + 337, 8) : 0,
      xattrs: xattrsOf(records),
    });
    this.#remaining = size;
    this.#padding = pad(size);
    if (size > 0) this.#state = "data";
    else this.#endData();
  }

  #records(): PaxRecords | undefined {
    if (this.#global.size === 0) return this.#local;
    return this.#local === undefined ? this.#global : new Map([...this.#global, ...this.#local]);
  }
}

function entryType(flag: string, path: string): EntryType | undefined {
  switch (flag) {
    case "0":
    case "\0":
    case "7":
      return flag === "\0" && path.endsWith("/") ? "dir" : "file";
    case "1":
      return "hardlink";
    case "2":
      return "symlink";
    case "3":
      return "char";
    case "4":
      return "block";
    case "5":
    case "D":
      return "dir";
    case "6":
      return "fifo";
    default:
      return undefined;
  }
}

function headerPath(buffer: Buffer, at: number): string {
  const name = text(buffer, at, 100);
  // Only ustar has a prefix; GNU's magic ("ustar  ") puts times there.
  if (buffer.toString("latin1", at + 257, at + 263) !== "ustar\0") return name;
  const prefix = text(buffer, at + 345, 155);
  return prefix === "" ? name : `${prefix}/${name}`;
}

function parsePax(data: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  for (let at = 0; at < data.length;) {
    const space = data.indexOf(0x20, at);
    if (space < 0 || space - at > 10) throw invalid("malformed pax record");
    const digits = data.toString("latin1", at, space);
    const size = /^[0-9]+$/.test(digits) ? Number(digits) : 0;
    const end = at + size;
    const equals = data.indexOf(0x3d, space);
    if (size <= digits.length + 2 || end > data.length || data[end - 1] !== 0x0a || equals < 0 || equals >= end) {
      throw invalid("malformed pax record");
    }
    const key = data.toString("latin1", space + 1, equals);
    const value = data.toString("latin1", equals + 1, end - 1);
    if (key === "" || (!key.startsWith(XATTR) && value.includes("\0"))) throw invalid("malformed pax record");
    records.set(key, value);
    at = end;
  }
  return records;
}

function xattrsOf(records: PaxRecords | undefined): ReadonlyMap<string, Buffer> {
  let xattrs: Map<string, Buffer> | undefined;
  if (records !== undefined) {
    for (const [key, value] of records) {
      if (key.startsWith(XATTR)) (xattrs ??= new Map()).set(key.slice(XATTR.length), Buffer.from(value, "latin1"));
    }
  }
  return xattrs ?? NO_XATTRS;
}

function checkSum(buffer: Buffer, at: number): boolean {
  let unsigned = 256;
  let signed = 256;
  for (let index = at; index < at + BLOCK; index++) {
    if (index === at + 148) index += 8;
    const byte = buffer[index]!;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  if (unsigned === 256) return false;
  const stored = number(buffer, at + 148, 8);
  return stored === unsigned || stored === signed;
}

function isZero(buffer: Buffer, at: number): boolean {
  for (let index = at; index < at + BLOCK; index++) if (buffer[index] !== 0) return false;
  return true;
}

function text(buffer: Buffer, at: number, size: number): ByteString {
  const nul = buffer.subarray(at, at + size).indexOf(0);
  return buffer.toString("latin1", at, nul < 0 ? at + size : at + nul);
}

function number(buffer: Buffer, at: number, size: number): number {
  if (buffer[at]! >= 0x80) {
    // Base 256: the top bit marks it, the next is the sign.
    let value = BigInt(buffer[at]! & 0x7f);
    if (value & 0x40n) value -= 0x80n;
    for (let index = at + 1; index < at + size; index++) value = value * 256n + BigInt(buffer[index]!);
    const plain = Number(value);
    if (!Number.isSafeInteger(plain)) throw invalid("a number too large in a header");
    return plain;
  }
  let value = 0;
  let digits = 0;
  for (let index = at; index < at + size; index++) {
    const byte = buffer[index]!;
    if (byte >= 0x30 && byte <= 0x37) {
      value = value * 8 + byte - 0x30;
      digits++;
    } else if (byte === 0 || byte === 0x20) {
      if (digits > 0) break;
    } else {
      throw invalid("a malformed number in a header");
    }
  }
  return value;
}

function decimal(value: string | undefined, otherwise: number): number {
  if (value === undefined) {
    if (otherwise < 0) throw invalid("a negative number in a header");
    return otherwise;
  }
  const parsed = Number(value);
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(parsed)) throw invalid("a malformed number in a pax record");
  return parsed;
}

function time(value: string | undefined, seconds: number): bigint {
  if (value === undefined) return BigInt(seconds) * 1_000_000_000n;
  const match = /^(-?)([0-9]{1,18})(?:\.([0-9]*))?$/.exec(value);
  if (match === null) throw invalid("a malformed time in a pax record");
  const nanoseconds = BigInt(match[2]!) * 1_000_000_000n + BigInt((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  return match[1] === "-" ? -nanoseconds : nanoseconds;
}

function pad(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function invalid(what: string): BuildError {
  return new BuildError(`invalid tar archive: ${what}`, { code: "TAR_INVALID", status: "InvalidArgument" });
}

function refused(path: string): BuildError {
  return new BuildError(`tar archive holds a sparse file, which is not supported: ${path.slice(0, 200)}`, {
    code: "TAR_SPARSE",
    status: "Unimplemented",
    hint: "create the archive without --sparse",
  });
}
