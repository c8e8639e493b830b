// A client of a running container: output as it comes, input as it is typed, until the container ends or the client leaves.

import type { Control } from "./control.ts";
import { parseState } from "./state.ts";
import type { Attachment, AttachOptions } from "./types.ts";

const STDIN = 1;
const STDOUT = 2;
const STDERR = 4;
const LOSSLESS = 8;

/**
 * Attaches over a connection, which is closed when the attachment ends. `lossless` is for a container about to start: its output is
 * waited for, and input begins when it runs.
 */
export function attachTo(control: Control, options: AttachOptions, lossless: boolean): Attachment {
  const { stdin, stdout, stderr } = options.streams;
  const wants =
    (stdin === undefined ? 0 : STDIN) |
    (stdout === undefined ? 0 : STDOUT) |
    (stderr === undefined ? 0 : STDERR) |
    (lossless ? LOSSLESS : 0);
  let exitCode: number | undefined;
  let detached = false;
  const outputs = new Outputs(control);
  control.listen(({ type, content }) => {
    if (type === "1" && stdout !== undefined) outputs.forward(stdout, content);
    else if (type === "2" && stderr !== undefined) outputs.forward(stderr, content);
    else if (type === "t" && lossless) beginInput();
    else if (type === "x") exitCode = parseState(content.toString("utf8")).exitCode;
    else if (type === "f") exitCode = Number.parseInt(content.toString("utf8"), 10);
  });
  control.send("A", Uint8Array.of(wants));
  const detach = (): void => {
    detached = true;
    control.send("D");
    stopInput();
    control.close();
  };
  let stopInput = (): void => {};
  // A container that does not run yet takes no input, and what stands behind input waits as well.
  const beginInput = (): void => {
    if (stdin !== undefined) stopInput = forwardInput(stdin, control, options.detachKeys, detach);
  };
  if (!lossless) beginInput();
  options.signal?.addEventListener("abort", detach, { once: true });
  const ended = control.closed.then(() => {
    stopInput();
    options.signal?.removeEventListener("abort", detach);
    return detached ? undefined : exitCode;
  });
  return {
    ended,
    detach,
    resize: (rows, columns) => {
      const size = Buffer.alloc(4);
      size.writeUInt16BE(Math.min(rows, 0xffff), 0);
      size.writeUInt16BE(Math.min(columns, 0xffff), 2);
      control.send("R", size);
    },
    [Symbol.asyncDispose]: async () => {
      if (exitCode === undefined && !detached) detach();
      await ended;
    },
  };
}

/** A writer that has enough stops the connection, and with it the container, until all writers have room again. */
class Outputs {
  readonly #control: Control;
  /** Writers that have enough: what came in one piece with what filled them still goes to them. */
  readonly #full = new Set<unknown>();

  constructor(control: Control) {
    this.#control = control;
  }

  forward(stream: { write(chunk: Uint8Array): unknown }, content: Buffer): void {
    if (stream.write(content) !== false || this.#full.has(stream)) return;
    const writer = stream as Partial<NodeJS.WritableStream>;
    if (writer.once === undefined) return;
    this.#full.add(stream);
    this.#control.pause();
    writer.once("drain", () => {
      this.#full.delete(stream);
      if (this.#full.size === 0) this.#control.resume();
    });
  }
}

function forwardInput(
  stdin: NodeJS.ReadableStream,
  control: Control,
  keys: Uint8Array | undefined,
  detach: () => void,
): () => void {
  let matched = 0;
  const onData = (chunk: Buffer | string): void => {
    let bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    if (keys !== undefined && keys.length > 0) {
      const passed: number[] = [];
      for (const byte of bytes) {
        if (byte === keys[matched]) {
          if (++matched < keys.length) continue;
          if (passed.length > 0) control.send("I", Uint8Array.from(passed));
          detach();
          return;
        }
        // What looked like the beginning of the keys was input.
        if (matched > 0) passed.push(...keys.subarray(0, matched));
        matched = byte === keys[0] ? 1 : 0;
        if (matched === 0) passed.push(byte);
      }
      bytes = Buffer.from(passed);
    }
    if (bytes.length === 0) return;
    if (control.send("I", bytes)) return;
    stdin.pause();
    void control.drained().then(() => stdin.resume());
  };
  const onEnd = (): void => void control.send("E");
  stdin.on("data", onData);
  stdin.on("end", onEnd);
  return () => {
    stdin.removeListener("data", onData);
    stdin.removeListener("end", onEnd);
    stdin.pause();
  };
}
