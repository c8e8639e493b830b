// This process's terminal while a container has it: raw, its size passed on, the keys that leave. Counterpart: docker/cli
// cli/streams, cli/command/container/tty.go.

import type { Attachment } from "../running/containers/index.ts";

/** Bytes of `ctrl-p,ctrl-q` and the like. @throws Error naming a key that there is none of. */
export function parseDetachKeys(text: string): Uint8Array {
  const bytes = text.split(",").map((key) => {
    const control = /^ctrl-(.)$/.exec(key.toLowerCase())?.[1];
    if (control !== undefined) {
      const at = "@abcdefghijklmnopqrstuvwxyz[\\]^_".indexOf(control);
      if (at >= 0) return at;
    }
    if (key.length === 1) return key.charCodeAt(0);
    throw new Error(`invalid detach keys: unknown character: '${key}'`);
  });
  return Uint8Array.from(bytes);
}

export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

/** Makes the terminal raw until disposed; nothing where there is none. */
export function rawTerminal(): Disposable {
  const { stdin } = process;
  if (!stdin.isTTY) return { [Symbol.dispose]: () => {} };
  stdin.setRawMode(true);
  return { [Symbol.dispose]: () => void stdin.setRawMode(false) };
}

/** Tells the container the terminal's size, now and whenever it changes, until disposed. */
export function followSize(attachment: Attachment): Disposable {
  const { stdout } = process;
  if (!stdout.isTTY) return { [Symbol.dispose]: () => {} };
  const tell = (): void => attachment.resize(stdout.rows, stdout.columns);
  tell();
  stdout.on("resize", tell);
  return { [Symbol.dispose]: () => void stdout.removeListener("resize", tell) };
}
