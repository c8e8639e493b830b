// A program's input and output inside a container, as one stream of bytes: what it writes to standard error is kept apart and told
// when it ends without a word. Spec: Docker Engine API v1.41, "Exec" and the stream format of "Attach" (8-byte headers).

import { Duplex } from "node:stream";
import { BuildError } from "../../base/index.ts";
import type { EngineClient } from "./engine-client.ts";

const HEADER_BYTES = 8;
const STDOUT = 1;
const MAX_STDERR_BYTES = 4096;

/** Runs a program in a container that runs. The caller owns the stream. @throws ENGINE_FAILED, ENGINE_UNREACHABLE; `signal.reason`. */
export async function openExec(
  client: EngineClient,
  container: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<Duplex> {
  const path = `/containers/${encodeURIComponent(container)}/exec`;
  const request = { Cmd: argv, AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false };
  const { status, text } = await client.send("POST", path, request, signal);
  if (status !== 201) {
    throw new BuildError(`can't run ${argv[0] ?? ""} in container ${container}: ${text.trim().slice(0, 200)}`, {
      code: "ENGINE_FAILED",
      status: "Unavailable",
    });
  }
  const { Id: id } = JSON.parse(text) as { Id: string };
  const body = { Detach: false, Tty: false };
  return new FramedStream(await client.hijack(`/exec/${id}/start`, { protocol: "tcp", body }, signal));
}

/** Takes the frames of an attached program apart; what is written goes to its input as it is. Owns `socket`. */
export class FramedStream extends Duplex {
  readonly #socket: Duplex;
  #header = Buffer.alloc(0);
  #left = 0;
  #kind = 0;
  #hasSpoken = false;
  #stderr = "";

  constructor(socket: Duplex) {
    super();
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => this.#end());
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.#end());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    let wants = true;
    for (let at = 0; at < chunk.length;) {
      if (this.#left === 0) {
        const part = chunk.subarray(at, at + HEADER_BYTES - this.#header.length);
        this.#header = Buffer.concat([this.#header, part]);
        at += part.length;
        if (this.#header.length < HEADER_BYTES) break;
        [this.#kind, this.#left] = [this.#header[0]!, this.#header.readUInt32BE(4)];
        this.#header = Buffer.alloc(0);
        continue;
      }
      const part = chunk.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      if (this.#kind === STDOUT) {
        this.#hasSpoken = true;
        wants = this.push(part);
      } else if (this.#stderr.length < MAX_STDERR_BYTES) this.#stderr += part.toString("utf8");
    }
    if (!wants) this.#socket.pause();
  }

  #end(): void {
    if (this.destroyed || this.readableEnded) return;
    if (this.#hasSpoken || this.#stderr === "") this.push(null);
    else
      this.destroy(
        new BuildError(this.#stderr.trim().slice(0, MAX_STDERR_BYTES), {
          code: "BUILDER_UNREACHABLE",
          status: "Unavailable",
        }),
      );
  }
}
