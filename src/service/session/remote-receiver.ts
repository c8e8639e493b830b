// Receives a folder over file sync: entries in order are laid over what an earlier sync left, contents are asked for only where an entry
// is new or looks different. What is in the folder is known from the list that the last sync wrote beside it; without it the folder is
// emptied first. As long as entries come as they are in that list they are not even read. Nothing that a peer says leads outside: an
// entry's parent must be a folder that was made here, so no link is ever followed. Synchronous; runs in a worker.
// Counterpart: tonistiigi/fsutil receive.go, diskwriter.go, validator.go.

import * as fs from "node:fs";
import { BuildError, byteString, errnoOf, fsPath, messageOf, textOf } from "../../base/index.ts";
import type { ByteString } from "../../base/index.ts";
import {
  comparePaths,
  decodePacket,
  encodeError,
  encodeFin,
  encodeRequest,
  GO_MODE,
  PacketType,
  unixMode,
} from "../../formats/fsutil/index.ts";
import type { FileStat } from "../../formats/fsutil/index.ts";
import { makeNode, setFdTimes, setTimes, setXattr } from "../../system/linux/index.ts";
import { ListFollower, newVersion, readEntryList, writeEntryList } from "./remote-entry-list.ts";
import { packPackets, unpackPackets } from "./remote-sync-messages.ts";

export interface ReceiverOptions {
  /** The folder; nobody else changes it. */
  readonly folder: string;
  /** Where the list of its entries is kept. */
  readonly listFile: string;
  /** Whether unchanged metadata tells that a file is unchanged. */
  readonly trustMetadata: boolean;
}

/** A file whose contents are on their way. */
interface Wanted {
  readonly stat: FileStat;
  readonly mode: number;
  fd: number | undefined;
  size: number;
}

const MAX_ENTRIES = 20_000_000;
/** Senders send a few files at a time. */
const MAX_OPEN = 256;
const PERMISSIONS = 0o7777;

export class FolderReceiver {
  readonly #options: ReceiverOptions;
  readonly #root: ByteString;
  /** Present while all that came is as in the last sync's list. */
  #follower: ListFollower | undefined;
  /** The list of the last sync. */
  #before: readonly FileStat[] = [];
  /** Of the folder as the last sync left it. */
  readonly #oldVersion: string | undefined;
  #version: string | undefined;
  /** Whether the folder is other than the last sync left it. */
  #hasNews = false;
  #entries: FileStat[] = [];
  readonly #wanted = new Map<number, Wanted>();
  /** Folders from the root down to where the last entry lies. */
  readonly #parents: { path: ByteString; last: ByteString }[] = [{ path: "", last: "" }];
  readonly #touched = new Set<ByteString>();
  readonly #files = new Set<ByteString>();
  /** Entries that were made anew, and so have no links yet. */
  readonly #rewritten = new Set<ByteString>();
  /** Files that turned out other than their entry says. */
  readonly #changed = new Set<ByteString>();
  #next = 0;
  #count = 0;
  #open = 0;
  #listed = false;
  #finished = false;

  /** @throws as node's fs. */
  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#root = byteString(options.folder);
    const known = readEntryList(options.listFile);
    this.#oldVersion = known?.version;
    if (known === undefined) {
      fs.rmSync(options.listFile, { force: true });
      emptyFolder(this.#root);
      return;
    }
    this.#follower = new ListFollower(known);
    // Without trust each file is another one.
    if (!options.trustMetadata) this.#leaveList(this.#follower);
  }

  /** Whether the sender has said its last word. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Names what the folder now holds: of equal versions all files are the same. Undefined before it is whole. */
  get version(): string | undefined {
    return this.#version;
  }

  /** Takes one packet; as {@link receivePiece}. */
  receive(message: Uint8Array, answers: Uint8Array[]): void {
    this.receivePiece(packPackets([message]), answers);
  }

