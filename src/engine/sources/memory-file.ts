// Files of what is remembered of local folders: a head that says what the file is about, the rest, a sum of both. Written beside and renamed; one that
// is missing, torn or about something else is none.

import { createHash, hash } from "node:crypto";
import * as fs from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../../base/index.ts";

const SUM = 32;
/** Why nothing can be kept here, which makes the next build slower, not wrong. */
const NOT_KEPT = new Set(["ENOSPC", "EROFS", "EACCES", "EDQUOT", "ENOENT"]);

/** What follows the head; undefined where the file is missing, damaged or has another one. */
export function readMemory(file: string, head: Buffer): Buffer | undefined {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch {
    return undefined;
  }
  const end = bytes.length - SUM;
  if (end < head.length || !bytes.subarray(0, head.length).equals(head)) return undefined;
  if (!hash("sha256", bytes.subarray(0, end), "buffer").equals(bytes.subarray(end))) return undefined;
  return bytes.subarray(head.length, end);
}

/** Writes a head and what follows it. Nothing where it can't be kept. @throws other system errors. */
export function writeMemory(file: string, head: Buffer, parts: readonly Buffer[]): void {
  const body = Buffer.concat([head, ...parts]);
  const sum = createHash("sha256").update(body).digest();
  const temporary = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(temporary, Buffer.concat([body, sum]));
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    if (!NOT_KEPT.has(errnoOf(error) ?? "")) throw error;
  }
}
