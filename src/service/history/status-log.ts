// A build's progress on disk: messages as they were told, each after its length in four bytes. Who follows a build reads the file, so a
// build costs no memory however much it says. The form is that of BuildKit's records of builds.
// Counterpart: moby/buildkit solver/llbsolver/history ImportStatus.

import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { toBinary } from "@bufbuild/protobuf";
import type { Digest } from "../../base/index.ts";
import { control } from "../../formats/proto/index.ts";

/** Joined messages stay well below what Go's gRPC takes. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
const READ_BYTES = 2 * MAX_MESSAGE_BYTES;

export class StatusLog {
  readonly path: string;
  readonly #fd: number;
  readonly #hash = createHash("sha256");
  readonly #readers = new Set<() => void>();
  #pending: Uint8Array[] = [];
  #scheduled = false;
  #size = 0;
  #broken = false;
  #ended = false;

  /** @throws as node's fs. */
  constructor(path: string) {
    this.path = path;
    this.#fd = fs.openSync(path, "wx+", 0o600);
  }

  get size(): number {
    return this.#size;
  }

  append(status: control.StatusResponse): void {
    if (this.#ended) return;
    const message = toBinary(control.StatusResponseSchema, status);
    const size = Buffer.allocUnsafe(4);
    size.writeUInt32LE(message.byteLength);
    this.#pending.push(size, message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** No more follows. Resolves with the digest of all. */
  end(): Digest {
    this.#flush();
    this.#ended = true;
    this.#wake();
    return `sha256:${this.#hash.digest("hex")}` as Digest;
  }

  /** Lets go of the file; those who follow it go on. */
  close(): void {
    fs.closeSync(this.#fd);
  }

  /** Everything from the start to the end, joined into fewer messages. */
  async *follow(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    // Of its own, and valid whatever becomes of the name.
    const fd = fs.openSync(`/proc/self/fd/${this.#fd}`, "r");
    try {
      for (let at = 0; ;) {
        const ended = this.#ended;
        const { messages, next } = readMessages(fd, at, this.#size);
        at = next;
        if (messages.length > 0) yield* messages;
        else if (ended || signal.aborted) return;
        else await this.#more(signal);
      }
    } finally {
      fs.closeSync(fd);
    }
  }

  #flush(): void {
    this.#scheduled = false;
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    if (bytes.length === 0 || this.#broken) return;
    try {
      for (let at = 0; at < bytes.length;) at += fs.writeSync(this.#fd, bytes, at, undefined, this.#size + at);
    } catch {
      // On a full disk the build goes on; what it says from here on is told to nobody.
      this.#broken = true;
      return;
    }
    this.#hash.update(bytes);
    this.#size += bytes.length;
    this.#wake();
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#readers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#readers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #wake(): void {
    for (const wake of this.#readers) wake();
  }
}

/** The messages of a whole log. @throws as node's fs. */
export function* readStatusLog(path: string): Generator<Uint8Array> {
  const fd = fs.openSync(path, "r");
  try {
    const { size } = fs.fstatSync(fd);
    for (let at = 0; at < size;) {
      const { messages, next } = readMessages(fd, at, size);
      if (next === at) return;
      at = next;
      yield* messages;
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Whole messages from `at` on, joined: the bytes of messages one after the other are those of the message that has all of them. */
function readMessages(fd: number, at: number, end: number): { messages: Uint8Array[]; next: number } {
  if (at >= end) return { messages: [], next: at };
  const wanted = Math.min(end - at, READ_BYTES);
  let bytes = Buffer.allocUnsafe(wanted);
  let filled = readFull(fd, bytes, at);
  const first = bytes.readUInt32LE(0) + 4;
  if (first > filled && at + first <= end) {
    bytes = Buffer.allocUnsafe(first);
    filled = readFull(fd, bytes, at);
  }
  const messages: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let size = 0;
  let from = 0;
  while (from + 4 <= filled) {
    const length = bytes.readUInt32LE(from);
    if (from + 4 + length > filled) break;
    if (size > 0 && size + length > MAX_MESSAGE_BYTES) {
      messages.push(Buffer.concat(parts));
      parts = [];
      size = 0;
    }
    parts.push(bytes.subarray(from + 4, from + 4 + length));
    size += length;
    from += 4 + length;
  }
  if (parts.length > 0) messages.push(Buffer.concat(parts));
  return { messages, next: at + from };
}

function readFull(fd: number, into: Buffer, at: number): number {
  let filled = 0;
  while (filled < into.length) {
    const read = fs.readSync(fd, into, filled, into.length - filled, at + filled);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}