  /**
   * Takes packets, each after its length in four bytes; adds the packets to answer with.
   *
   * @throws SYNC_REFUSED for what no honest sender sends; SYNC_FAILED with the sender's own error; as node's fs.
   */
  receivePiece(piece: Buffer, answers: Uint8Array[]): void {
    const known = this.#listed ? 0 : (this.#follower?.follow(piece) ?? 0);
    for (const packet of unpackPackets(piece.subarray(known))) this.#receive(packet, answers);
  }

  #receive(message: Buffer, answers: Uint8Array[]): void {
    const follower = this.#follower;
    if (follower !== undefined && !this.#listed) {
      if (message.length === 0 && follower.isDone) {
        this.#listed = true;
        this.#version = follower.version;
        answers.push(encodeFin());
        return;
      }
      this.#leaveList(follower);
    }
    let packet;
    try {
      packet = decodePacket(message);
    } catch (error) {
      throw refused("a packet that can't be read", error);
    }
    switch (packet.type) {
      case PacketType.stat:
        if (this.#listed) throw refused("an entry after the end of the list");
        if (packet.stat === undefined) this.#endList();
        else this.#entry(packet.stat, answers);
        break;
      case PacketType.data:
        this.#data(packet.id, packet.data);
        break;
      case PacketType.fin:
        this.#finished = true;
        return;
      case PacketType.error:
        throw new BuildError(`error from sender: ${packet.data.toString()}`, { code: "SYNC_FAILED" });
      default:
        throw refused(`a packet of the unknown type ${packet.type}`);
    }
    if (this.#listed && this.#wanted.size === 0) {
      this.#settle();
      answers.push(encodeFin());
    }
  }

  /** Closes what is open; after a failure nothing is known of the folder. */
  dispose(): void {
    for (const { fd } of this.#wanted.values()) if (fd !== undefined) fs.closeSync(fd);
    this.#wanted.clear();
  }

  /** What to tell the sender of an error. */
  static failure(error: unknown): Uint8Array {
    return encodeError(messageOf(error));
  }

  /** Something differs: what came so far is as if it had been read, and all that follows is. */
  #leaveList(follower: ListFollower): void {
    // Until the new list is there, nothing is known of the folder: whoever finds it so after a crash begins anew.
    fs.rmSync(this.#options.listFile, { force: true });
    this.#follower = undefined;
    const { all, sent } = follower.entries();
    this.#before = all;
    this.#next = sent;
    this.#count = sent;
    this.#entries = all.slice(0, sent);
    for (const { path, mode, linkname } of this.#entries)
      if (linkname === "" && ((unixMode(mode) ?? 0) & 0o170000) === 0o100000) this.#files.add(path);
    const last = this.#entries.at(-1);
    if (last === undefined) return;
    const parts = last.path.split("/");
    this.#parents.length = 0;
    for (let depth = 0; depth < parts.length; depth++)
      this.#parents.push({ path: parts.slice(0, depth).join("/"), last: parts[depth]! });
    if ((last.mode & GO_MODE.dir) !== 0) this.#parents.push({ path: last.path, last: "" });
  }

  #entry(stat: FileStat, answers: Uint8Array[]): void {
    const id = this.#count++;
    if (id >= MAX_ENTRIES) throw refused(`more than ${MAX_ENTRIES} entries`);
    this.#checkPlace(stat);
    const mode = unixMode(stat.mode);
    if (mode === undefined) throw refused(`${textOf(stat.path)} with the unknown mode ${stat.mode.toString(8)}`);
    const before = this.#skipTo(stat.path);
    this.#entries.push(stat);
    const isFile = (mode & 0o170000) === 0o100000;
    const unchanged = before !== undefined && this.#same(before, stat) && !this.#rewritten.has(stat.linkname);
    if (isFile && stat.linkname === "") this.#files.add(stat.path);
    if (unchanged) return;
    this.#rewritten.add(stat.path);
    this.#change(stat, mode, before);
    if (!isFile || stat.linkname !== "") return;
    if (stat.size === 0) {
      const wanted: Wanted = { stat, mode, fd: undefined, size: 0 };
      this.#openFile(wanted);
      this.#close(wanted);
      return;
    }
    this.#wanted.set(id, { stat, mode, fd: undefined, size: 0 });
    answers.push(encodeRequest(id));
  }

  /** Order and parents. */
  #checkPlace({ path, mode }: FileStat): void {
    const slash = path.lastIndexOf("/");
    const dir = path.slice(0, Math.max(0, slash));
    const name = path.slice(slash + 1);
    if (path === "" || path.startsWith("/"))
      throw refused(`the path ${JSON.stringify(textOf(path))}: it is not relative`);
    if (path.includes("\0") || path.split("/").some((part) => part === "" || part === "." || part === ".."))
      throw refused(`the path ${JSON.stringify(textOf(path))}: it is not plain`);
    while (this.#parents.length > 1 && this.#parents.at(-1)!.path !== dir) this.#parents.pop();
    const parent = this.#parents.at(-1)!;
    if (parent.path !== dir) throw refused(`${textOf(path)} without the folder that it lies in`);
    if (parent.last !== "" && parent.last >= name) throw refused(`${textOf(path)} out of order`);
    parent.last = name;
    if ((mode & GO_MODE.dir) !== 0) this.#parents.push({ path, last: "" });
  }

  /** Removes what the sender no longer has before `path`; returns what was there at `path`. */
  #skipTo(path: ByteString): FileStat | undefined {
    for (;;) {
      const old = this.#before[this.#next];
      if (old === undefined) return undefined;
      const order = comparePaths(old.path, path);
      if (order > 0) return undefined;
      this.#next++;
      if (order === 0) return old;
      this.#remove(old);
    }
  }

