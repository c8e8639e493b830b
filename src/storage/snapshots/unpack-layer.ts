// Unpacks a layer blob into a directory of overlay form. The blob is hostile: every path is resolved inside the directory,
// symlinks of its own included; names that climb out, links that lead nowhere inside and bombs are refused.
// Layers are unpacked side by side without those below; what only they know is reported and settled by `settleLayer`.
// Nobody else may touch the directory meanwhile: a resolved parent stays where it is.
// Spec: OCI image-spec v1.1 layer.md. Counterpart: containerd pkg/archive/tar.go applyNaive.

import * as fs from "node:fs";
import { BuildError, byteString, type Digest, Digester, errnoOf, fsPath, textOf } from "../../base/index.ts";
import { decompress, detectCompression, type TarEntry, TarReader, whiteoutOf } from "../../formats/archive/index.ts";
import { makeNode, setFdTimes, setTimes, setXattr, tryOwn } from "../../system/linux/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import {
  isContentXattr,
  isWhiteout,
  kindOf,
  makeOpaque,
  makeWhiteout,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  tryLstat,
} from "./overlay-form.ts";
import { removeTree } from "./remove-tree.ts";
import { InnerPaths } from "./inner-paths.ts";

export interface UnpackLimits {
  /** Most bytes of file content. Defaults to 128 GiB. */
  readonly maxBytes?: number | undefined;
  /** Most entries. Defaults to ten million. */
  readonly maxEntries?: number | undefined;
}

export interface UnpackLayerInput {
  readonly blobPath: string;
  /** An existing empty directory. */
  readonly fsDir: string;
  readonly limits?: UnpackLimits | undefined;
}

export interface UnpackedLayer {
  readonly diffId: Digest;
  readonly blobDigest: Digest;
  /** Of the blob. */
  readonly sizeBytes: number;
  /** Bytes of file content. */
  readonly contentBytes: number;
  /** Directories that the layer names only as parents, outermost first, as byte strings. */
  readonly impliedDirs: readonly string[];
  /** Hardlinks to files that this layer does not hold. */
  readonly deferredLinks: readonly DeferredLink[];
}

export interface DeferredLink {
  readonly path: string;
  readonly target: string;
}

