// The entries of a received folder, in order, as the sender described them, and a name for exactly this state of the folder. Written beside
// and renamed; a list that is torn or foreign is none, and then the folder counts as unknown. Entries lie as packets, as a sender sends them:
// what is sent again unchanged is told by comparing bytes.

import * as fs from "node:fs";
import { createHash, hash, randomBytes } from "node:crypto";
import { errnoOf } from "../../base/index.ts";
import { decodePacket, encodeStat } from "../../formats/fsutil/index.ts";
import type { FileStat } from "../../formats/fsutil/index.ts";
import { packPackets, unpackPackets } from "./remote-sync-messages.ts";

const MAGIC = Buffer.from("SLWLIST2");
const VERSION = 16;
const HEADER = MAGIC.length + VERSION;
const SUM = 32;

export interface EntryList {
  /** Two lists of the same version tell of the same files with the same contents. */
  readonly version: string;
  /** One for each entry, as `packPackets` makes a piece. */
  readonly packets: Buffer;
}

export function newVersion(): string {
  return randomBytes(VERSION).toString("hex");
}

/** Undefined where there is no whole list. */
export function readEntryList(file: string): EntryList | undefined {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const end = bytes.length - SUM;
  if (end < HEADER || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (!hash("sha256", bytes.subarray(0, end), "buffer").equals(bytes.subarray(end))) return undefined;
  return { version: bytes.toString("hex", MAGIC.length, HEADER), packets: bytes.subarray(HEADER, end) };
}

/** @throws as node's fs. */
export function writeEntryList(file: string, entries: readonly FileStat[], version: string): void {
  const parts = [MAGIC, Buffer.from(version, "hex"), packPackets(entries.map((entry) => encodeStat(entry)))];
  const sum = createHash("sha256");
  for (const part of parts) sum.update(part);
  const temporary = `${file}.tmp`;
  fs.writeFileSync(temporary, Buffer.concat([...parts, sum.digest()]), { mode: 0o600 });
  fs.renameSync(temporary, file);
}

/** Goes along an old list with what is sent anew: as long as that is the same, it was checked before, and the folder has it. */
export class ListFollower {
  readonly version: string;
  readonly #packets: Buffer;
  #at = 0;

  constructor({ version, packets }: EntryList) {
    this.version = version;
    this.#packets = packets;
  }

  /** Whether the list is at its end. */
  get isDone(): boolean {
    return this.#at === this.#packets.length;
  }

  /** Bytes at the beginning of a piece, whole packets all, that are what comes next in the list; it moves on by as many. */
  follow(piece: Buffer): number {
    const packets = this.#packets;
    // Both begin with a packet: what is equal up to the end of either ends with one.
    const most = Math.min(piece.length, packets.length - this.#at);
    if (piece.compare(packets, this.#at, this.#at + most, 0, most) === 0) {
      this.#at += most;
      return most;
    }
    let size = 0;
    while (size < most) {
      const end = size + 4 + piece.readUInt32LE(size);
      const next = this.#at + end - size;
      if (next > packets.length || piece.compare(packets, this.#at, next, size, end) !== 0) break;
      this.#at = next;
      size = end;
    }
    return size;
  }

  /** All entries, and how many of them were sent again. */
  entries(): { readonly all: FileStat[]; readonly sent: number } {
    const all: FileStat[] = [];
    let sent = 0;
    let at = 0;
    for (const packet of unpackPackets(this.#packets)) {
      const { stat } = decodePacket(packet);
      if (stat === undefined) throw new Error("a list of entries has a packet that is none");
      at += 4 + packet.length;
      if (at <= this.#at) sent++;
      all.push(stat);
    }
    return { all, sent };
  }
}
