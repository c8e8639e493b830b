// The client's half of a supervisor's control socket. Frames both ways: type, three zeros, length in big-endian, content.
// Protocol: native/supervisor/control.c.

import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { errnoOf } from "../../base/index.ts";

const HEADER = 8;
const MAX_FRAME = 65_536;

/** What comes: output streams are "1" and "2", otherwise the frame's letter. */
export interface Frame {
  readonly type: string;
  readonly content: Buffer;
}

export class Control {
  readonly #socket: Socket;
  readonly #onFrame = new Set<(frame: Frame) => void>();
  #rest: Buffer[] = [];
  #size = 0;
  /** Resolves when the other end has closed the connection. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  /** Connects to the supervisor of a container's folder; undefined when there is none. */
  static async open(dir: string): Promise<Control | undefined> {
    // Through a descriptor: a socket's path may have 107 bytes.
    let fd: number;
    try {
      fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
    try {
      const path = join(dir, "control");
      const socket = connect(Buffer.byteLength(path) < 107 ? path : `/proc/self/fd/${fd}/control`);
      const isOpen = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true));
        socket.once("error", () => resolve(false));
      });
      return isOpen ? new Control(socket) : undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** Calls back for every frame from now on, until the function returned is called. */
  listen(onFrame: (frame: Frame) => void): () => void {
    this.#onFrame.add(onFrame);
    return () => this.#onFrame.delete(onFrame);
  }

  /** False when the other end has enough for now; {@link drained} tells when it has not. */
  send(type: string, content: Uint8Array | string = ""): boolean {
    const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : content;
    let more = true;
    for (let at = 0; at === 0 || at < bytes.length; at += MAX_FRAME) {
      const part = bytes.subarray(at, at + MAX_FRAME);
      const head = Buffer.alloc(HEADER);
      head.write(type, 0, "latin1");
      head.writeUInt32BE(part.length, 4);
      this.#socket.write(head);
      more = this.#socket.write(part);
    }
    return more;
  }

  drained(): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done).off("close", done);
        resolve();
      };
      this.#socket.on("drain", done).on("close", done);
    });
  }

  /** The next frame of one of the types; undefined when the connection ends first. */
  next(...types: string[]): Promise<Frame | undefined> {
    return new Promise((resolve) => {
      const stop = this.listen((frame) => {
        if (!types.includes(frame.type)) return;
        stop();
        resolve(frame);
      });
      void this.closed.then(() => {
        stop();
        resolve(undefined);
      });
    });
  }

  /** No frame comes until {@link resume}. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#rest.push(chunk);
    this.#size += chunk.length;
    if (this.#size < HEADER) return;
    let bytes = this.#rest.length === 1 ? chunk : Buffer.concat(this.#rest);
    while (bytes.length >= HEADER) {
      const length = bytes.readUInt32BE(4);
      if (bytes.length < HEADER + length) break;
      const code = bytes[0]!;
      const frame: Frame = {
        type: code < 32 ? String(code) : String.fromCharCode(code),
        content: bytes.subarray(HEADER, HEADER + length),
      };
      bytes = bytes.subarray(HEADER + length);
      for (const each of this.#onFrame) each(frame);
    }
    this.#rest = bytes.length === 0 ? [] : [bytes];
    this.#size = bytes.length;
  }
}
