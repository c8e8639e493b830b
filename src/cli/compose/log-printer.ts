// Lines of several containers, each behind the name of whose it is, in colours where the output is a terminal.
// Counterpart: docker/compose cmd/formatter/{logs,colors}.go.

import type { ProjectLine } from "../../running/projects/index.ts";
import type { Shell } from "../command.ts";

export interface LogPrinterOptions {
  readonly prefix: boolean;
  readonly timestamps: boolean;
  readonly colors: boolean;
}

const palette = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

export class LogPrinter {
  readonly #shell: Shell;
  readonly #options: LogPrinterOptions;
  readonly #colors = new Map<string, number>();
  #width = 0;

  constructor(shell: Shell, options: LogPrinterOptions) {
    this.#shell = shell;
    this.#options = options;
  }

  /** Makes room for the name. */
  register(source: string): void {
    if (!this.#colors.has(source)) this.#colors.set(source, palette[this.#colors.size % palette.length]!);
    this.#width = Math.max(this.#width, source.length);
  }

  readonly line = ({ source, stream, time, text }: ProjectLine): void => {
    const out = stream === "stdout" ? this.#shell.stdout : this.#shell.stderr;
    const stamp = this.#options.timestamps ? `${time} ` : "";
    out.write(`${this.#options.prefix ? this.#prefix(source) : ""}${stamp}${text}\n`);
  };

  exited(source: string, exitCode: number): void {
    this.register(source);
    this.#shell.stdout.write(`${this.#colored(source, `${source} exited with code ${exitCode}`)}\n`);
  }

  #prefix(source: string): string {
    this.register(source);
    return this.#colored(source, `${source.padEnd(this.#width)}  | `);
  }

  #colored(source: string, text: string): string {
    return this.#options.colors ? `\u001b[${this.#colors.get(source)!}m${text}\u001b[0m` : text;
  }
}

/** Whether colours are wanted: not where the output is a file, nor where flags or environment say so. */
export function wantsColors(shell: Shell, ansi: string, noColor: boolean): boolean {
  const asked = ansi === "auto" ? (shell.env["COMPOSE_ANSI"] ?? "auto") : ansi;
  if (noColor || asked === "never" || (shell.env["NO_COLOR"] ?? "") !== "") return false;
  return asked === "always" || shell.stdout.isTTY === true;
}
