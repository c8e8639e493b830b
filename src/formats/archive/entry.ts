// What a tar archive holds, one entry at a time. Names are bytes (ByteString), times nanoseconds, modes the twelve lower bits.
// Spec: POSIX.1-2017 pax, ustar; GNU tar's long names; SCHILY.xattr records as GNU tar, Go and libarchive write them.

import type { ByteString } from "../../base/index.ts";

export type EntryType = "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";

export interface TarEntry {
  /** As written in the archive, without the trailing slash of a directory. Never checked: hostile until resolved. */
  readonly path: ByteString;
  readonly type: EntryType;
  /** Permission, setuid, setgid and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Bytes of data that follow; 0 for all but files. */
  readonly size: number;
  /** Target of a symlink, or the path of the entry a hardlink repeats. */
  readonly linkname: ByteString;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Extended attributes by full name, in the archive's order. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

/** A file or folder that no disk has: root's, of 1970 unless told otherwise, with nothing unusual. */
export function plainEntry(entry: Pick<TarEntry, "path" | "type" | "mode"> & Partial<TarEntry>): TarEntry {
  return { uid: 0, gid: 0, mtimeNs: 0n, size: 0, linkname: "", devMajor: 0, devMinor: 0, xattrs: NO_XATTRS, ...entry };
}

export const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map();
export const BLOCK = 512;
