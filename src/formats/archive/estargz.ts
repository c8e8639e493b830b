// eStargz: a gzipped tar in which each file's data begins a gzip member of its own, with a table of contents after it, so that clients
// may fetch single files. What decompresses is the tar as it was, then a tar that holds the table: the blob has a diffID of its own.
// Spec: stargz-snapshotter docs/estargz.md. Counterpart: containerd/stargz-snapshotter estargz.Writer AppendTarLossLess.

import { gzipSync } from "node:zlib";
import { byteString, Digester, digestOf, textOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { goJson } from "../oci/index.ts";
import { plainEntry, type TarEntry } from "./entry.ts";
import { encodeHeader, paddingAfter, TAR_END } from "./tar-writer.ts";

export interface EstargzOptions {
  /** 0 to 9; defaults to gzip's usual. */
  readonly level?: number | undefined;
  /** Receives the blob. */
  readonly write: (chunk: Buffer) => void;
}

export interface EstargzResult {
  /** Of all that decompresses, the table's tar included. */
  readonly diffId: Digest;
  readonly uncompressedSizeBytes: number;
  /** Of the table. */
  readonly tocDigest: Digest;
}

/** The name that no file in the layer may have. */
const TOC_NAME = "stargz.index.json";
const CHUNK = 4 * 1024 * 1024;
const TYPES = {
  file: "reg",
  dir: "dir",
  symlink: "symlink",
  hardlink: "hardlink",
  char: "char",
  block: "block",
  fifo: "fifo",
} as const;

interface TocEntry {
  name: string;
  type: string;
  size?: number | undefined;
  modtime?: string | undefined;
  linkName?: string | undefined;
  mode?: number | undefined;
  uid?: number | undefined;
  gid?: number | undefined;
  offset?: number | undefined;
  devMajor?: number | undefined;
  devMinor?: number | undefined;
  xattrs?: Map<string, Buffer> | undefined;
  digest?: string | undefined;
  chunkOffset?: number | undefined;
  chunkSize?: number | undefined;
  chunkDigest?: string | undefined;
}

interface OpenChunk {
  readonly entry: TocEntry;
  readonly digester: Digester;
  left: number;
}

/** Takes a tar piece by piece, headers apart from data. */
export class EstargzWriter {
  readonly #o: EstargzOptions;
  readonly #tar = new Digester();
  readonly #toc: TocEntry[] = [];
  #member: Buffer[] = [];
  #offset = 0;
  #file: { readonly first: TocEntry; readonly size: number; readonly digester: Digester; written: number } | undefined;
  #chunk: OpenChunk | undefined;

  constructor(options: EstargzOptions) {
    this.#o = options;
  }

  /** An entry's header blocks; a file's data comes next. @throws Error for the reserved name. */
  header(entry: TarEntry, bytes: Buffer): void {
    if (entry.path.replace(/^(?:\.?\/)+/, "") === TOC_NAME)
      throw new Error(`a file called ${TOC_NAME} can't be in an eStargz layer`);
    const toc: TocEntry = {
      name: textOf(entry.type === "dir" ? `${entry.path}/` : entry.path),
      type: TYPES[entry.type],
      size: entry.size || undefined,
      modtime: timeText(entry.mtimeNs),
      linkName: entry.linkname === "" ? undefined : textOf(entry.linkname),
      mode: entry.mode || undefined,
      uid: entry.uid || undefined,
      gid: entry.gid || undefined,
      offset: undefined,
      devMajor: entry.devMajor || undefined,
      devMinor: entry.devMinor || undefined,
      xattrs: entry.xattrs.size === 0 ? undefined : new Map(entry.xattrs),
      digest: undefined,
    };
    this.#toc.push(toc);
    this.raw(bytes);
    if (entry.type !== "file") return;
    this.#file = { first: toc, size: entry.size, digester: new Digester(), written: 0 };
    if (entry.size === 0) this.#endFile();
  }

  /** A part of the data of the file announced last. */
  data(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const chunk = (this.#chunk ??= this.#openChunk());
      const part = bytes.subarray(at, at + chunk.left);
      chunk.digester.update(part);
      chunk.left -= part.length;
      const file = this.#file!;
      file.digester.update(part);
      file.written += part.length;
      // The caller's buffer is used again.
      this.raw(Buffer.from(part));
      at += part.length;
      if (chunk.left > 0) continue;
      chunk.entry.chunkDigest = chunk.digester.digest();
      this.#chunk = undefined;
      if (file.written === file.size) this.#endFile();
    }
  }

  /** Bytes that are in no file: headers, padding, the end mark. */
  raw(bytes: Buffer): void {
    this.#tar.update(bytes);
    this.#member.push(bytes);
  }

  /** Writes the table and the footer. */
  finish(): EstargzResult {
    this.#closeMember();
    const json = JSON.stringify(JSON.parse(goJson({ version: 1, entries: this.#toc })), undefined, "\t");
    const toc = Buffer.from(
      json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`),
    );
    const at = this.#offset;
    this.raw(encodeHeader(tocHeader(toc.length)));
    this.raw(toc);
    this.raw(Buffer.concat([Buffer.alloc(paddingAfter(toc.length)), TAR_END]));
    this.#closeMember();
    this.#o.write(footer(at));
    return { diffId: this.#tar.digest(), uncompressedSizeBytes: this.#tar.sizeBytes, tocDigest: digestOf(toc) };
  }

  #openChunk(): OpenChunk {
    const file = this.#file;
    if (file === undefined) throw new Error("data without a file");
    const left = file.size - file.written;
    this.#closeMember();
    let entry = file.first;
    if (file.written > 0) {
      entry = { name: file.first.name, type: "chunk" };
      this.#toc.push(entry);
    }
    entry.offset = this.#offset || undefined;
    entry.chunkOffset = file.written || undefined;
    // As the original: the last chunk does not tell its size.
    entry.chunkSize = left >= CHUNK ? CHUNK : undefined;
    return { entry, digester: new Digester(), left: Math.min(left, CHUNK) };
  }

  #endFile(): void {
    this.#file!.first.digest = this.#file!.digester.digest();
    this.#file = undefined;
  }

  #closeMember(): void {
    if (this.#member.length === 0) return;
    const bytes = gzipSync(Buffer.concat(this.#member), { level: this.#o.level ?? 6 });
    this.#member = [];
    this.#offset += bytes.length;
    this.#o.write(bytes);
  }
}

function tocHeader(size: number): TarEntry {
  return plainEntry({ path: byteString(TOC_NAME), type: "file", mode: 0, size });
}

/** RFC 3339 in whole seconds; undefined for 1970, which the table leaves out. */
function timeText(ns: bigint): string | undefined {
  const seconds = Number((ns + 500_000_000n) / 1_000_000_000n);
  if (seconds === 0) return undefined;
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

/** An empty gzip member of 51 bytes that says where the table begins. */
function footer(offset: number): Buffer {
  const field = Buffer.from(`${offset.toString(16).padStart(16, "0")}STARGZ`);
  const extra = Buffer.concat([Buffer.from("SG"), Buffer.from([field.length, 0]), field]);
  return Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, extra.length, 0]),
    extra,
    // A stored block of nothing, the last; then checksum and length of nothing.
    Buffer.from([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
  ]);
}
