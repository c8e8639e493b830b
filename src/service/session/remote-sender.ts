// Sends a folder over file sync: every entry in order, then the contents that the receiver asks for, a file at a time. Synchronous and
// lazy: packets are made as they are taken, so that what is on its way stays bounded. Counterpart: tonistiigi/fsutil send.go, stat.go.

import * as fs from "node:fs";
import { BuildError, byteString, errnoOf, fsPath } from "../../base/index.ts";
import type { ByteString } from "../../base/index.ts";
import { decodePacket, encodeData, encodeFin, encodeStat, goMode, PacketType } from "../../formats/fsutil/index.ts";
import type { FileStat } from "../../formats/fsutil/index.ts";
import { listLocal } from "../../engine/sources/index.ts";
import type { LocalFilter } from "../../engine/sources/index.ts";
import { getXattr, listXattrs, splitDevice } from "../../system/linux/index.ts";

const CHUNK = 256 * 1024;
const chunk = Buffer.allocUnsafeSlow(CHUNK);
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFSOCK = 0o140000;

export interface FolderSenderOptions {
  /** What of the folder is sent; all of it by default. */
  readonly filter?: LocalFilter;
  /** Owners are sent as root's: a build's context has none of its own. */
  readonly asRoot?: boolean;
}

export class FolderSender {
  readonly #root: ByteString;
  readonly #walk: Generator<FileStat>;
  readonly #files = new Map<number, ByteString>();
  readonly #requests: number[] = [];
  #answered = 0;
  #count = 0;
  #listed = false;
  #reading: { readonly id: number; readonly fd: number | undefined } | undefined;
  #finished = false;

  constructor(folder: string, { filter = {}, asRoot = false }: FolderSenderOptions = {}) {
    this.#root = byteString(folder);
    this.#walk = walkFolder(this.#root, filter, asRoot);
  }

  /** Whether both sides have said their last word. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Takes a packet of the receiver's. @throws SYNC_REFUSED; SYNC_FAILED with the receiver's own error. */
  receive(message: Uint8Array): void {
    const packet = decodePacket(message);
    switch (packet.type) {
      case PacketType.request:
        if (!this.#files.has(packet.id)) throw refused(`a request for ${packet.id}, which is no file`);
        this.#requests.push(packet.id);
        return;
      case PacketType.fin:
        this.#finished = true;
        return;
      case PacketType.error:
        throw new BuildError(`error from receiver: ${packet.data.toString()}`, { code: "SYNC_FAILED" });
      default:
        throw refused(`a packet of type ${packet.type}`);
    }
  }

  /** The next packet, or undefined while there is nothing to say. @throws as node's fs. */
  next(): Uint8Array | undefined {
    if (this.#finished) return undefined;
    if (!this.#listed) {
      const { value, done } = this.#walk.next();
      if (done === true) {
        this.#listed = true;
        return encodeStat();
      }
      if (value.linkname === "" && (value.mode & 0x8f280000) === 0) this.#files.set(this.#count, value.path);
      this.#count++;
      return encodeStat(value);
    }
    this.#reading ??= this.#open();
    return this.#reading === undefined ? undefined : this.#read(this.#reading);
  }

  /** The packet that answers the receiver's last. */
  static readonly fin = encodeFin();

  dispose(): void {
    if (this.#reading?.fd !== undefined) fs.closeSync(this.#reading.fd);
    this.#reading = undefined;
  }

  #open(): { id: number; fd: number | undefined } | undefined {
    const id = this.#requests[this.#answered];
    if (id === undefined) return undefined;
    // Not shift(): tens of thousands wait in it.
    if (++this.#answered === this.#requests.length) {
      this.#requests.length = 0;
      this.#answered = 0;
    }
    const path = this.#files.get(id)!;
    this.#files.delete(id);
    try {
      const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
      return { id, fd: fs.openSync(fsPath(`${this.#root}/${path}`), O_RDONLY | O_NOFOLLOW | O_NONBLOCK) };
    } catch (error) {
      // It is gone: the receiver gets an empty file, as from BuildKit's sender.
      if (errnoOf(error) === "ENOENT") return { id, fd: undefined };
      throw error;
    }
  }

  #read({ id, fd }: { readonly id: number; readonly fd: number | undefined }): Uint8Array {
    // Packets are copies, so one buffer serves them all.
    const size = fd === undefined ? 0 : fs.readSync(fd, chunk, 0, CHUNK, null);
    if (size === CHUNK) return encodeData(id, chunk);
    if (fd !== undefined) fs.closeSync(fd);
    if (size > 0) {
      // A regular file that gives less than was asked for has no more.
      this.#reading = { id, fd: undefined };
      return encodeData(id, chunk.subarray(0, size));
    }
    this.#reading = undefined;
    return encodeData(id);
  }
}

/** Every entry below a folder that the filter lets through, in the order of file sync. */
function* walkFolder(root: ByteString, filter: LocalFilter, asRoot: boolean): Generator<FileStat> {
  const inodes = new Map<bigint, ByteString>();
  const listing = listLocal(root, filter);
  function* visit(dir: ByteString): Generator<FileStat> {
    for (const { name } of listing.get(dir) ?? []) {
      const path = dir === "" ? name : `${dir}/${name}`;
      const place = `${root}/${path}`;
      const stat = fs.lstatSync(fsPath(place), { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) continue; // removed since it was listed
      const first = !stat.isDirectory() && stat.nlink > 1n ? inodes.get(stat.ino) : undefined;
      if (first === undefined && !stat.isDirectory() && stat.nlink > 1n) inodes.set(stat.ino, path);
      const entry = describe(stat, { path, place, first });
      yield asRoot ? { ...entry, uid: 0, gid: 0 } : entry;
      if (stat.isDirectory()) yield* visit(path);
    }
  }
  yield* visit("");
}

function describe(
  stat: fs.BigIntStats,
  {
    path,
    place,
    first,
  }: { readonly path: ByteString; readonly place: ByteString; readonly first: ByteString | undefined },
): FileStat {
  const kind = Number(stat.mode) & S_IFMT;
  // A socket can't be made again: it arrives as an empty file, as from BuildKit's sender.
  const mode = kind === S_IFSOCK ? (Number(stat.mode) & ~S_IFMT) | S_IFREG : Number(stat.mode);
  const isDevice = stat.isBlockDevice() || stat.isCharacterDevice();
  const device = isDevice ? splitDevice(stat.rdev) : { major: 0, minor: 0 };
  const link = stat.isSymbolicLink() ? fs.readlinkSync(fsPath(place), "latin1") : "";
  return {
    path,
    mode: goMode(mode),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: stat.isDirectory() || first !== undefined ? 0 : Number(stat.size),
    mtimeNs: stat.mtimeNs,
    linkname: first ?? link,
    devmajor: device.major,
    devminor: device.minor,
    xattrs: stat.isSymbolicLink() ? undefined : xattrsOf(fsPath(place)),
  };
}

function xattrsOf(path: string | Buffer): ReadonlyMap<ByteString, Uint8Array> | undefined {
  const found = new Map<ByteString, Uint8Array>();
  for (const name of listXattrs(path)) {
    const value = getXattr(path, name);
    if (value !== undefined) found.set(name, value);
  }
  return found.size === 0 ? undefined : found;
}

function refused(what: string): BuildError {
  return new BuildError(`the client's file sync sent ${what}`, { code: "SYNC_REFUSED", status: "InvalidArgument" });
}
