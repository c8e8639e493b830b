// Digests of a local folder's files from one build to the next: one compact file per folder.
// A digest holds while device, inode, size, mtime and ctime are the same; ctime covers modes and attributes. Files changed
// shortly before they were read are not remembered: a change in the same tick of the clock would go unseen.
// Records lie in the order of the walk that wrote them, which the next walk mostly
// repeats: then nothing but the next record is looked at.

import * as fs from "node:fs";
import { byteString, type ByteString, type Digest } from "../../base/index.ts";
import { contextMemoryFile } from "../ports/index.ts";
import { ChangeClock } from "./change-clock.ts";
import { readMemory, writeMemory } from "./memory-file.ts";
import type { FileNumbers } from "./walk-record.ts";

const MAGIC = "SLWSTAT2";
const KEY = 5 * 8;
const RECORD = KEY + 32;
const MANY = 10_000;

export class StatCache {
  readonly #file: string;
  readonly #root: ByteString;
  /** The file's records as they were: a hundred thousand buffers would take longer than to hash. */
  readonly #bytes: Buffer;
  /** Where the record that comes next begins. */
  #next = 0;
  /** Where in the records that of each path begins; made when the walk is another one. */
  #places: Map<ByteString, number> | undefined;
  readonly #asked: ByteString[] = [];
  #found = 0;
  readonly #new = new Map<ByteString, Buffer>();
  readonly #clock: ChangeClock;
  #changed = false;

  private constructor(file: string, root: ByteString) {
    this.#file = file;
    this.#root = root;
    this.#clock = new ChangeClock(root);
    this.#bytes = readMemory(file, header(root)) ?? Buffer.alloc(0);
  }

  /** @param dir where the caches are; @param root the folder whose files are remembered, as a real path */
  static open(dir: string, root: string): StatCache {
    return new StatCache(contextMemoryFile(dir, root), byteString(root));
  }

  /** Bytes that it takes, about 90 for each file of the folder; undefined where there is none. */
  static sizeOf(dir: string, root: string): number | undefined {
    return fs.statSync(contextMemoryFile(dir, root), { throwIfNoEntry: false })?.size;
  }

  /** Whether nothing is remembered of the folder. */
  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  /** Whether a file was read whose digest was not remembered. */
  get hasNews(): boolean {
    return this.#changed;
  }

  /** The digest of an unchanged file. */
  find(path: ByteString, stat: FileNumbers): Digest | undefined {
    this.#asked.push(path);
    setKey(stat);
    const record = this.#new.get(path);
    if (record !== undefined && key.compare(record, 0, KEY) === 0) return digestAt(record, 0);
    const at = this.#place(path);
    if (at === undefined) return undefined;
    this.#next = at + RECORD;
    if (key.compare(this.#bytes, at, at + KEY) !== 0) return undefined;
    this.#found++;
    return digestAt(this.#bytes, at);
  }

  #place(path: ByteString): number | undefined {
    if (this.#next < this.#bytes.length) {
      const start = this.#next + 2;
      const end = start + this.#bytes.readUInt16LE(this.#next);
      if (end - start === path.length && this.#bytes.toString("latin1", start, end) === path) return end;
    }
    return (this.#places ??= placesOf(this.#bytes)).get(path);
  }

  /** Remembers a digest that was computed after `stat` was taken. */
  add(path: ByteString, stat: FileNumbers, digest: Digest): void {
    this.#changed = true;
    if (this.#clock.isRacy(stat)) return;
    setKey(stat);
    this.#new.set(path, Buffer.concat([key, Buffer.from(digest.slice("sha256:".length), "hex")]));
  }

  /** Writes what was found and added, with what a narrower filter did not look at; nothing when nothing changed. */
  save(): void {
    // What changed too lately to be remembered is no reason to write all the rest again; a first file tells that the folder was read.
    if (!this.#changed || (this.#new.size === 0 && this.#bytes.length > 0)) return;
    const parts: Buffer[] = [];
    const write = (path: ByteString, record: Buffer): void => {
      const name = Buffer.from(path, "latin1");
      const size = Buffer.alloc(2);
      size.writeUInt16LE(name.length);
      parts.push(size, name, record);
    };
    const old = (this.#places ??= placesOf(this.#bytes));
    const asked = new Set([...this.#asked, ...this.#new.keys()]);
    const writeOld = (path: ByteString): void => {
      const at = old.get(path);
      if (at !== undefined) write(path, this.#bytes.subarray(at, at + RECORD));
    };
    for (const path of asked) {
      const record = this.#new.get(path);
      if (record !== undefined) write(path, record);
      else writeOld(path);
    }
    // Files that are gone are not told from files that were not looked at; a cache that is mostly such starts afresh.
    const isMostlyAsked = old.size <= 2 * (this.#new.size + this.#found) + MANY;
    if (isMostlyAsked) for (const path of old.keys()) if (!asked.has(path)) writeOld(path);
    writeMemory(this.#file, header(this.#root), parts);
  }
}

function placesOf(records: Buffer): Map<ByteString, number> {
  const places = new Map<ByteString, number>();
  for (let at = 0; at < records.length;) {
    const size = records.readUInt16LE(at);
    places.set(records.toString("latin1", at + 2, at + 2 + size), at + 2 + size);
    at += 2 + size + RECORD;
  }
  return places;
}

function header(root: ByteString): Buffer {
  return Buffer.from(`${MAGIC}${root}\0`, "latin1");
}

const key = Buffer.alloc(KEY);
const words = new Float64Array(key.buffer, key.byteOffset, 5);

/** As doubles: integers of 64 bits for each of five fields cost as much as asking the kernel. Times keep a quarter of a microsecond. */
function setKey(stat: FileNumbers): void {
  words[0] = stat.dev;
  words[1] = stat.ino;
  words[2] = stat.size;
  words[3] = stat.mtimeMs;
  words[4] = stat.ctimeMs;
}

function digestAt(bytes: Buffer, record: number): Digest {
  return `sha256:${bytes.toString("hex", record + KEY, record + RECORD)}` as Digest;
}
