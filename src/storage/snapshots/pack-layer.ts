// Packs a layer directory into a tar blob in one pass: walk, headers, hashes, compression. Entries come in byte order, each
// directory before what it holds; identical input gives identical bytes, whatever the machine's thread count.
// Times are whole seconds unless asked otherwise, as other builders write them: a third of the headers' size.
// Spec: OCI image-spec v1.1 layer.md. Counterpart: containerd pkg/archive/tar.go ChangeWriter.

import * as fs from "node:fs";
import { BuildError, byteString, type Digest, Digester, fsPath, textOf } from "../../base/index.ts";
import {
  type Compression,
  Compressor,
  encodeHeader,
  type EntryType,
  EstargzWriter,
  NO_XATTRS,
  plainEntry,
  OPAQUE_NAME,
  paddingAfter,
  TAR_END,
  type TarEntry,
  whiteoutName,
} from "../../formats/archive/index.ts";
import { gzipPieces, splitDevice } from "../../system/linux/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import { SlabDigester } from "./slab-digester.ts";
import {
  contentXattrs,
  isOpaque,
  isWhiteout,
  kindOf,
  readNames,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
} from "./overlay-form.ts";

export interface PackLayerInput {
  /** Directory in overlay form. */
  readonly fsDir: string;
  /** File to create (exclusively) with the blob; null only computes. */
  readonly output: string | null;
  readonly compression: Compression;
  readonly level?: number | undefined;
  /** Sub-second times kept. Defaults to "seconds". */
  readonly timePrecision?: "seconds" | "nanoseconds" | undefined;
  /** As eStargz, a form of gzip; `compression` does not count then. */
  readonly estargz?: boolean | undefined;
  /** Later mtimes are set to this: SOURCE_DATE_EPOCH's rewriting. Nanoseconds. */
  readonly clampMtimeNs?: bigint | undefined;
}

export interface PackedLayer {
  /** Of the uncompressed tar. */
  readonly diffId: Digest;
  readonly blobDigest: Digest;
  readonly sizeBytes: number;
  readonly uncompressedSizeBytes: number;
  /** Of an eStargz blob's table of contents. */
  readonly tocDigest?: Digest | undefined;
}

/** As much as a piece for zstd: its digest is made in one call elsewhere, while the piece before keeps this thread from making another. */
const SLAB = 4 * 1024 * 1024;
const NO_SLAB = Buffer.alloc(0);

/** @throws LAYER_NAME_RESERVED when a file is called `.wh.…`; ENOSPC and other system errors; an AbortError. */
export async function packLayer(input: PackLayerInput, context: JobContext = directContext()): Promise<PackedLayer> {
  const output = input.output === null ? null : fs.openSync(input.output, "wx", 0o644);
  let done = false;
  try {
    using tar = new SlabDigester(SLAB);
    const blob = new Digester();
    const write = (chunk: Buffer): void => {
      blob.update(chunk);
      if (output !== null) writeAll(output, chunk);
    };
    const { compression, level } = input;
    if (input.estargz === true) {
      const writer = new EstargzWriter({ level, write });
      await new Packer(input, context, { slabs: tar, sink: () => Promise.resolve(), estargz: writer }).run();
      const made = writer.finish();
      done = true;
      return { ...made, blobDigest: blob.digest(), sizeBytes: blob.sizeBytes };
    }
    using pieces = compression === "gzip" ? gzipPieces() : undefined;
    const member = pieces?.member.bind(pieces);
    const compressor = compression === "none" ? undefined : new Compressor({ compression, level, member, write });
    const sink = async (bytes: Buffer): Promise<void> => {
      if (compressor !== undefined) await compressor.push(bytes);
      else if (output !== null) writeAll(output, bytes);
    };
    await new Packer(input, context, { slabs: tar, sink }).run();
    await compressor?.finish();
    const diffId = await tar.digest();
    done = true;
    if (compressor === undefined) {
      return { diffId, blobDigest: diffId, sizeBytes: tar.sizeBytes, uncompressedSizeBytes: tar.sizeBytes };
    }
    return { diffId, blobDigest: blob.digest(), sizeBytes: blob.sizeBytes, uncompressedSizeBytes: tar.sizeBytes };
  } finally {
    if (output !== null) {
      fs.closeSync(output);
      if (!done && input.output !== null) fs.rmSync(input.output, { force: true });
    }
  }
}

interface PackerOptions {
  readonly slabs: SlabDigester;
  /** Takes the tar's bytes, which are to be used before it resolves. */
  readonly sink: (bytes: Buffer) => Promise<void>;
  /** Where everything goes instead, and nothing to the sink. */
  readonly estargz?: EstargzWriter;
}

class Packer {
  readonly #input: PackLayerInput;
  readonly #context: JobContext;
  readonly #slabs: SlabDigester;
  readonly #sink: (bytes: Buffer) => Promise<void>;
  #slab: Buffer = NO_SLAB;
  readonly #links = new Map<bigint, string>();
  readonly #estargz: EstargzWriter | undefined;
  #filled = 0;

  constructor(input: PackLayerInput, context: JobContext, { slabs, sink, estargz }: PackerOptions) {
    this.#input = input;
    this.#context = context;
    this.#slabs = slabs;
    this.#sink = sink;
    this.#estargz = estargz;
  }

