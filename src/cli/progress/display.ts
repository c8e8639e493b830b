// Displays of a running build. One is chosen by mode, fed with status messages in order, and finished once; between, it redraws at
// most ten times a second. Spec: docs/cli, `--progress`.

import type { control } from "../../formats/proto/index.ts";
import { colorsFor } from "./colors.ts";
import { PlainPrinter } from "./plain.ts";
import { rawJsonLine } from "./raw-json.ts";
import { Trace } from "./trace.ts";
import { TtyPrinter } from "./tty.ts";

export const displayModes = ["auto", "plain", "tty", "quiet", "rawjson"] as const;
export type DisplayMode = (typeof displayModes)[number];

export interface Display {
  /** Takes one message; messages come in the builder's order. */
  update(status: control.StatusResponse): void;
  /** Says that the build is being canceled. */
  cancel(note: string): void;
  /** Prints what is left and the blocks about failed steps, and stops redrawing. Idempotent. */
  finish(): void;
  /** Every warning so far. */
  readonly warnings: readonly control.VertexWarning[];
}

/** Where a display writes. */
export interface DisplayOutput {
  readonly out: NodeJS.WritableStream;
  readonly isTTY: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The terminal's size now. */
  readonly size?: () => { readonly columns: number; readonly rows: number };
  readonly clock?: Clock;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Calls back once after so long; returns what takes the call back. */
  after(ms: number, call: () => void): () => void;
}

const everyMs = 100;

const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/** The display for a mode; `auto` is `tty` on a terminal, else `plain`. @throws Error for `tty` without a terminal. */
export function createDisplay(mode: DisplayMode, output: DisplayOutput): Display {
  switch (mode) {
    case "auto":
      return createDisplay(output.isTTY ? "tty" : "plain", output);
    case "tty":
      if (!output.isTTY) throw new Error("failed to get console: output is not a terminal");
      return ttyDisplay(output);
    case "plain":
      return plainDisplay(output);
    case "rawjson":
      return silentDisplay((status) => output.out.write(rawJsonLine(status)));
    case "quiet":
      return silentDisplay(() => {});
  }
}

function silentDisplay(onStatus: (status: control.StatusResponse) => void): Display {
  const warnings: control.VertexWarning[] = [];
  return {
    warnings,
    update(status) {
      warnings.push(...status.warnings);
      onStatus(status);
    },
    cancel() {},
    finish() {},
  };
}

function plainDisplay({ out, clock = systemClock }: DisplayOutput): Display {
  const trace = new Trace({ nowMs: () => clock.nowMs() });
  const printer = new PlainPrinter(
    trace,
    (bytes) => out.write(bytes),
    () => clock.nowMs(),
  );
  const pace = new Pace(clock, () => printer.print(false));
  let finished = false;
  return {
    warnings: trace.warnings,
    update(status) {
      trace.update(status);
      pace.request();
    },
    cancel: (note) => printer.note(note),
    finish() {
      if (finished) return;
      finished = true;
      pace.stop();
      printer.print(true);
      printer.printFailures();
    },
  };
}

function ttyDisplay({
  out,
  env,
  size = () => ({ columns: 80, rows: 24 }),
  clock = systemClock,
}: DisplayOutput): Display {
  const trace = new Trace({ nowMs: () => clock.nowMs() });
  const tailLines = Number.parseInt(env["BUILDKIT_TTY_LOG_LINES"] ?? "", 10);
  const printer = new TtyPrinter({
    trace,
    write: (text) => out.write(text),
    size,
    nowMs: () => clock.nowMs(),
    colors: colorsFor(env, true),
    ...(tailLines > 0 ? { tailLines } : {}),
  });
  const pace = new Pace(clock, () => printer.draw(false));
  let finished = false;
  let ticking: (() => void) | undefined;
  // Timings run on when no message comes.
  const tick = () => {
    pace.request();
    ticking = clock.after(everyMs, tick);
  };
  const onResize = () => pace.request();
  out.on("resize", onResize);
  return {
    warnings: trace.warnings,
    update(status) {
      trace.update(status);
      pace.request();
      if (!ticking && !finished) ticking = clock.after(everyMs, tick);
    },
    cancel(note) {
      printer.phase = note;
      pace.request();
    },
    finish() {
      if (finished) return;
      finished = true;
      ticking?.();
      pace.stop();
      out.removeListener("resize", onResize);
      printer.draw(true);
      printer.printFailures();
    },
  };
}

/** Lets a redraw through at once when the last is old enough, else once as soon as it is. */
class Pace {
  readonly #clock: Clock;
  readonly #draw: () => void;
  #lastMs = Number.NEGATIVE_INFINITY;
  #pending: (() => void) | undefined;

  constructor(clock: Clock, draw: () => void) {
    this.#clock = clock;
    this.#draw = draw;
  }

  request(): void {
    if (this.#pending) return;
    const wait = this.#lastMs + everyMs - this.#clock.nowMs();
    if (wait <= 0) this.#now();
    else this.#pending = this.#clock.after(wait, () => this.#now());
  }

  stop(): void {
    this.#pending?.();
    this.#pending = undefined;
  }

  #now(): void {
    this.#pending = undefined;
    this.#lastMs = this.#clock.nowMs();
    this.#draw();
  }
}
