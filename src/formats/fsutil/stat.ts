// One entry of a folder as file sync sends it, read and written by hand: a context has a hundred thousand of them. Paths are bytes;
// the generated codec would refuse those that are no UTF-8. Counterpart: tonistiigi/fsutil types/stat.proto, validator.go ComparePath.

import type { ByteString } from "../../base/index.ts";
import { type WireReader, WireWriter } from "./wire.ts";

export interface FileStat {
  /** Relative to the folder, with slashes. */
  readonly path: ByteString;
  /** Go's FileMode bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** A symlink's target; of a hard link, the path of the entry that it is the same as. */
  readonly linkname: ByteString;
  readonly devmajor: number;
  readonly devminor: number;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array> | undefined;
}

/** @throws RangeError for bytes that are no message. */
export function decodeStat(reader: WireReader): FileStat {
  let path = "";
  let mode = 0;
  let uid = 0;
  let gid = 0;
  let size = 0;
  let mtimeNs = 0n;
  let linkname = "";
  let devmajor = 0;
  let devminor = 0;
  let xattrs: Map<ByteString, Uint8Array> | undefined;
  while (!reader.done) {
    const tag = reader.varint();
    switch (tag) {
      case 0x0a:
        path = reader.text();
        break;
      case 0x10:
        mode = reader.varint() >>> 0;
        break;
      case 0x18:
        uid = reader.varint();
        break;
      case 0x20:
        gid = reader.varint();
        break;
      case 0x28:
        size = reader.varint();
        break;
      case 0x30:
        mtimeNs = reader.int64();
        break;
      case 0x3a:
        linkname = reader.text();
        break;
      case 0x40:
        devmajor = reader.varint();
        break;
      case 0x48:
        devminor = reader.varint();
        break;
      case 0x52:
        readXattr(reader.message(), (xattrs ??= new Map()));
        break;
      default:
        reader.skip(tag);
    }
  }
  return { path, mode, uid, gid, size, mtimeNs, linkname, devmajor, devminor, xattrs };
}

/** The message's bytes. */
export function encodeStatBody(stat: FileStat): Uint8Array {
  const writer = new WireWriter();
  writer.text(0x0a, stat.path);
  writer.number(0x10, stat.mode);
  writer.number(0x18, stat.uid);
  writer.number(0x20, stat.gid);
  writer.number(0x28, stat.size);
  writer.bigint(0x30, stat.mtimeNs);
  writer.text(0x3a, stat.linkname);
  writer.number(0x40, stat.devmajor);
  writer.number(0x48, stat.devminor);
  for (const [name, value] of stat.xattrs ?? []) {
    const entry = new WireWriter();
    entry.text(0x0a, name);
    entry.bytes(0x12, value);
    writer.bytes(0x52, entry.finish());
  }
  return writer.finish();
}

/** Order of a walk: by bytes, a slash before everything, so that a folder's entries follow it at once. */
export function comparePaths(one: ByteString, two: ByteString): number {
  const length = Math.min(one.length, two.length);
  for (let at = 0; at < length; at++) {
    const a = one.charCodeAt(at);
    const b = two.charCodeAt(at);
    if (a === b) continue;
    if (a === 0x2f) return -1;
    if (b === 0x2f) return 1;
    return a - b;
  }
  return one.length - two.length;
}

function readXattr(reader: WireReader, into: Map<ByteString, Uint8Array>): void {
  let name = "";
  let value: Uint8Array = new Uint8Array();
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 0x0a) name = reader.text();
    else if (tag === 0x12) value = new Uint8Array(reader.bytes());
    else reader.skip(tag);
  }
  into.set(name, value);
}
