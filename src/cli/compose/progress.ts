// What is being done to a project, as docker compose prints it on stderr: a line for each step, or on a terminal a list that is drawn again.
// Counterpart: docker/compose pkg/progress.

import type { ProjectEvent } from "../../running/projects/index.ts";
import type { Shell } from "../command.ts";

export type ProgressMode = "plain" | "tty" | "json" | "quiet";

/** @throws Error for a mode that there is none of. */
export function progressMode(text: string, ansi: string, { stderr, env }: Shell): ProgressMode {
  const asked = text === "" ? (env["COMPOSE_PROGRESS"] ?? "") : text;
  switch (asked) {
    case "":
    case "auto":
      return stderr.isTTY === true && ansi !== "never" && env["TERM"] !== "dumb" ? "tty" : "plain";
    case "plain":
    case "tty":
    case "json":
    case "quiet":
      return asked;
    case "none":
      return "quiet";
    case "rawjson":
      return "json";
    default:
      throw new Error(`unsupported --progress value ${JSON.stringify(asked)}`);
  }
}

/** Prints events; `finish` leaves the last state on the screen and starts a new list. */
export class ProgressPrinter {
  readonly #shell: Shell;
  readonly #mode: ProgressMode;
  readonly #rows = new Map<string, { status: string; beganMs: number; endedMs: number | undefined; failed: boolean }>();
  #drawn = 0;

  constructor(shell: Shell, mode: ProgressMode) {
    this.#shell = shell;
    this.#mode = mode;
  }

  readonly onEvent = (event: ProjectEvent): void => {
    const { stderr } = this.#shell;
    switch (this.#mode) {
      case "quiet":
        return;
      case "plain":
        stderr.write(` ${event.subject}  ${event.status}\n`);
        return;
      case "json":
        stderr.write(
          `${JSON.stringify({ id: event.subject, status: event.status, ...(event.failed ? { error: true } : {}) })}\n`,
        );
        return;
      case "tty":
        this.#row(event);
        this.#draw();
    }
  };

  finish(): void {
    this.#rows.clear();
    this.#drawn = 0;
  }

  #row({ subject, status, failed = false }: ProjectEvent): void {
    const known = this.#rows.get(subject);
    const now = this.#shell.now();
    const isOver = failed || !status.endsWith("ing") || status === "Running";
    this.#rows.delete(subject);
    this.#rows.set(subject, {
      status,
      failed,
      beganMs: known?.beganMs ?? now,
      endedMs: isOver ? now : undefined,
    });
  }

  #draw(): void {
    const { stderr } = this.#shell;
    const height = Math.max(3, (stderr.rows ?? 24) - 2);
    const columns = stderr.columns ?? 80;
    const over = [...this.#rows.values()].filter(({ endedMs }) => endedMs !== undefined).length;
    const rows = [...this.#rows].slice(-height).map(([subject, { status, failed, beganMs, endedMs }]) => {
      let mark = "\u001b[33m⠿\u001b[0m";
      if (failed) mark = "\u001b[31m✘\u001b[0m";
      else if (endedMs !== undefined) mark = "\u001b[32m✔\u001b[0m";
      const seconds = `${(((endedMs ?? this.#shell.now()) - beganMs) / 1000).toFixed(1)}s`;
      const left = `${subject}  ${status}`.slice(0, Math.max(10, columns - seconds.length - 6));
      return ` ${mark} ${left}${" ".repeat(Math.max(1, columns - left.length - seconds.length - 4))}\u001b[34m${seconds}\u001b[0m`;
    });
    const up = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A\u001b[0J`;
    stderr.write(`${up}[+] Running ${over}/${this.#rows.size}\n${rows.join("\n")}\n`);
    this.#drawn = rows.length + 1;
  }
}
