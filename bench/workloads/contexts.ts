// Build contexts that the workloads make: files of a known size, Dockerfiles, bytes that compress as programs do.

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
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

/** `count` files of about 2 KB in folders of 500. */
export function manyFiles(dir: string, count: number, salt = ""): void {
  const text = Buffer.alloc(2100, "slipway ");
  for (let at = 0; at < count; at++) {
    const sub = join(dir, `d${Math.floor(at / 500)}`);
    if (at % 500 === 0) mkdirSync(sub, { recursive: true });
    writeFileSync(join(sub, `f${at}`), Buffer.concat([text, Buffer.from(`${salt} ${at}`)]));
  }
}

/** Bytes that gzip makes about a third of, as it does of programs; the same for the same salt. */
export function programLike(bytes: number, salt: string): Buffer {
  const block = Buffer.alloc(1 << 20);
  for (let at = 0, line = 0; at < block.length; line++) {
    const word = createHash("sha256").update(`${salt} ${line}`).digest();
    at += word.copy(block, at);
    at += block.write(" function return const await export ".repeat(2), at);
  }
  const all = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += block.length) {
    block.writeUInt32LE(at % 0xffff_ffff, at % 4096);
    block.copy(all, at);
  }
  return all;
}

/** A text that no build had before. */
export function fresh(): string {
  return `${process.pid}-${process.hrtime.bigint()}`;
}
