// Extended attributes of files, never following a symlink. A file system without them reads as "has none".
// Spec: xattr(7).

import { errnoOf } from "../../base/index.ts";
import { call, callRaw, cstring, errnoError, lastErrno, type Path } from "./ffi.ts";

const ENODATA = 61;
const EOPNOTSUPP = 95;
const ERANGE = 34;
const buffer = Buffer.alloc(64 * 1024);
const names = new Map<string, Buffer>();

/** The value of one attribute, or undefined when the file or its file system has none. */
export function getXattr(path: Path, name: string): Buffer | undefined {
  const size = callRaw("lgetxattr", cstring(path), cname(name), buffer, buffer.length);
  if (size >= 0) return Buffer.from(buffer.subarray(0, size));
  const errno = lastErrno();
  if (errno === ENODATA || errno === EOPNOTSUPP) return undefined;
  throw errnoError(errno, "lgetxattr", path);
}

/** All attribute names, in the kernel's order. Names are ASCII by the kernel's own rules, or taken as latin-1. */
export function listXattrs(path: Path): string[] {
  const size = callRaw("llistxattr", cstring(path), buffer, buffer.length);
  if (size > 0) return buffer.toString("latin1", 0, size - 1).split("\0");
  if (size === 0) return [];
  const errno = lastErrno();
  if (errno === EOPNOTSUPP || errno === ERANGE) return [];
  throw errnoError(errno, "llistxattr", path);
}

/** @throws EPERM, ENOTSUP, ENOSPC … */
export function setXattr(path: Path, name: string, value: Uint8Array): void {
  call("lsetxattr", [cstring(path), cname(name), value.length === 0 ? Buffer.alloc(1) : value, value.length, 0], path);
}

/** Removes an attribute; one that is not there is fine. */
export function removeXattr(path: Path, name: string): void {
  try {
    call("lremovexattr", [cstring(path), cname(name)], path);
  } catch (error) {
    if (errnoOf(error) !== "ENODATA") throw error;
  }
}

function cname(name: string): Buffer {
  let bytes = names.get(name);
  if (bytes === undefined) {
    bytes = cstring(Buffer.from(name, "latin1"));
    if (names.size < 1000) names.set(name, bytes);
  }
  return bytes;
}
