// Work under one display and one abort signal: the first SIGINT or SIGTERM cancels, the second ends the process at once.

import type { control } from "../formats/proto/index.ts";
import type { Shell } from "./command.ts";
import { createDisplay, type DisplayMode, warningSummary } from "./progress/index.ts";

export interface DisplayedWork {
  readonly onStatus: (status: control.StatusResponse) => void;
  readonly signal: AbortSignal;
}

export type Displayed<T> =
  | { readonly kind: "done"; readonly value: T; readonly warnings: readonly control.VertexWarning[] }
  | { readonly kind: "failed"; readonly error: unknown }
  /** A signal came; the code is 128 and its number. */
  | { readonly kind: "interrupted"; readonly exitCode: number };

export interface DisplayOptions {
  readonly shell: Shell;
  readonly mode: DisplayMode;
  /** Warnings whole, not their number alone. */
  readonly expandWarnings: boolean;
  /** Whether warnings are summed up at the end. Defaults to true. */
  readonly summary?: boolean;
}

/** Runs `work`; when it returns, the display is finished and the summary of warnings printed. Never rejects. */
export async function underDisplay<T>(
  { shell, mode, expandWarnings, summary = true }: DisplayOptions,
  work: (work: DisplayedWork) => Promise<T>,
): Promise<Displayed<T>> {
  const display = createDisplay(mode, {
    out: shell.stderr,
    isTTY: shell.stderr.isTTY === true,
    env: shell.env,
    size: () => ({ columns: shell.stderr.columns ?? 80, rows: shell.stderr.rows ?? 24 }),
  });
  const controller = new AbortController();
  let received: "SIGINT" | "SIGTERM" | undefined;
  using _signals = shell.onSignals((signal) => {
    if (received !== undefined) {
      display.finish();
      shell.exitNow(exitCodeOf(signal));
      return;
    }
    received = signal;
    display.cancel("canceling… (once more to stop at once)");
    controller.abort(new DOMException("context canceled", "AbortError"));
  });
  try {
    const value = await work({ onStatus: (status) => display.update(status), signal: controller.signal });
    return { kind: "done", value, warnings: display.warnings };
  } catch (error) {
    return received === undefined ? { kind: "failed", error } : { kind: "interrupted", exitCode: exitCodeOf(received) };
  } finally {
    display.finish();
    if (summary && mode !== "quiet" && mode !== "rawjson")
      shell.stderr.write(warningSummary(display.warnings, { expand: expandWarnings }));
  }
}

function exitCodeOf(signal: "SIGINT" | "SIGTERM"): number {
  return signal === "SIGINT" ? 130 : 143;
}
