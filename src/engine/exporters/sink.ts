// Where a job writes an archive to: a new file, or chunks handed to the main thread for a stream that only it can write to. Chunks
// in flight are counted in shared memory, so that a slow reader slows the job down instead of filling memory.

import * as fs from "node:fs";
import { isMainThread } from "node:worker_threads";
import { paddingAfter, TAR_END } from "../../formats/archive/index.ts";
import { type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import { copyInKernel, WORTH_BYTES } from "./copy-in-kernel.ts";

export type SinkTarget =
  | { readonly kind: "file"; readonly path: string }
  /** `credit` holds one 32-bit count of chunks on their way. */
  | { readonly kind: "chunks"; readonly credit: SharedArrayBuffer };

/** What jobs of this room tell while they run. */
export type JobProgress =
  | { readonly kind: "bytes"; readonly bytes: number }
  | { readonly kind: "chunk"; readonly chunk: Uint8Array };

const SLAB = 1024 * 1024;
const MAX_CHUNKS = 8;
const ZEROS = Buffer.alloc(512);

/** Collects bytes into large writes. Disposing closes the file, and removes it unless `finish` was called. */
export class TarSink implements Disposable {
  readonly #target: SinkTarget;
  readonly #context: JobContext;
  readonly #slab = Buffer.allocUnsafeSlow(SLAB);
  readonly #fd: number | undefined;
  #filled = 0;
  #finished = false;
  writtenBytes = 0;

  /** @throws EEXIST, EACCES … when the file can't be made. */
  constructor(target: SinkTarget, context: JobContext) {
    this.#target = target;
    this.#context = context;
    this.#fd = target.kind === "file" ? fs.openSync(target.path, "wx", 0o666) : undefined;
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) {
      if (this.#filled === SLAB) this.#flush();
      const size = Math.min(bytes.byteLength - at, SLAB - this.#filled);
      this.#slab.set(bytes.subarray(at, at + size), this.#filled);
      this.#filled += size;
      at += size;
    }
  }

  /**
   * Copies `size` bytes from an open file, and the padding that tar wants after them; `onBytes` sees them pass. Where nobody wants to
   * see them, and they go into a file, they need not pass through here.
   *
   * @throws when the file is shorter.
   */
  copyFrom(fd: number, size: number, onBytes?: (bytes: Uint8Array) => void): void {
    let left = size;
    if (onBytes === undefined && this.#fd !== undefined && size >= WORTH_BYTES) {
      this.#flush();
      left -= copyInKernel(fd, this.#fd, size, (bytes) => this.#written(bytes));
    }
    while (left > 0) {
      if (this.#filled === SLAB) this.#flush();
      const read = fs.readSync(fd, this.#slab, this.#filled, Math.min(left, SLAB - this.#filled), null);
      if (read === 0) throw new Error("a file became shorter while it was exported");
      onBytes?.(this.#slab.subarray(this.#filled, this.#filled + read));
      this.#filled += read;
      left -= read;
    }
    this.write(ZEROS.subarray(0, paddingAfter(size)));
  }

  /** Ends the archive. */
  finish(): void {
    this.write(TAR_END);
    this.#flush();
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#finished = true;
  }

  [Symbol.dispose](): void {
    if (this.#finished || this.#fd === undefined || this.#target.kind !== "file") return;
    fs.closeSync(this.#fd);
    fs.rmSync(this.#target.path, { force: true });
  }

  #flush(): void {
    throwIfAborted(this.#context);
    const bytes = this.#slab.subarray(0, this.#filled);
    this.#filled = 0;
    if (this.#fd === undefined) this.#send(bytes);
    else for (let at = 0; at < bytes.length;) at += fs.writeSync(this.#fd, bytes, at);
    this.#written(bytes.length);
  }

  #written(size: number): void {
    throwIfAborted(this.#context);
    this.writtenBytes += size;
    this.#context.progress({ kind: "bytes", bytes: this.writtenBytes } satisfies JobProgress);
  }

  #send(bytes: Buffer): void {
    if (this.#target.kind !== "chunks" || bytes.length === 0) return;
    const credit = new Int32Array(this.#target.credit);
    // On the main thread nobody could count down while we wait.
    for (let count = Atomics.load(credit, 0); !isMainThread && count >= MAX_CHUNKS; count = Atomics.load(credit, 0)) {
      Atomics.wait(credit, 0, count, 100);
      throwIfAborted(this.#context);
    }
    Atomics.add(credit, 0, 1);
    const chunk = new Uint8Array(bytes);
    this.#context.progress({ kind: "chunk", chunk } satisfies JobProgress, [chunk.buffer]);
  }
}
