// The entries of a received folder, in order, as the sender described them. Written beside and renamed; a list that is torn or foreign
// is none, and then the folder counts as unknown.

import * as fs from "node:fs";
import { createHash } from "node:crypto";
import { errnoOf } from "../../base/index.ts";
import { decodePacket, encodeStat } from "../../formats/fsutil/index.ts";
import type { FileStat } from "../../formats/fsutil/index.ts";

const MAGIC = Buffer.from("SLWLIST1");
const SUM = 32;

/** Undefined where there is no whole list. */
export function readEntryList(file: string): FileStat[] | undefined {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const end = bytes.length - SUM;
  if (end < MAGIC.length || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (!createHash("sha256").update(bytes.subarray(0, end)).digest().equals(bytes.subarray(end))) return undefined;
  const entries: FileStat[] = [];
  for (let at = MAGIC.length; at < end;) {
    const size = bytes.readUInt32LE(at);
    const { stat } = decodePacket(bytes.subarray(at + 4, at + 4 + size));
    if (stat === undefined) return undefined;
    entries.push(stat);
    at += 4 + size;
  }
  return entries;
}

/** @throws as node's fs. */
export function writeEntryList(file: string, entries: readonly FileStat[]): void {
  const parts: Uint8Array[] = [MAGIC];
  for (const entry of entries) {
    const packet = encodeStat(entry);
    const size = Buffer.allocUnsafe(4);
    size.writeUInt32LE(packet.byteLength);
    parts.push(size, packet);
  }
  const body = Buffer.concat(parts);
  const temporary = `${file}.tmp`;
  fs.writeFileSync(temporary, Buffer.concat([body, createHash("sha256").update(body).digest()]), { mode: 0o600 });
  fs.renameSync(temporary, file);
}
