// The user's terminal lent to a container: raw while it is attached, its size told on.

import type { Attachment } from "../../running/containers/index.ts";
import type { Shell } from "../command.ts";

type Raw = { setRawMode?: (raw: boolean) => unknown };

/** Resolves with what `attached` ends with; the terminal is as before by then. */
export async function withTerminal(
  shell: Shell,
  attached: Attachment,
  { tty, interactive }: { readonly tty: boolean; readonly interactive: boolean },
): Promise<number | undefined> {
  const stdin = shell.stdin as Shell["stdin"] & Raw;
  const raw = tty && interactive && stdin.isTTY === true;
  const resize = () => attached.resize(shell.stderr.rows ?? 24, shell.stderr.columns ?? 80);
  if (raw) stdin.setRawMode?.(true);
  if (tty) {
    resize();
    process.on("SIGWINCH", resize);
  }
  try {
    return await attached.ended;
  } finally {
    process.removeListener("SIGWINCH", resize);
    if (raw) stdin.setRawMode?.(false);
    if (interactive) (stdin as { unref?: () => void; pause?: () => void }).pause?.();
  }
}