/** @throws LAYER_INVALID, LAYER_TOO_LARGE, LAYER_COMPRESSION, BLOB_CORRUPT, TAR_INVALID; system errors such as ENOSPC. */
export async function unpackLayer(
  input: UnpackLayerInput,
  context: JobContext = directContext(),
): Promise<UnpackedLayer> {
  const fd = fs.openSync(input.blobPath, "r");
  const start = Buffer.alloc(8);
  let compression: ReturnType<typeof detectCompression>;
  try {
    compression = detectCompression(start.subarray(0, fs.readSync(fd, start, 0, start.length, 0)));
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  const tar = new Digester();
  const blob = new Digester();
  const source = fs.createReadStream("", { fd, start: 0, highWaterMark: 1024 * 1024 });
  if (compression === "bzip2" || compression === "xz") {
    source.destroy();
    throw new BuildError(`layers compressed with ${compression} are not supported`, {
      code: "LAYER_COMPRESSION",
      status: "Unimplemented",
    });
  }
  if (compression !== "none") source.on("data", (chunk) => blob.update(chunk as Buffer)).pause();
  using unpacker = new LayerUnpacker(input.fsDir, input.limits);
  for await (const chunk of decompress(source, compression)) {
    throwIfAborted(context);
    tar.update(chunk);
    unpacker.push(chunk);
  }
  const found = unpacker.finish();
  const diffId = tar.digest();
  const plain = compression === "none";
  // What follows the compressed data is no part of the layer, but counts in the blob's digest.
  if (!plain) hashRest(input.blobPath, blob);
  return {
    diffId,
    blobDigest: plain ? diffId : blob.digest(),
    sizeBytes: plain ? tar.sizeBytes : blob.sizeBytes,
    ...found,
  };
}

function hashRest(path: string, blob: Digester): void {
  const fd = fs.openSync(path, "r");
  try {
    const chunk = Buffer.allocUnsafe(64 * 1024);
    if (fs.fstatSync(fd).size === blob.sizeBytes) return;
    for (let read = 1; read > 0;) {
      read = fs.readSync(fd, chunk, 0, chunk.length, blob.sizeBytes);
      blob.update(chunk.subarray(0, read));
    }
  } finally {
    fs.closeSync(fd);
  }
}

const SKIP_BITS = 0o7000;

export interface UnpackOptions {
  /** False for an ordinary archive: `.wh.` names are files, missing link targets errors, the root keeps its metadata. */
  readonly whiteouts?: boolean | undefined;
  /** Owner of everything instead of the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** Unpacks the bytes of one tar, given in chunks. Dispose it in any case. */
export class LayerUnpacker implements Disposable {
  readonly #reader: TarReader;
  readonly #paths: InnerPaths;
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  readonly #owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  /** Real path of each directory named by the layer -> its mode and time, set when nothing more is written into it. */
  readonly #dirs = new Map<string, { mode: number; mtimeNs: bigint; xattrs: TarEntry["xattrs"] }>();
  readonly #made = new Set<string>();
  readonly #deferred: DeferredLink[] = [];
  readonly #whiteouts: boolean;
  readonly #givenOwner: UnpackOptions["owner"];
  #fd = -1;
  #current: TarEntry | undefined;
  #currentPath = "";
  #bytes = 0;
  #entries = 0;

  constructor(fsDir: string, limits: UnpackLimits = {}, options: UnpackOptions = {}) {
    this.#whiteouts = options.whiteouts ?? true;
    this.#givenOwner = options.owner;
    this.#maxBytes = limits.maxBytes ?? 128 * 2 ** 30;
    this.#maxEntries = limits.maxEntries ?? 10_000_000;
    this.#paths = new InnerPaths(byteString(fsDir));
    this.#reader = new TarReader({
      entry: (entry) => this.#entry(entry),
      data: (chunk) => this.#data(chunk),
      end: () => this.#end(),
    });
  }

  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  finish(): Pick<UnpackedLayer, "contentBytes" | "impliedDirs" | "deferredLinks"> {
    this.#reader.finish();
    for (const [path, { mode, mtimeNs, xattrs }] of [...this.#dirs].toReversed()) {
      const real = fsPath(path);
      try {
        this.#setXattrs(real, xattrs);
        fs.chmodSync(real, mode);
        setTimes(real, mtimeNs, mtimeNs);
      } catch (error) {
        // A later entry of the layer replaced it.
        if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
      }
    }
    const impliedDirs = this.#paths.implied.filter((path) => !this.#dirs.has(this.#paths.real(path)));
    return { contentBytes: this.#bytes, impliedDirs, deferredLinks: this.#deferred };
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd);
    this.#fd = -1;
    this.#paths[Symbol.dispose]();
  }

  #entry(given: TarEntry): void {
    const entry = this.#givenOwner === undefined ? given : { ...given, ...this.#givenOwner };
    this.#current = entry;
    if (++this.#entries > this.#maxEntries) throw tooLarge(`more than ${this.#maxEntries} entries`);
    this.#bytes += entry.size;
    if (this.#bytes > this.#maxBytes) throw tooLarge(`more than ${this.#maxBytes} bytes`);
    const path = cleanInside(entry.path);
    if (path === "") {
      if (entry.type !== "dir") throw invalid(entry, "the root is no directory");
      if (this.#whiteouts) this.#rememberDir(this.#paths.root, entry);
      return;
    }
    const slash = path.lastIndexOf("/");
    const name = path.slice(slash + 1);
    if (path.length > 4000 || name.length > 255) throw invalid(entry, "the path is too long");
    const whiteout = this.#whiteouts ? whiteoutOf(name) : ({ kind: "none" } as const);
    if (whiteout.kind === "reserved") return;
    const parent = this.#paths.makeDir(slash < 0 ? "" : path.slice(0, slash));
    if (parent === undefined) throw invalid(entry, "a parent is no directory");
    if (whiteout.kind === "opaque") {
      makeOpaque(parent);
      return;
    }
    if (whiteout.kind === "whiteout") {
      if (whiteout.name === "." || whiteout.name === "..") throw invalid(entry, "a whiteout of a folder itself");
      this.#whiteout(`${parent}/${whiteout.name}`);
      return;
    }
    const target = `${parent}/${name}`;
    this.#create(entry, target);
    this.#made.add(target);
  }

  #whiteout(target: string): void {
    const present = tryLstat(target);
    // Whiteouts speak of the layers below only; what this layer brings stays, but hides what was there.
    if (present === undefined) makeWhiteout(target);
    else if (kindOf(present) === S_IFDIR) makeOpaque(target);
  }

  #create(entry: TarEntry, target: string): void {
    const real = fsPath(target);
    switch (entry.type) {
      case "file": {
        const flags = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY | fs.constants.O_NOFOLLOW;
        const open = (): number => fs.openSync(real, flags, entry.mode & 0o777);
        this.#fd = this.#making(target, open);
        this.#currentPath = target;
        return;
      }
      case "dir":
        this.#makeDir(entry, target);
        return;
      case "symlink":
        // Spelled as bytes: a link may point anywhere, it is only ever followed inside a root.
        this.#making(target, () => fs.symlinkSync(fsPath(entry.linkname), real));
        break;
      case "hardlink": {
        if (!this.#link(entry, target)) return;
        return;
      }
      case "fifo":
        this.#making(target, () => makeNode(real, S_IFIFO | (entry.mode & 0o777)));
        break;
      case "char":
      case "block": {
        const kind = entry.type === "char" ? S_IFCHR : S_IFBLK;
        // 0:0 is our own mark for "deleted"; a layer that says it means it.
        try {
          this.#making(target, () => makeNode(real, kind | (entry.mode & 0o777), entry.devMajor, entry.devMinor));
        } catch (error) {
          // Without the right to make devices, images are unpacked without them, as other engines do in user namespaces.
          if (errnoOf(error) === "EPERM") return;
          throw error;
        }
        break;
      }
    }
    this.#ownPath(real, entry);
    if (entry.type !== "symlink") fs.chmodSync(real, entry.mode);
    setTimes(real, entry.mtimeNs, entry.mtimeNs);
  }

  #makeDir(entry: TarEntry, target: string): void {
    const present = tryLstat(target);
    const hides = present !== undefined && isWhiteout(present);
    if (present === undefined || kindOf(present) !== S_IFDIR) {
      this.#making(target, () => fs.mkdirSync(fsPath(target), 0o700));
      if (hides) makeOpaque(target);
    }
    this.#ownPath(fsPath(target), entry);
    this.#rememberDir(target, entry);
  }

  #rememberDir(real: string, entry: TarEntry): void {
    if (real === this.#paths.root) this.#ownPath(fsPath(real), entry);
    this.#dirs.set(real, { mode: entry.mode, mtimeNs: entry.mtimeNs, xattrs: entry.xattrs });
  }

  #link(entry: TarEntry, target: string): boolean {
    const path = cleanInside(entry.linkname);
    const slash = path.lastIndexOf("/");
    const parent = path === "" ? undefined : this.#paths.find(slash < 0 ? "" : path.slice(0, slash));
    const source = parent === undefined ? undefined : `${parent}/${path.slice(slash + 1)}`;
    if (source === target) return false;
    const stat = source === undefined ? undefined : tryLstat(source);
    if (source === undefined || stat === undefined || isWhiteout(stat)) {
      if (path === "") throw invalid(entry, "a hardlink to the root");
      if (!this.#whiteouts) throw invalid(entry, "a hardlink to nothing");
      this.#deferred.push({ path: this.#paths.inner(target), target: path });
      return false;
    }
    if (kindOf(stat) === S_IFDIR) throw invalid(entry, "a hardlink to a folder");
    this.#making(target, () => fs.linkSync(fsPath(source), fsPath(target)));
    return true;
  }

  /** Makes something new at a place; what is there already gives way. */
  #making<T>(target: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    this.#paths.forget();
    for (const dir of this.#dirs.keys()) if (dir === target || dir.startsWith(`${target}/`)) this.#dirs.delete(dir);
    removeTree({ path: target });
    return make();
  }

  #data(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) at += fs.writeSync(this.#fd, chunk, at);
  }

  #end(): void {
    if (this.#fd < 0) return;
    const entry = this.#current!;
    try {
      const foreign = entry.uid !== this.#owner.uid || entry.gid !== this.#owner.gid;
      if (foreign) tryOwn(() => fs.fchownSync(this.#fd, entry.uid, entry.gid));
      if (foreign || entry.mode & (SKIP_BITS | UMASK)) fs.fchmodSync(this.#fd, entry.mode);
      if (entry.xattrs.size > 0) this.#setXattrs(fsPath(this.#currentPath), entry.xattrs);
      setFdTimes(this.#fd, entry.mtimeNs, entry.mtimeNs);
    } finally {
      fs.closeSync(this.#fd);
      this.#fd = -1;
    }
  }

  #ownPath(real: string | Buffer, entry: TarEntry): void {
    if (entry.uid === this.#owner.uid && entry.gid === this.#owner.gid) return;
    tryOwn(() => fs.lchownSync(real, entry.uid, entry.gid));
  }

  #setXattrs(real: string | Buffer, xattrs: TarEntry["xattrs"]): void {
    for (const [name, value] of xattrs) {
      // Anything else could be overlayfs' own (a redirect to elsewhere) or another host's policy.
      if (!isContentXattr(name)) continue;
      try {
        setXattr(real, name, value);
      } catch (error) {
        if (errnoOf(error) !== "ENOTSUP" && errnoOf(error) !== "EPERM") throw error;
      }
    }
  }
}

const UMASK = readUmask();

function readUmask(): number {
  try {
    return Number.parseInt(/^Umask:\s*([0-7]+)/m.exec(fs.readFileSync("/proc/self/status", "latin1"))?.[1] ?? "777", 8);
  } catch {
    return 0o777;
  }
}

/** A path of an archive without `.`, `..` and slashes too many; empty for the root. @throws LAYER_INVALID when it climbs out. */
export function cleanInside(path: string): string {
  const clean =
    !path.startsWith("/") && !path.startsWith("./") && !path.includes("//") && !/(^|\/)\.{1,2}(\/|$)/.test(path);
  const parts: string[] = [];
  if (clean && !path.endsWith("/")) {
    if (path.includes("\0")) throw unsafe(path);
    return path;
  }
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (parts.pop() === undefined) throw unsafe(path);
    } else {
      parts.push(part);
    }
  }
  const joined = parts.join("/");
  if (joined.includes("\0")) throw unsafe(path);
  return joined;
}

function unsafe(path: string): BuildError {
  return new BuildError(`a layer names a path outside its root: ${textOf(path).slice(0, 300)}`, {
    code: "LAYER_INVALID",
    status: "InvalidArgument",
  });
}

function invalid(entry: TarEntry, why: string): BuildError {
  return new BuildError(`a layer's entry cannot be unpacked: ${textOf(entry.path).slice(0, 300)}: ${why}`, {
    code: "LAYER_INVALID",
    status: "InvalidArgument",
  });
}

function tooLarge(what: string): BuildError {
  return new BuildError(`a layer is larger than allowed: ${what}`, {
    code: "LAYER_TOO_LARGE",
    status: "ResourceExhausted",
  });
}
