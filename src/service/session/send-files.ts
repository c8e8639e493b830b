// The sending end of file sync: a folder's entries in walk order, then the contents that the receiver asks for. It runs on the main
// thread: a client has little else to do, and yields often enough for its display and the session's health checks.
// Counterpart: tonistiigi/fsutil send.go, stat.go; moby/buildkit session/filesync.

import { closeSync, lstatSync, openSync, readlinkSync, readSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { byteString, bytesOf, errnoOf, fsPath, messageOf, textOf } from "../../base/index.ts";
import type { ByteString } from "../../base/index.ts";
import {
  decodePacket,
  encodeData,
  encodeError,
  encodeFin,
  encodeStat,
  goMode,
  GO_MODE,
} from "../../formats/fsutil/index.ts";
import { PacketType } from "../../formats/fsutil/index.ts";
import type { FileStat } from "../../formats/fsutil/index.ts";
import { listLocal } from "../../engine/sources/index.ts";
import type { LocalFilter } from "../../engine/sources/index.ts";
import { getXattr, listXattrs, splitDevice } from "../../system/linux/index.ts";

/** Both ends of a call look like this. */
export interface PacketCall {
  readonly batches: AsyncGenerator<Uint8Array[]>;
  send(message: Uint8Array): void | Promise<void>;
}

export interface SendFilesOptions {
  readonly filter: LocalFilter;
  /** Owners are sent as root's: a build's context has none of its own. */
  readonly asRoot: boolean;
  readonly signal: AbortSignal;
}

/** Work between turns of the event loop. */
const SLICE_MS = 20;
const CHUNK_BYTES = 256 * 1024;

/**
 * Sends the folder; resolves when the receiver has all it wants. What can't be read is told to the receiver too.
 * @throws as node's fs; the receiver's complaint as an Error.
 */
export async function sendFiles(call: PacketCall, root: string, options: SendFilesOptions): Promise<void> {
  const sender = new FileSender(call, byteString(root), options);
  const answering = sender.answer();
  // Its failure counts once the walk is over, or ends it.
  answering.catch(() => undefined);
  try {
    await Promise.race([sender.walk(), answering.then(() => new Promise<never>(() => undefined))]);
  } catch (error) {
    await call.send(encodeError(messageOf(error)));
    throw error;
  }
  await answering;
}

class FileSender {
  readonly #call: PacketCall;
  readonly #root: ByteString;
  readonly #options: SendFilesOptions;
  /** Regular files by their place in the list; those that were asked for are gone from it. */
  readonly #files = new Map<number, ByteString>();
  readonly #firstPaths = new Map<string, ByteString>();
  #sliceEnd = performance.now() + SLICE_MS;

  constructor(call: PacketCall, root: ByteString, options: SendFilesOptions) {
    this.#call = call;
    this.#root = root;
    this.#options = options;
  }

  async walk(): Promise<void> {
    const listing = listLocal(this.#root, this.#options.filter);
    let id = 0;
    const visit = async (dir: ByteString): Promise<void> => {
      for (const { name, kind } of listing.get(dir) ?? []) {
        const path = dir === "" ? name : `${dir}/${name}`;
        const stat = this.#stat(path);
        if (stat === undefined) continue; // removed since it was listed
        if ((stat.mode & (GO_MODE.device | GO_MODE.namedPipe | GO_MODE.symlink)) === 0 && kind !== "dir")
          this.#files.set(id, path);
        id++;
        await this.#send(encodeStat(stat));
        if (kind === "dir") await visit(path);
      }
    };
    await visit("");
    await this.#call.send(encodeStat());
  }

  /** Sends contents until the receiver has what it wants. */
  async answer(): Promise<void> {
    for await (const batch of this.#call.batches) {
      for (const message of batch) {
        const packet = decodePacket(message);
        if (packet.type === PacketType.request) await this.#contents(packet.id);
        else if (packet.type === PacketType.error) throw new Error(`error from receiver: ${packet.data.toString()}`);
        else if (packet.type === PacketType.fin) {
          await this.#call.send(encodeFin());
          return;
        } else throw new Error(`unexpected packet ${packet.type}`);
      }
    }
    throw new Error("the receiver left before it had all files");
  }

  async #contents(id: number): Promise<void> {
    const path = this.#files.get(id);
    if (path === undefined) throw new Error(`invalid file id ${id}`);
    this.#files.delete(id);
    const fd = this.#tryOpen(path);
    // As BuildKit's clients do: a file that can't be opened any more is sent empty.
    if (fd === undefined) return this.#send(encodeData(id));
    try {
      for (;;) {
        const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
        const size = readSync(fd, chunk);
        if (size === 0) break;
        await this.#send(encodeData(id, chunk.subarray(0, size)));
        if (size < CHUNK_BYTES) break;
      }
    } finally {
      closeSync(fd);
    }
    await this.#send(encodeData(id));
  }

  #tryOpen(path: ByteString): number | undefined {
    try {
      return openSync(fsPath(this.#at(path)), "r");
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw new Error(`open ${textOf(path)}: ${errnoOf(error) ?? messageOf(error)}`, { cause: error });
    }
  }

  async #send(message: Uint8Array): Promise<void> {
    const sent = this.#call.send(message);
    if (sent !== undefined) await sent;
    if (performance.now() < this.#sliceEnd) return;
    await turn();
    this.#options.signal.throwIfAborted();
    this.#sliceEnd = performance.now() + SLICE_MS;
  }

  #at(path: ByteString): ByteString {
    return `${this.#root}/${path}`;
  }

  #stat(path: ByteString): FileStat | undefined {
    const at = fsPath(this.#at(path));
    const info = lstatSync(at, { bigint: true, throwIfNoEntry: false });
    if (info === undefined) return undefined;
    const mode = goMode(Number(info.mode));
    const { asRoot } = this.#options;
    const isDevice = (mode & GO_MODE.device) !== 0;
    const device = isDevice ? splitDevice(info.rdev) : { major: 0, minor: 0 };
    const original = info.isDirectory() ? undefined : this.#linkedTo(info, path);
    const linkname = info.isSymbolicLink() ? readlinkSync(at, "latin1") : (original ?? "");
    return {
      path,
      // File sync knows no sockets.
      mode: (mode & ~GO_MODE.socket) >>> 0,
      uid: asRoot ? 0 : Number(info.uid),
      gid: asRoot ? 0 : Number(info.gid),
      size: info.isDirectory() || (original !== undefined && !info.isSymbolicLink()) ? 0 : Number(info.size),
      mtimeNs: info.mtimeNs,
      linkname,
      devmajor: device.major,
      devminor: device.minor,
      xattrs: readXattrs(this.#at(path)),
    };
  }

  /** The path that the same file was sent under before, if it was. */
  #linkedTo(info: BigIntStats, path: ByteString): ByteString | undefined {
    if (info.nlink <= 1n) return undefined;
    const key = `${info.dev}:${info.ino}`;
    const first = this.#firstPaths.get(key);
    if (first === undefined) this.#firstPaths.set(key, path);
    return first;
  }
}

function readXattrs(path: ByteString): Map<ByteString, Uint8Array> | undefined {
  const bytes = bytesOf(path);
  const found = new Map<ByteString, Uint8Array>();
  for (const name of listXattrs(bytes)) {
    const value = name.startsWith("com.apple.") ? undefined : getXattr(bytes, name);
    if (value !== undefined) found.set(name, value);
  }
  return found.size > 0 ? found : undefined;
}
