// The digest of one file, link or folder header: a legacy tar header's fields as text, extended attributes, then the content.
// Times do not count. Device numbers are always 0: a quirk of a mode test in BuildKit, kept because caches are exchanged.
// Counterpart: moby/buildkit cache/contenthash/{filehash,tarsum}.go.

import { createHash, hash as hashOf, type Hash } from "node:crypto";
import * as fs from "node:fs";
import { type ByteString, type Digest, fsPath } from "../../base/index.ts";
import { getXattr, listXattrs } from "../../system/linux/index.ts";
import { type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "./overlay-form.ts";

/** What of a file counts besides its content. */
export interface EntryHeader {
  /** st_mode, with the kind. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a regular file; ignored for others. */
  readonly sizeBytes: number;
  /** Of a symlink. */
  readonly linkname: ByteString;
  /** By full name; those of the host's security policy are left out here. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

const NONE: ReadonlyMap<string, Uint8Array> = new Map();
const KIND_FLAGS = new Map([
  [S_IFDIR, "5"],
  [S_IFLNK, "2"],
  [S_IFIFO, "6"],
  [S_IFCHR, "3"],
  [S_IFBLK, "4"],
]);

/** A hash that has taken the header; a regular file's content comes next. */
export function startEntryHash(header: EntryHeader): Hash {
  const hash = createHash("sha256").update(textOf(header), "latin1");
  if (header.xattrs.size > 0) {
    for (const name of [...header.xattrs.keys()].toSorted((one, two) => (one < two ? -1 : 1))) {
      if (name !== "security.capability" && /^(security|system)\./.test(name)) continue;
      hash.update(name, "latin1").update(header.xattrs.get(name)!);
    }
  }
  return hash;
}

function textOf(header: Omit<EntryHeader, "linkname" | "xattrs"> & Partial<Pick<EntryHeader, "linkname">>): string {
  const kind = header.mode & S_IFMT;
  const bits = kind === S_IFLNK ? 0o777 : header.mode & 0o7777;
  const size = kind === S_IFREG ? header.sizeBytes : 0;
  const flag = KIND_FLAGS.get(kind) ?? "0";
  const link = kind === S_IFLNK ? (header.linkname ?? "") : "";
  return (
    `namemode${bits}uid${header.uid}gid${header.gid}size${size}typeflag${flag}` +
    `linkname${link}unamegnamedevmajor0devminor0`
  );
}

export interface EntryDigestOptions {
  /** Owner to count instead of the file's own. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Attributes count. Defaults to true. */
  readonly xattrs?: boolean | undefined;
  /** Aborting stops in the middle of a file. */
  readonly context?: JobContext | undefined;
}

const chunk = Buffer.allocUnsafeSlow(256 * 1024);

/** The digest of what is at `path` (a folder: its header alone). @throws as node's fs. */
export function entryDigest(
  path: ByteString,
  stat: fs.Stats | fs.BigIntStats,
  options: EntryDigestOptions = {},
): Digest {
  const real = fsPath(path);
  const mode = Number(stat.mode);
  const kind = mode & S_IFMT;
  const header: EntryHeader = {
    mode,
    uid: options.owner?.uid ?? Number(stat.uid),
    gid: options.owner?.gid ?? Number(stat.gid),
    sizeBytes: Number(stat.size),
    linkname: kind === S_IFLNK ? fs.readlinkSync(real, "latin1") : "",
    xattrs: options.xattrs === false ? NONE : readXattrs(real),
  };
  const small = kind === S_IFREG && header.xattrs.size === 0 ? smallDigest(real, header) : undefined;
  if (small !== undefined) return small;
  const hash = startEntryHash(header);
  if (kind === S_IFREG && Number(stat.size) > 0) {
    const fd = fs.openSync(real, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
    try {
      for (let read = 1; read > 0;) {
        if (options.context !== undefined) throwIfAborted(options.context);
        read = fs.readSync(fd, chunk, 0, chunk.length, null);
        if (read > 0) hash.update(chunk.subarray(0, read));
      }
    } finally {
      fs.closeSync(fd);
    }
  }
  return `sha256:${hash.digest("hex")}` as Digest;
}

/** The digest of a file that one call reads, in one call more; undefined for others. */
function smallDigest(real: string | Buffer, header: EntryHeader): Digest | undefined {
  return smallFileDigest(header, (into, at) => {
    if (header.sizeBytes === 0) return 0;
    const fd = fs.openSync(real, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
    try {
      return fs.readSync(fd, into, at, into.length - at, null);
    } finally {
      fs.closeSync(fd);
    }
  });
}

/**
 * The digest of a regular file without attributes, where one call reads it: `read` puts what is in it into a buffer, from a place on, and says how much
 * that was. Undefined where it is not as much as the header says, or that is too much.
 */
export function smallFileDigest(
  header: Omit<EntryHeader, "linkname" | "xattrs">,
  read: (into: Buffer, at: number) => number,
): Digest | undefined {
  const start = chunk.write(textOf(header), "latin1");
  if (header.sizeBytes >= chunk.length - start) return undefined;
  const size = read(chunk, start);
  // Fewer or more bytes than it has: read as it comes.
  if (size !== header.sizeBytes) return undefined;
  return `sha256:${hashOf("sha256", chunk.subarray(0, start + size), "hex")}` as Digest;
}

function readXattrs(real: string | Buffer): ReadonlyMap<string, Uint8Array> {
  const names = listXattrs(real);
  if (names.length === 0) return NONE;
  const found = new Map<string, Uint8Array>();
  for (const name of names) {
    const value = getXattr(real, name);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

/** sha256 over parts, as the digests of lists are made: strings are taken as bytes. */
export function listDigest(parts: Iterable<string>): Digest {
  const hash = createHash("sha256");
  // Each call costs more than hashing the few bytes of a part.
  let text = "";
  for (const part of parts) {
    text += part;
    if (text.length < 64 * 1024) continue;
    hash.update(text, "latin1");
    text = "";
  }
  hash.update(text, "latin1");
  return `sha256:${hash.digest("hex")}` as Digest;
}
