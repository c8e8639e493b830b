// Writes whole trees as one tar, owners as they are in the image, times in whole seconds. Entries come in byte order, a directory
// before what it holds. Counterpart: moby/buildkit exporter/tar, fsutil tarwriter.go.

import * as fs from "node:fs";
import { byteString, fsPath } from "../../base/index.ts";
import type { ByteString } from "../../base/index.ts";
import { encodeHeader, NO_XATTRS, paddingAfter, plainEntry, type TarEntry } from "../../formats/archive/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import { type SinkTarget, TarSink } from "./sink.ts";
import { statementFiles, type TreeAttestation } from "./tree-attestations.ts";
import { contentXattrs, deviceOf, HardLinks, readNames, typeOf } from "./tree.ts";

/** A tree and where it goes. */
export interface TreeInput {
  readonly path: string;
  /** Folder that the tree is put in; empty for none. */
  readonly folder: string;
  /** Time given to every entry, in seconds; each has its own when null. */
  readonly epochSeconds: bigint | null;
  /** Written beside the files, in place of what has their name. */
  readonly attestations?: readonly TreeAttestation[];
}

export interface WriteTreeTarInput {
  readonly sink: SinkTarget;
  readonly trees: readonly TreeInput[];
}

const NO_NAMES: ReadonlySet<ByteString> = new Set();
const SECOND = 1_000_000_000n;

/** @throws ENOSPC and other system errors; an AbortError. */
export function writeTreeTar(
  { sink, trees }: WriteTreeTarInput,
  context: JobContext = directContext(),
): { sizeBytes: number } {
  using tar = new TarSink(sink, context);
  for (const tree of trees) {
    const folder = byteString(tree.folder);
    if (folder !== "") tar.write(encodeHeader(folderEntry(folder, tree.epochSeconds ?? 0n)));
    const files = statementFiles(byteString(tree.path), tree.attestations ?? [], context);
    new TreeTar(tar, byteString(tree.path), folder, tree.epochSeconds, context).dir(
      "",
      new Set(files.map(({ name }) => name)),
    );
    for (const { name, bytes } of files) {
      const seconds = tree.epochSeconds ?? BigInt(Math.floor(Date.now() / 1000));
      tar.write(encodeHeader(fileEntry(folder === "" ? name : `${folder}/${name}`, bytes.byteLength, seconds)));
      tar.write(bytes);
      tar.write(Buffer.alloc(paddingAfter(bytes.byteLength)));
    }
  }
  tar.finish();
  return { sizeBytes: tar.writtenBytes };
}

class TreeTar {
  readonly #tar: TarSink;
  readonly #root: ByteString;
  readonly #folder: ByteString;
  readonly #epochSeconds: bigint | null;
  readonly #context: JobContext;
  readonly #links = new HardLinks();

  constructor(tar: TarSink, root: ByteString, folder: ByteString, epochSeconds: bigint | null, context: JobContext) {
    this.#tar = tar;
    this.#root = root;
    this.#folder = folder === "" ? "" : `${folder}/`;
    this.#epochSeconds = epochSeconds;
    this.#context = context;
  }

  /** `except` are names in the folder that are left out. */
  dir(dir: ByteString, except: ReadonlySet<ByteString> = NO_NAMES): void {
    for (const name of readNames(dir === "" ? this.#root : `${this.#root}/${dir}`)) {
      throwIfAborted(this.#context);
      if (!except.has(name)) this.#one(dir === "" ? name : `${dir}/${name}`);
    }
  }

  #one(path: ByteString): void {
    const real = `${this.#root}/${path}`;
    const stat = fs.lstatSync(fsPath(real), { bigint: true });
    const type = typeOf(stat);
    if (type === undefined) return;
    const first = this.#links.firstOf(stat, path);
    const device = deviceOf(stat);
    const size = type === "file" && first === undefined ? Number(stat.size) : 0;
    const entry: TarEntry = {
      path: this.#folder + path,
      type: first === undefined ? type : "hardlink",
      mode: Number(stat.mode) & 0o7777,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtimeNs: this.#time(stat.mtimeNs),
      size,
      linkname:
        first !== undefined ? this.#folder + first : type === "symlink" ? fs.readlinkSync(fsPath(real), "latin1") : "",
      devMajor: device.major,
      devMinor: device.minor,
      xattrs: first === undefined && (type === "file" || type === "dir") ? contentXattrs(real) : NO_XATTRS,
    };
    this.#tar.write(encodeHeader(entry));
    if (type === "dir") this.dir(path);
    if (size === 0) return;
    const fd = fs.openSync(fsPath(real), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      this.#tar.copyFrom(fd, size);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** The nearest whole second, as Go's tar writer has it. */
  #time(mtimeNs: bigint): bigint {
    if (this.#epochSeconds !== null) return this.#epochSeconds * SECOND;
    const rest = ((mtimeNs % SECOND) + SECOND) % SECOND;
    return mtimeNs - rest + (rest * 2n >= SECOND ? SECOND : 0n);
  }
}

function fileEntry(path: ByteString, size: number, seconds: bigint): TarEntry {
  return plainEntry({ path, type: "file", mode: 0o600, size, mtimeNs: seconds * SECOND });
}

function folderEntry(path: ByteString, seconds: bigint): TarEntry {
  return plainEntry({ path, type: "dir", mode: 0o755, mtimeNs: seconds * SECOND });
}
