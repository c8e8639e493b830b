// What a verb is: data for parsing, help and reference pages, and a function that is loaded only when the verb runs.

import type { ImageLoader } from "../engine/index.ts";
import type { ProjectPorts } from "../running/projects/index.ts";
import type { Builder } from "../service/builders/index.ts";
import type { FlagDefinition, FlagValues } from "./flags.ts";

export interface CommandDefinition {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One line, no full stop. */
  readonly summary: string;
  /** Paragraphs for the reference page and the help. */
  readonly description?: string;
  /** What stands after the name: "[OPTIONS] PATH | URL | -". */
  readonly usage: string;
  readonly args: { readonly min: number; readonly max: number };
  readonly flags: readonly FlagDefinition[];
  /** The first argument ends the flags: what follows is another program's command line. Defaults to false. */
  readonly argumentsLast?: boolean;
  /** Exit code for a command line that can't be understood. Defaults to 1. */
  readonly usageExitCode?: number;
  /** Verbs of its own, named with it in front (`volume ls`); its flags stand before them. */
  readonly verbs?: readonly CommandDefinition[];
  readonly examples: readonly { readonly what: string; readonly line: string }[];
  /** Whether it runs as root in a mount namespace of its own, with these flags. Defaults to false. */
  readonly mounts?: boolean | ((flags: FlagValues, env: Shell["env"]) => boolean);
  /** Resolves with the exit code. Never called for one that has verbs. */
  readonly run: (invocation: Invocation) => Promise<number>;
}

/** Whose image store an image is loaded into: a Docker Engine's by its context, the usual one for an empty name, or another program's. */
export interface LoadPlace {
  readonly context: string;
  readonly into?: string;
  readonly namespace?: string;
  readonly address?: string;
}

export interface BuilderOptions {
  /** `--builder`; empty for the one in use. */
  readonly builder?: string;
  readonly root: string;
  readonly parallelism?: number;
  /** Steps that are ready start in a random order. */
  readonly shuffled?: boolean;
  readonly standInBases?: boolean;
  /** The command frees space: what the store keeps in reserve for that may be used. */
  readonly toFreeSpace?: boolean;
}

/** The process as verbs see it; tests give their own. */
export interface Shell {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: TerminalStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly openLoader: (place: LoadPlace) => Promise<ImageLoader>;
  readonly openBuilder: (options: BuilderOptions) => Promise<Builder>;
  /** Containers, networks, volumes and images of a state root; `cwd` is where relative paths of images start. */
  readonly openProjects: (place: { readonly root: string; readonly cwd: string }) => Promise<OpenProjects>;
  /** Calls `onInterrupt` for each SIGINT or SIGTERM until disposed. */
  readonly onSignals: (onInterrupt: (signal: "SIGINT" | "SIGTERM") => void) => Disposable;
  /** Ends the process at once, children first. */
  readonly exitNow: (code: number) => void;
}

export type OpenProjects = ProjectPorts & AsyncDisposable;

type TerminalStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

export interface Invocation {
  readonly command: CommandDefinition;
  readonly flags: FlagValues;
  /** Of the verb that this one is of. */
  readonly above?: FlagValues;
  readonly args: readonly string[];
  readonly shell: Shell;
  /** Where all state lives. */
  readonly root: string;
  readonly debug: boolean;
}

/** Flags of every verb. */
export const globalFlags: readonly FlagDefinition[] = [
  { name: "debug", short: "D", kind: "bool", help: "Enable debug logging" },
  {
    name: "root",
    kind: "string",
    help: "Directory of all state (default: $SLIPWAY_ROOT, else /var/lib/slipway for root, else $XDG_DATA_HOME/slipway)",
  },
];

/** The verb that a word names: its last word, or an alias. */
export function findVerb(verbs: readonly CommandDefinition[], word: string): CommandDefinition | undefined {
  return verbs.find(({ name, aliases }) => lastWord(name) === word || aliases?.includes(word) === true);
}

/** `up` of `compose up`. */
export function lastWord(name: string): string {
  return name.slice(name.lastIndexOf(" ") + 1);
}

/** The line after "Usage:". */
export function usageLine(command: CommandDefinition): string {
  return `slipway ${command.name}${command.usage === "" ? "" : ` ${command.usage}`}`;
}

/** An error about the command line, with the lines that docker puts below it. */
export function usageMessage(command: CommandDefinition, message: string): string {
  return `${message}\n\nUsage:  ${usageLine(command)}\n\nRun 'slipway ${command.name} --help' for more information`;
}

/** Complaint about the number of arguments, or undefined when it fits. */
export function checkArguments(command: CommandDefinition, count: number): string | undefined {
  const { min, max } = command.args;
  if (count >= min && count <= max) return undefined;
  const name = `slipway: 'slipway ${command.name}'`;
  const amount = (n: number) => `${n} argument${n === 1 ? "" : "s"}`;
  if (max === 0) return `${name} accepts no arguments`;
  if (min === max) return `${name} requires ${amount(min)}`;
  if (count < min) return `${name} requires at least ${amount(min)}`;
  return `${name} requires at most ${amount(max)}`;
}
