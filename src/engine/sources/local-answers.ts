// Digests that a step asked of a local folder, from one build to the next. They are given again without a walk when everything that they depended on
// is as it was: no folder is read, no list hashed, each file is asked of the kernel once, by name. One file per folder, filter and step.

import { hash } from "node:crypto";
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { byteString, type ByteString, type Digest, errnoOf, fsPath } from "../../base/index.ts";
import type { HashRequest } from "../../storage/snapshots/index.ts";
import { canReadNames, NameReader } from "../../system/linux/index.ts";
import { answersFile } from "../ports/index.ts";
import type { SourceSpec } from "./local-tree.ts";
import { readMemory, writeMemory } from "./memory-file.ts";
import type { WalkRecord } from "./walk-record.ts";

const MAGIC = "SLWANSW1";
const NUMBERS = 5;
const KEY = NUMBERS * 8;
const DIGEST = 32;
/** What a name takes, about. */
const NAME = 16;
/** Of one folder: more than its builds have steps that read it. */
const MAX_FILES = 32;

/** What one step asked of one folder. */
export class LocalAnswers {
  readonly #file: string;
  readonly #root: ByteString;
  readonly #head: Buffer;

  /** @param dir where memories are; `source.root` is a real path */
  constructor(dir: string, source: SourceSpec, requests: readonly HashRequest[]) {
    const question = JSON.stringify([source.local ?? null, requests]);
    const name = hash("sha256", question, "buffer");
    this.#file = answersFile(dir, source.root, name.toString("hex", 0, 8));
    this.#root = byteString(source.root);
    this.#head = Buffer.concat([Buffer.from(`${MAGIC}${this.#root}\0`, "latin1"), name]);
  }

  /** How many files have to be looked at, about. */
  get files(): number {
    const { size = 0 } = fs.statSync(this.#file, { throwIfNoEntry: false }) ?? {};
    return Math.floor(size / (KEY + NAME));
  }

  /**
   * One digest per request; undefined where there are none, or something has changed.
   *
   * @param byAddress names are read by the kernel where they lie; defaults to whether that can be done
   */
  recall(byAddress = canReadNames()): Digest[] | undefined {
    const bytes = readMemory(this.#file, this.#head);
    if (bytes === undefined) return undefined;
    const reader = new Reader(bytes);
    const digests = Array.from({ length: reader.u32() }, () => reader.digest());
    try {
      return isUnchanged(this.#root, reader, byAddress) ? digests : undefined;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }

  /**
   * Remembers digests that a walk with this record gave; nothing where times would not tell a change of them later, or where nothing can be kept.
   * @throws other system errors.
   */
  save(record: WalkRecord, digests: readonly Digest[]): void {
    if (!record.isSure) return;
    writeMemory(this.#file, this.#head, written(record, digests));
    this.#removeOldest();
  }

  #removeOldest(): void {
    const dir = dirname(this.#file);
    const [own] = basename(this.#file).split("-");
    const names = fs.existsSync(dir) ? fs.readdirSync(dir) : [];
    const files = names.filter((name) => name.startsWith(`${own}-`)).map((name) => join(dir, name));
    if (files.length <= MAX_FILES) return;
    const byAge = files
      .map((file) => ({ file, writtenMs: fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
      .sort((one, two) => two.writtenMs - one.writtenMs);
    for (const { file } of byAge.slice(MAX_FILES)) fs.rmSync(file, { force: true });
  }
}

class Reader {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  u32(): number {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  digest(): Digest {
    this.at += DIGEST;
    return `sha256:${this.bytes.toString("hex", this.at - DIGEST, this.at)}` as Digest;
  }

  /** Where a name begins; a zero byte ends it. */
  name(): number {
    const size = this.bytes.readUInt16LE(this.at);
    const start = this.at + 2;
    this.at = start + size + 1;
    return start;
  }
}

/** Compares every entry of the rest of the file with what is there now. @throws as node's fs. */
function isUnchanged(root: ByteString, reader: Reader, byAddress: boolean): boolean {
  const { bytes } = reader;
  const look = byAddress ? addressLooker(bytes) : nodeLooker(bytes);
  const found = Buffer.from(look.numbers.buffer);
  while (reader.at < bytes.length) {
    const start = reader.name();
    const path = bytes.toString("latin1", start, reader.at - 1);
    const folder = path === "" ? root : `${root}/${path}`;
    const fd = fs.openSync(
      fsPath(folder),
      fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK,
    );
    try {
      for (let count = reader.u32(); count > 0; count--) {
        const name = reader.name();
        if (!look.at(fd, folder, name, reader.at - 1)) return false;
        reader.at += KEY;
        if (found.compare(bytes, reader.at - KEY, reader.at) !== 0) return false;
      }
    } finally {
      fs.closeSync(fd);
    }
  }
  return true;
}

interface Looker {
  readonly numbers: Float64Array;
  /** Fills the numbers; false where there is nothing. */
  at(fd: number, folder: ByteString, start: number, end: number): boolean;
}

function addressLooker(bytes: Buffer): Looker {
  const names = new NameReader(bytes);
  return { numbers: names.numbers, at: (fd, _, start) => names.look(fd, start) };
}

function nodeLooker(bytes: Buffer): Looker {
  const numbers = new Float64Array(NUMBERS);
  return {
    numbers,
    at: (_, folder, start, end) => {
      const path = `${folder}/${bytes.toString("latin1", start, end)}`;
      const stat = fs.lstatSync(fsPath(path), { throwIfNoEntry: false });
      if (stat === undefined) return false;
      numbers.set([stat.dev, stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs]);
      return true;
    },
  };
}

function written(record: WalkRecord, digests: readonly Digest[]): Buffer[] {
  const parts = [u32(digests.length), ...digests.map((digest) => Buffer.from(digest.slice("sha256:".length), "hex"))];
  for (const [dir, { names, numbers }] of record.folders) {
    const sizes = names.reduce((sum, name) => sum + 3 + name.length + KEY, 0);
    const block = Buffer.alloc(3 + dir.length + 4 + sizes);
    let at = writeName(block, 0, dir);
    at = block.writeUInt32LE(names.length, at);
    for (const [index, name] of names.entries()) {
      at = writeName(block, at, name);
      for (let each = 0; each < NUMBERS; each++) at = block.writeDoubleLE(numbers[index * NUMBERS + each]!, at);
    }
    parts.push(block);
  }
  return parts;
}

function writeName(block: Buffer, at: number, name: ByteString): number {
  const start = block.writeUInt16LE(name.length, at);
  return block.writeUInt8(0, start + block.write(name, start, "latin1"));
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
