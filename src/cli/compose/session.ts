// What every verb of compose has: the project, the machine's containers, networks, volumes and images, a signal that the user's Ctrl-C
// aborts, and where it says what it does.

import type { RunProject } from "../../frontends/compose/index.ts";
import type { ProjectPorts, Work } from "../../running/projects/index.ts";
import type { Invocation, Shell } from "../command.ts";
import { loadProject, namedProject } from "./load-project.ts";
import type { LoadedProject } from "./load-project.ts";
import { progressMode, ProgressPrinter } from "./progress.ts";

export interface Session {
  readonly invocation: Invocation;
  readonly shell: Shell;
  readonly project: RunProject;
  /** Undefined where only the project's name is known. */
  readonly loaded: LoadedProject | undefined;
  readonly ports: ProjectPorts;
  readonly progress: ProgressPrinter;
  readonly warn: (text: string) => void;
  /** Work that ends with the user's Ctrl-C, or with a signal of its own. */
  work(signal?: AbortSignal): Work;
  /** How often the user has asked to stop; told of each. */
  readonly onInterrupt: (told: (count: number) => void) => void;
}

export interface SessionOptions {
  /** Services that the command line names. */
  readonly services?: readonly string[];
  /** The verb can do with the project's name alone. */
  readonly nameIsEnough?: boolean;
  readonly allProfiles?: boolean;
  /** Warnings about fields are of no use to it. */
  readonly quiet?: boolean;
  /** Ctrl-C ends the work at once. Defaults to true. */
  readonly abortOnInterrupt?: boolean;
}

/** Opens everything, runs the verb, and lets go. Resolves with the exit code; 130 or 143 after a signal. */
export async function withProject(
  invocation: Invocation,
  options: SessionOptions,
  run: (session: Session) => Promise<number>,
): Promise<number> {
  const { shell, above } = invocation;
  const warn = (text: string) => void shell.stderr.write(`WARNING: ${text.replace(/^WARNING: /, "")}\n`);
  const named = options.nameIsEnough === true ? namedProject(invocation) : undefined;
  let loaded: LoadedProject | undefined;
  if (named === undefined) {
    loaded = await loadProject(invocation, {
      warn,
      services: options.services ?? [],
      ...(options.allProfiles === undefined ? {} : { allProfiles: options.allProfiles }),
    });
  }
  const project = named ?? loaded!.project;
  if (options.quiet !== true) project.warnings.forEach(warn);
  const ansi = above!.string("ansi");
  const progress = new ProgressPrinter(shell, progressMode(above!.string("progress"), ansi, shell));
  const controller = new AbortController();
  const told: ((count: number) => void)[] = [];
  let received: "SIGINT" | "SIGTERM" | undefined;
  let count = 0;
  using _signals = shell.onSignals((signal) => {
    received ??= signal;
    count++;
    if (options.abortOnInterrupt !== false) {
      if (count > 1) shell.exitNow(exitCodeOf(signal));
      controller.abort(new DOMException("context canceled", "AbortError"));
    }
    for (const each of told) each(count);
  });
  await using ports = await shell.openProjects({ root: invocation.root, cwd: project.folder });
  const parallel = parallelOf(above!.number("parallel") ?? -1, shell);
  const session: Session = {
    invocation,
    shell,
    project,
    loaded,
    ports,
    progress,
    warn,
    work: (signal = controller.signal) => ({
      project,
      ports,
      onEvent: progress.onEvent,
      warn,
      signal,
      ...(parallel > 0 ? { parallel } : {}),
    }),
    onInterrupt: (tell) => void told.push(tell),
  };
  try {
    const code = await run(session);
    return received !== undefined && code === 0 && controller.signal.aborted ? exitCodeOf(received) : code;
  } catch (error) {
    if (received === undefined || !controller.signal.aborted) throw error;
    return exitCodeOf(received);
  }
}

export function exitCodeOf(signal: "SIGINT" | "SIGTERM"): number {
  return signal === "SIGINT" ? 130 : 143;
}

function parallelOf(flag: number, { env }: Shell): number {
  if (flag !== -1) return flag;
  const text = env["COMPOSE_PARALLEL_LIMIT"] ?? "";
  return /^\d+$/.test(text) ? Number(text) : -1;
}

/** Services of the command line. @throws Error for one that there is none of. */
export function checkServices({ services, disabled }: RunProject, names: readonly string[]): void {
  for (const name of names) if (!services.has(name) && !disabled.has(name)) throw new Error(`no such service: ${name}`);
}

/** `--timeout` in seconds, if it is given. */
export function timeoutOf({ flags }: Invocation): { readonly timeoutSec?: number } {
  return flags.has("timeout") ? { timeoutSec: flags.number("timeout") ?? 10 } : {};
}
