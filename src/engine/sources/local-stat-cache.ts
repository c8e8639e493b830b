// Digests of a local folder's files from one build to the next: one compact file per folder, written beside and renamed.
// A digest holds while device, inode, size, mtime and ctime are the same; ctime covers modes and attributes. Files changed
// shortly before they were read are not remembered: a change in the same tick of the clock would go unseen.
// A missing, torn or foreign cache file is an empty one.

import { createHash, hash } from "node:crypto";
import * as fs from "node:fs";
import { dirname } from "node:path";
import { byteString, type ByteString, type Digest, errnoOf } from "../../base/index.ts";
import { contextMemoryFile } from "../ports/index.ts";

const MAGIC = "SLWSTAT2";
const KEY = 5 * 8;
const RECORD = KEY + 32;
const MANY = 10_000;
/** Coarser than any file system's clock: FAT's and NFS's too. */
const RACY_MS = 2000;

export class StatCache {
  readonly #file: string;
  readonly #root: ByteString;
  /** The file as it was, and where in it the record of each path begins: a hundred thousand buffers would take longer than to hash. */
  readonly #bytes: Buffer;
  readonly #old: ReadonlyMap<ByteString, number>;
  readonly #found = new Set<number>();
  readonly #new = new Map<ByteString, Buffer>();
  readonly #openedMs = Date.now();
  #changed = false;

  private constructor(file: string, root: ByteString) {
    this.#file = file;
    this.#root = root;
    ({ bytes: this.#bytes, records: this.#old } = load(file, root));
  }

  /** @param dir where the caches are; @param root the folder whose files are remembered, as a real path */
  static open(dir: string, root: string): StatCache {
    return new StatCache(contextMemoryFile(dir, root), byteString(root));
  }

  /** Bytes that it takes, about 90 for each file of the folder; undefined where there is none. */
  static sizeOf(dir: string, root: string): number | undefined {
    return fs.statSync(contextMemoryFile(dir, root), { throwIfNoEntry: false })?.size;
  }

  /** Whether a file was read whose digest was not remembered. */
  get hasNews(): boolean {
    return this.#changed;
  }

  /** The digest of an unchanged file. */
  find(path: ByteString, stat: fs.Stats): Digest | undefined {
    setKey(stat);
    const record = this.#new.get(path);
    if (record !== undefined && key.compare(record, 0, KEY) === 0) return digestAt(record, 0);
    const at = this.#old.get(path);
    if (at === undefined || key.compare(this.#bytes, at, at + KEY) !== 0) return undefined;
    this.#found.add(at);
    return digestAt(this.#bytes, at);
  }

  /** Remembers a digest that was computed after `stat` was taken. */
  add(path: ByteString, stat: fs.Stats, digest: Digest): void {
    this.#changed = true;
    if (Math.max(stat.ctimeMs, stat.mtimeMs) > this.#openedMs - RACY_MS) return;
    setKey(stat);
    this.#new.set(path, Buffer.concat([key, Buffer.from(digest.slice("sha256:".length), "hex")]));
  }

  /** Writes what was found and added, with what a narrower filter did not look at; nothing when nothing changed. */
  save(): void {
    if (!this.#changed) return;
    const parts: Buffer[] = [header(this.#root)];
    const write = (path: ByteString, record: Buffer): void => {
      const name = Buffer.from(path, "latin1");
      const size = Buffer.alloc(2);
      size.writeUInt16LE(name.length);
      parts.push(size, name, record);
    };
    for (const [path, record] of this.#new) write(path, record);
    // Files that are gone are not told from files that were not looked at; a cache that is mostly such starts afresh.
    const all = this.#old.size <= 2 * (this.#new.size + this.#found.size) + MANY;
    for (const [path, at] of this.#old) {
      if (!this.#new.has(path) && (all || this.#found.has(at))) write(path, this.#bytes.subarray(at, at + RECORD));
    }
    const body = Buffer.concat(parts);
    const sum = createHash("sha256").update(body).digest();
    const temporary = `${this.#file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
    try {
      fs.mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
      fs.writeFileSync(temporary, Buffer.concat([body, sum]));
      fs.renameSync(temporary, this.#file);
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      // Without the cache the next build is slower, not wrong.
      if (!["ENOSPC", "EROFS", "EACCES", "EDQUOT", "ENOENT"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
}

function load(file: string, root: ByteString): { bytes: Buffer; records: Map<ByteString, number> } {
  const records = new Map<ByteString, number>();
  const none = { bytes: Buffer.alloc(0), records };
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch {
    return none;
  }
  const start = header(root);
  const end = bytes.length - 32;
  if (end < start.length || !bytes.subarray(0, start.length).equals(start)) return none;
  if (!hash("sha256", bytes.subarray(0, end), "buffer").equals(bytes.subarray(end))) return none;
  for (let at = start.length; at < end;) {
    const size = bytes.readUInt16LE(at);
    const path = bytes.toString("latin1", at + 2, at + 2 + size);
    records.set(path, at + 2 + size);
    at += 2 + size + RECORD;
  }
  return { bytes, records };
}

function header(root: ByteString): Buffer {
  return Buffer.from(`${MAGIC}${root}\0`, "latin1");
}

const key = Buffer.alloc(KEY);
const words = new Float64Array(key.buffer, key.byteOffset, 5);

/** As doubles: integers of 64 bits for each of five fields cost as much as asking the kernel. Times keep a quarter of a microsecond. */
function setKey(stat: fs.Stats): void {
  words[0] = stat.dev;
  words[1] = stat.ino;
  words[2] = stat.size;
  words[3] = stat.mtimeMs;
  words[4] = stat.ctimeMs;
}

function digestAt(bytes: Buffer, record: number): Digest {
  return `sha256:${bytes.toString("hex", record + KEY, record + RECORD)}` as Digest;
}