  #remove(old: FileStat): void {
    this.#hasNews = true;
    fs.rmSync(fsPath(this.#at(old.path)), { recursive: true, force: true });
    this.#touch(old.path);
    if ((old.mode & GO_MODE.dir) !== 0) this.#skipInside(old.path);
  }

  #skipInside(dir: ByteString): void {
    while (this.#before[this.#next]?.path.startsWith(`${dir}/`)) this.#next++;
  }

  #same(old: FileStat, stat: FileStat): boolean {
    const isDir = (stat.mode & GO_MODE.dir) !== 0;
    if (!isDir && !this.#options.trustMetadata) return false;
    return (
      old.mode === stat.mode &&
      old.linkname === stat.linkname &&
      old.devmajor === stat.devmajor &&
      old.devminor === stat.devminor &&
      (isDir || (old.size === stat.size && old.mtimeNs === stat.mtimeNs)) &&
      sameXattrs(old, stat)
    );
  }

  #change(stat: FileStat, mode: number, old: FileStat | undefined): void {
    this.#hasNews = true;
    const place = this.#at(stat.path);
    const real = fsPath(place);
    const kind = mode & 0o170000;
    const isDir = kind === 0o040000;
    const wasDir = old !== undefined && (old.mode & GO_MODE.dir) !== 0;
    if (old !== undefined && !(isDir && wasDir)) {
      fs.rmSync(real, { recursive: true, force: true });
      if (wasDir) this.#skipInside(stat.path);
    }
    this.#touch(stat.path);
    switch (kind) {
      case 0o040000:
        if (!wasDir) fs.mkdirSync(real, { mode: 0o700 });
        fs.chmodSync(real, mode & PERMISSIONS);
        this.#touched.add(stat.path);
        break;
      case 0o120000:
        fs.symlinkSync(bytesToPath(stat.linkname), real);
        break;
      case 0o100000:
        if (stat.linkname === "") return;
        if (!this.#files.has(stat.linkname))
          throw refused(`${textOf(stat.path)} as a link to ${textOf(stat.linkname)}, which is no file before it`);
        this.#finishTarget(stat.linkname);
        fs.linkSync(fsPath(this.#at(stat.linkname)), real);
        return;
      default:
        makeNode(real, mode, stat.devmajor, stat.devminor);
        fs.chmodSync(real, mode & PERMISSIONS);
    }
    for (const [name, value] of stat.xattrs ?? []) trySetXattr(real, name, value);
    if (!isDir) setTimes(real, stat.mtimeNs, stat.mtimeNs);
  }

  /** A hard link needs its file, whose contents may still be on their way: the file is made now, and filled later. */
  #finishTarget(path: ByteString): void {
    for (const wanted of this.#wanted.values()) if (wanted.stat.path === path) this.#openFile(wanted);
  }

  #data(id: number, data: Buffer): void {
    const wanted = this.#wanted.get(id);
    if (wanted === undefined) throw refused(`contents of ${id}, which was not asked for`);
    this.#openFile(wanted);
    if (data.length === 0) {
      this.#wanted.delete(id);
      this.#close(wanted);
      return;
    }
    for (let at = 0; at < data.length;) at += fs.writeSync(wanted.fd!, data, at);
    wanted.size += data.length;
  }

  #openFile(wanted: Wanted): void {
    if (wanted.fd !== undefined) return;
    if (++this.#open > MAX_OPEN) throw refused(`contents of more than ${MAX_OPEN} files at once`);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
    wanted.fd = fs.openSync(fsPath(this.#at(wanted.stat.path)), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }

  #close({ fd, stat, mode, size }: Wanted): void {
    this.#open--;
    try {
      fs.fchmodSync(fd!, mode & PERMISSIONS);
      for (const [name, value] of stat.xattrs ?? []) trySetXattr(fsPath(this.#at(stat.path)), name, value);
      setFdTimes(fd!, stat.mtimeNs, stat.mtimeNs);
    } finally {
      fs.closeSync(fd!);
    }
    // It changed while it was sent: the next sync must not take it for what the entry says.
    if (size !== stat.size) this.#changed.add(stat.path);
  }

  #endList(): void {
    this.#listed = true;
    for (let old = this.#before[this.#next++]; old !== undefined; old = this.#before[this.#next++]) this.#remove(old);
  }

  /** Times of folders, now that nothing inside changes any more, and the list of what is there. */
  #settle(): void {
    for (const { path, mode, mtimeNs } of this.#entries) {
      if ((mode & GO_MODE.dir) !== 0 && this.#touched.has(path)) setTimes(fsPath(this.#at(path)), mtimeNs, mtimeNs);
    }
    const entries = this.#entries.map((entry) =>
      this.#changed.has(entry.path) ? { ...entry, size: entry.size + 1 } : entry,
    );
    this.#version = this.#hasNews || this.#oldVersion === undefined ? newVersion() : this.#oldVersion;
    writeEntryList(this.#options.listFile, entries, this.#version);
  }

  #touch(path: ByteString): void {
    this.#touched.add(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  }

  #at(path: ByteString): ByteString {
    return `${this.#root}/${path}`;
  }
}

function bytesToPath(text: ByteString): string | Buffer {
  if (text === "" || text.includes("\0")) throw refused("a link that leads nowhere");
  return fsPath(text);
}

function sameXattrs(one: FileStat, two: FileStat): boolean {
  if (one.xattrs === undefined || two.xattrs === undefined) return one.xattrs === two.xattrs;
  if (one.xattrs.size !== two.xattrs.size) return false;
  for (const [name, value] of one.xattrs) {
    const other = two.xattrs.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}

/** Attributes that the file system or our rights don't allow are left out, as BuildKit does. */
function trySetXattr(path: string | Buffer, name: ByteString, value: Uint8Array): void {
  try {
    setXattr(path, name, Buffer.from(value));
  } catch (error) {
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "EACCES", "EINVAL", "ERANGE"].includes(errnoOf(error) ?? "")) throw error;
  }
}

function emptyFolder(root: ByteString): void {
  for (const name of fs.readdirSync(fsPath(root), "latin1"))
    fs.rmSync(fsPath(`${root}/${name}`), { recursive: true, force: true });
}

function refused(what: string, cause?: unknown): BuildError {
  return new BuildError(`the client's file sync sent ${what}`, {
    code: "SYNC_REFUSED",
    status: "InvalidArgument",
    ...(cause === undefined ? {} : { cause }),
  });
}