  async run(): Promise<void> {
    const root = byteString(this.#input.fsDir);
    this.#slab = await this.#slabs.slab();
    // Paths still to visit, the next one last.
    const stack: string[] = [];
    const pushNames = (dir: string): void => {
      const names = readNames(dir === "" ? root : `${root}/${dir}`);
      for (let at = names.length - 1; at >= 0; at--) stack.push(dir === "" ? names[at]! : `${dir}/${names[at]!}`);
    };
    pushNames("");
    for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
      throwIfAborted(this.#context);
      if (await this.#pack(root, path)) pushNames(path);
    }
    await this.#add(TAR_END);
    if (this.#filled > 0) await this.#pass();
  }

  /** Writes one entry; true when it is a directory to go into. */
  async #pack(root: string, path: string): Promise<boolean> {
    const real = fsPath(`${root}/${path}`);
    const stat = fs.lstatSync(real, { bigint: true });
    const slash = path.lastIndexOf("/");
    const name = path.slice(slash + 1);
    if (isWhiteout(stat)) {
      await this.#header(marker(path.slice(0, slash + 1) + whiteoutName(name)));
      return false;
    }
    if (name.startsWith(".wh.")) throw reservedName(path);
    const entry = this.#entry(path, real, stat);
    if (entry === undefined) return false;
    await this.#header(entry);
    if (entry.type === "dir") {
      if (isOpaque(`${root}/${path}`)) await this.#header(marker(`${path}/${OPAQUE_NAME}`));
      return true;
    }
    if (entry.size > 0) await this.#data(real, entry.size);
    return false;
  }

  #entry(path: string, real: string | Buffer, stat: fs.BigIntStats): TarEntry | undefined {
    const kind = kindOf(stat);
    const type = TYPES.get(kind);
    // Sockets mean nothing without the process that listens.
    if (type === undefined) return undefined;
    const first = kind === S_IFDIR || stat.nlink === 1n ? undefined : this.#links.get(stat.ino);
    if (first === undefined && kind !== S_IFDIR && stat.nlink > 1n) this.#links.set(stat.ino, path);
    const device = kind === S_IFCHR || kind === S_IFBLK ? splitDevice(stat.rdev) : { major: 0, minor: 0 };
    return {
      path,
      type: first === undefined ? type : "hardlink",
      mode: Number(stat.mode) & 0o7777,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtimeNs: this.#time(stat.mtimeNs),
      size: first === undefined && type === "file" ? Number(stat.size) : 0,
      linkname: first ?? (kind === S_IFLNK ? fs.readlinkSync(real, "latin1") : ""),
      devMajor: device.major,
      devMinor: device.minor,
      xattrs: first === undefined && (type === "file" || type === "dir") ? contentXattrs(real) : NO_XATTRS,
    };
  }

  #time(mtimeNs: bigint): bigint {
    const { clampMtimeNs, timePrecision } = this.#input;
    const time = clampMtimeNs !== undefined && mtimeNs > clampMtimeNs ? clampMtimeNs : mtimeNs;
    if (timePrecision === "nanoseconds") return time;
    const rest = time % SECOND;
    return time - (rest < 0n ? rest + SECOND : rest);
  }

  async #data(real: string | Buffer, size: number): Promise<void> {
    const fd = fs.openSync(real, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      for (let left = size; left > 0;) {
        if (this.#filled === SLAB) await this.#flush();
        const read = fs.readSync(fd, this.#slab, this.#filled, Math.min(left, SLAB - this.#filled), null);
        if (read === 0) throw new Error(`a file of a layer became shorter while it was packed: ${real.toString()}`);
        if (this.#estargz === undefined) this.#filled += read;
        else this.#estargz.data(this.#slab.subarray(0, read));
        left -= read;
        if (left > 0) throwIfAborted(this.#context);
      }
    } finally {
      fs.closeSync(fd);
    }
    const padding = paddingAfter(size);
    if (padding === 0) return;
    if (this.#estargz !== undefined || this.#filled + padding > SLAB)
      return await this.#add(ZEROS.subarray(0, padding));
    this.#slab.fill(0, this.#filled, this.#filled + padding);
    this.#filled += padding;
  }

  async #header(entry: TarEntry): Promise<void> {
    const bytes = encodeHeader(entry);
    if (this.#estargz === undefined) await this.#add(bytes);
    else this.#estargz.header(entry, bytes);
  }

  async #add(bytes: Buffer): Promise<void> {
    if (this.#estargz !== undefined) {
      this.#estargz.raw(bytes);
      return;
    }
    for (let at = 0; at < bytes.length;) {
      if (this.#filled === SLAB) await this.#flush();
      const size = bytes.copy(this.#slab, this.#filled, at);
      this.#filled += size;
      at += size;
    }
  }

  async #flush(): Promise<void> {
    await this.#pass();
    this.#slab = await this.#slabs.slab();
    this.#filled = 0;
  }

  async #pass(): Promise<void> {
    this.#slabs.update(this.#slab, this.#filled);
    await this.#sink(this.#slab.subarray(0, this.#filled));
  }
}

const SECOND = 1_000_000_000n;
const ZEROS = Buffer.alloc(512);
const TYPES = new Map<number, EntryType>([
  [S_IFREG, "file"],
  [S_IFDIR, "dir"],
  [S_IFLNK, "symlink"],
  [S_IFCHR, "char"],
  [S_IFBLK, "block"],
  [S_IFIFO, "fifo"],
]);

function marker(path: string): TarEntry {
  return plainEntry({ path, type: "file", mode: 0 });
}

function reservedName(path: string): BuildError {
  return new BuildError(`a file's name means "deleted" in image layers and cannot be packed: ${textOf(path)}`, {
    code: "LAYER_NAME_RESERVED",
    status: "InvalidArgument",
    hint: "rename it: no name may begin with .wh.",
  });
}

function writeAll(fd: number, chunk: Buffer): void {
  for (let at = 0; at < chunk.length;) at += fs.writeSync(fd, chunk, at);
}
