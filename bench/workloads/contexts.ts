// Build contexts that the workloads make: files of a known size, Dockerfiles, bytes that compress as programs do.

import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "../harness/types.ts";

/** A new folder with a Dockerfile; `fill` puts the rest in. */
export function context(
  lab: Lab,
  name: string,
  dockerfile: string,
  fill: (dir: string) => void = () => undefined,
): string {
  const dir = join(lab.folder, "contexts", name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "Dockerfile"), dockerfile);
  fill(dir);
  return dir;
}

/** Contexts of one workload, one for each round: no peer has seen it, and what a peer learns of it helps no other. */
export class RoundContexts {
  readonly #made = new Map<number, string>();
  readonly #id: string;
  readonly #dockerfile: string;
  readonly #fill: (dir: string) => void;

  constructor(id: string, dockerfile: string, fill: (dir: string) => void) {
    this.#id = id;
    this.#dockerfile = dockerfile;
    this.#fill = fill;
  }

  of(lab: Lab, round: number): string {
    const known = this.#made.get(round);
    if (known !== undefined) return known;
    const made = context(lab, `${this.#id}-${round}`, this.#dockerfile, this.#fill);
    this.#made.set(round, made);
    return made;
  }

  /** All that were made. */
  discard(lab: Lab): void {
    for (const dir of this.#made.values()) lab.discard(dir);
    this.#made.clear();
  }
}

/** `count` files of about 2 KB in folders of 500. */
export function manyFiles(dir: string, count: number, salt = ""): void {
  const text = Buffer.alloc(2100, "slipway ");
  for (let at = 0; at < count; at++) {
    const sub = join(dir, `d${Math.floor(at / 500)}`);
    if (at % 500 === 0) mkdirSync(sub, { recursive: true });
    writeFileSync(join(sub, `f${at}`), Buffer.concat([text, Buffer.from(`${salt} ${at}`)]));
  }
}

/** Larger than the windows of the compressors that are compared, or its repetition would compress to nothing. */
const BLOCK_BYTES = 8 << 20;
let block: Buffer | undefined;

/**
 * Writes a file of `bytes` that gzip makes about half of, as it does of programs; no other file has its contents. It is written in pieces:
 * a gigabyte needs no more memory than a megabyte.
 */
export function writeProgramLike(path: string, bytes: number): void {
  block ??= programLikeBlock();
  const file = openSync(path, "w");
  try {
    for (let at = 0; at < bytes; at += block.length) {
      for (let page = 0; page < block.length; page += 1 << 16) randomBytes(16).copy(block, page);
      writeSync(file, block, 0, Math.min(block.length, bytes - at));
    }
  } finally {
    closeSync(file);
  }
}

function programLikeBlock(): Buffer {
  const made = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0, line = 0; at < made.length; line++) {
    at += createHash("sha256").update(String(line)).digest().copy(made, at);
    at += made.write(" function return const await export ", at);
  }
  return made;
}

/** Writes a file of `bytes` that starts as no other does and then repeats itself. */
export function writeLarge(path: string, bytes: number): void {
  const file = openSync(path, "w");
  try {
    const piece = Buffer.alloc(1 << 20, randomBytes(4096));
    for (let at = 0; at < bytes; at += piece.length) writeSync(file, piece, 0, Math.min(piece.length, bytes - at));
  } finally {
    closeSync(file);
  }
}

/** Waits until what was made before is on the disk, so that the work measured next does not wait for it. */
export function settle(lab: Lab): void {
  if (!lab.isQuick) execFileSync("sync");
}

/** A text that no build had before. */
export function fresh(): string {
  return `${process.pid}-${process.hrtime.bigint()}`;
}
