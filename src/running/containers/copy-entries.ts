// Entries of a tree on their way into or out of a container, and the tar that everybody else has. The other half is
// native/supervisor/copy.c: head, path, a link's target, the file's bytes; numbers little-endian.

import { BuildError } from "../../base/index.ts";
import { encodeHeader, paddingAfter, plainEntry, TAR_END, TarReader } from "../../formats/archive/index.ts";
import type { EntryType, TarEntry } from "../../formats/archive/index.ts";

const HEAD = 52;
const MAX_PATH_BYTES = 65_536;
const NODE_BITS: Partial<Record<EntryType, number>> = { char: 0o020000, block: 0o060000, fifo: 0o010000 };
const LETTERS: Readonly<Record<EntryType, string>> = {
  file: "f",
  dir: "d",
  symlink: "l",
  hardlink: "h",
  char: "n",
  block: "n",
  fifo: "n",
};

export interface Entry {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly major: number;
  readonly minor: number;
  readonly mtimeNs: bigint;
  readonly size: number;
  /** Byte strings. */
  readonly path: string;
  readonly link: string;
}

/** Takes entries apart as their bytes come; a file's bytes are given as they come. @throws COPY_FAILED with the program's words. */
export class EntryReader {
  #rest: Buffer = Buffer.alloc(0);
  #left = 0;
  /** The end mark has come: what was to be sent is whole. */
  ended = false;

  *push(chunk: Buffer): Iterable<{ readonly entry: Entry } | { readonly data: Buffer; readonly isLast: boolean }> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      if (this.#left > 0) {
        if (bytes.length === 0) break;
        const data = bytes.subarray(0, this.#left);
        bytes = bytes.subarray(data.length);
        this.#left -= data.length;
        yield { data, isLast: this.#left === 0 };
        continue;
      }
      if (bytes.length < HEAD) break;
      const entry = readHead(bytes);
      const total = HEAD + entry.pathSize + entry.linkSize;
      if (bytes.length < total) break;
      const path = bytes.toString("latin1", HEAD, HEAD + entry.pathSize);
      const link = bytes.toString("latin1", HEAD + entry.pathSize, total);
      bytes = bytes.subarray(total);
      if (entry.type === "e") {
        this.ended = true;
        continue;
      }
      if (entry.type === "x") throw copyFailed(Buffer.from(path, "latin1").toString("utf8"));
      this.#left = entry.type === "f" ? entry.size : 0;
      yield { entry: { ...entry, path, link } };
    }
    this.#rest = bytes;
  }
}

/** The tar of entries: whole, with its end. */
export async function* tarOf(chunks: AsyncIterable<Buffer>): AsyncIterable<Uint8Array> {
  const reader = new EntryReader();
  let size = 0;
  for await (const chunk of chunks) {
    for (const part of reader.push(chunk)) {
      if ("entry" in part) {
        const tar = tarEntryOf(part.entry);
        size = tar.size;
        yield encodeHeader(tar);
      } else {
        yield part.data;
        if (part.isLast && paddingAfter(size) > 0) yield Buffer.alloc(paddingAfter(size));
      }
    }
  }
  if (!reader.ended) throw copyFailed("cut short");
  yield TAR_END;
}

/** The entries of a tar, with their end mark. Owners are replaced where some are given. */
export async function* entriesOf(
  tar: AsyncIterable<Uint8Array>,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): AsyncIterable<Buffer> {
  let ready: Buffer[] = [];
  const reader = new TarReader({
    entry: (entry) => {
      const path = cleanPath(entry.path);
      // The folder itself is there already.
      if (path === "") {
        if (entry.size > 0) throw copyFailed("a file without a name");
        return;
      }
      ready.push(writeHead({ ...entry, ...owner }, path));
    },
    data: (chunk) => void ready.push(Buffer.from(chunk)),
    end: () => {},
  });
  for await (const chunk of tar) {
    reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    yield* ready;
    ready = [];
  }
  reader.finish();
  yield* ready;
  yield Buffer.concat([Buffer.from("e"), Buffer.alloc(HEAD - 1)]);
}

/** Names that climb are refused: no honest tar has them. */
function cleanPath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw copyFailed(`${JSON.stringify(path.slice(0, 200))} leads out of the folder`);
  const clean = parts.join("/");
  if (clean.length >= MAX_PATH_BYTES) throw copyFailed("a name is too long");
  return clean;
}

function writeHead(entry: TarEntry, path: string): Buffer {
  const link = entry.type === "hardlink" ? cleanPath(entry.linkname) : entry.linkname;
  if (link.length >= MAX_PATH_BYTES) throw copyFailed("a link is too long");
  const head = Buffer.alloc(HEAD);
  head.write(LETTERS[entry.type], 0, "latin1");
  head.writeUInt32LE((entry.mode & 0o7777) | (NODE_BITS[entry.type] ?? 0), 4);
  head.writeUInt32LE(entry.uid >>> 0, 8);
  head.writeUInt32LE(entry.gid >>> 0, 12);
  head.writeUInt32LE(entry.devMajor >>> 0, 16);
  head.writeUInt32LE(entry.devMinor >>> 0, 20);
  head.writeUInt32LE(path.length, 24);
  head.writeUInt32LE(link.length, 28);
  const billion = 1_000_000_000n;
  const nanoseconds = ((entry.mtimeNs % billion) + billion) % billion;
  head.writeBigInt64LE((entry.mtimeNs - nanoseconds) / billion, 32);
  head.writeUInt32LE(Number(nanoseconds), 40);
  head.writeBigUInt64LE(BigInt(entry.size), 44);
  return Buffer.concat([head, Buffer.from(path, "latin1"), Buffer.from(link, "latin1")]);
}

function readHead(bytes: Buffer): Omit<Entry, "path" | "link"> & { pathSize: number; linkSize: number } {
  return {
    type: String.fromCharCode(bytes[0]!),
    mode: bytes.readUInt32LE(4),
    uid: bytes.readUInt32LE(8),
    gid: bytes.readUInt32LE(12),
    major: bytes.readUInt32LE(16),
    minor: bytes.readUInt32LE(20),
    pathSize: bytes.readUInt32LE(24),
    linkSize: bytes.readUInt32LE(28),
    mtimeNs: bytes.readBigInt64LE(32) * 1_000_000_000n + BigInt(bytes.readUInt32LE(40)),
    size: Number(bytes.readBigUInt64LE(44)),
  };
}

function tarEntryOf(entry: Entry): TarEntry {
  const kind = entry.mode & 0o170000;
  const nodes: Readonly<Record<number, EntryType>> = { 0o020000: "char", 0o060000: "block", 0o010000: "fifo" };
  const types: Readonly<Record<string, EntryType>> = { f: "file", d: "dir", l: "symlink", h: "hardlink" };
  return plainEntry({
    path: entry.path,
    type: types[entry.type] ?? nodes[kind] ?? "fifo",
    mode: entry.mode & 0o7777,
    uid: entry.uid,
    gid: entry.gid,
    mtimeNs: entry.mtimeNs,
    size: entry.type === "f" ? entry.size : 0,
    linkname: entry.link,
    devMajor: entry.major,
    devMinor: entry.minor,
  });
}

export function copyFailed(reason: string): BuildError {
  return new BuildError(reason, { code: "COPY_FAILED", status: "InvalidArgument" });
}
