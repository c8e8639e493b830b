// Help texts, rendered from the definitions in docker's layout. Pure: definitions in, text out.

import { type CommandDefinition, globalFlags, lastWord, usageLine } from "./command.ts";
import type { FlagDefinition } from "./flags.ts";

const typeNames: Readonly<Record<FlagDefinition["kind"], string>> = {
  bool: "",
  string: "string",
  array: "stringArray",
  slice: "strings",
  bytes: "bytes",
  int: "int",
  ulimit: "ulimit",
  filter: "filter",
  duration: "duration",
};

/** What `slipway VERB --help` prints; lines are folded at `width` columns. */
export function commandHelp(command: CommandDefinition, width: number): string {
  const parts = [`Usage:  ${usageLine(command)}`, command.summary];
  if (command.description !== undefined) parts.push(fold(command.description, width));
  if (command.aliases && command.aliases.length > 0) {
    parts.push(`Aliases:\n  ${[command.name, ...command.aliases].map((name) => `slipway ${name}`).join(", ")}`);
  }
  if (command.examples.length > 0) {
    parts.push(`Examples:\n${command.examples.map(({ what, line }) => `  # ${what}\n  ${line}`).join("\n\n")}`);
  }
  if (command.verbs !== undefined) parts.push(`Commands:\n${verbTable(command.verbs)}`);
  parts.push(`Options:\n${flagTable([...command.flags, ...globalFlags], width)}`);
  return `${parts.join("\n\n")}\n`;
}

/** What `slipway --help` prints. */
export function rootHelp(commands: readonly CommandDefinition[], width: number): string {
  return [
    "Usage:  slipway [OPTIONS] COMMAND",
    "Build container images. No Docker and no daemon needed.",
    `Commands:\n${verbTable(commands)}`,
    `Global Options:\n${flagTable(globalFlags, width)}`,
    "Run 'slipway COMMAND --help' for more information on a command.\n",
  ].join("\n\n");
}

function verbTable(verbs: readonly CommandDefinition[]): string {
  const pad = Math.max(...verbs.map(({ name }) => lastWord(name).length)) + 2;
  return verbs.map(({ name, summary }) => `  ${lastWord(name).padEnd(pad)}${summary}`).join("\n");
}

/** Flags that help and reference pages show, by name. */
export function shownFlags(flags: readonly FlagDefinition[]): FlagDefinition[] {
  return flags
    .filter(({ hidden, deprecated }) => hidden !== true && deprecated === undefined)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The word for what a flag takes; empty for booleans. */
export function flagType(flag: FlagDefinition): string {
  return typeNames[flag.kind];
}

function flagTable(flags: readonly FlagDefinition[], width: number): string {
  const rows = shownFlags(flags).map((flag) => {
    const short = flag.short === undefined ? "    " : `-${flag.short}, `;
    const type = flagType(flag);
    return { left: `  ${short}--${flag.name}${type === "" ? "" : ` ${type}`}`, help: flag.help + defaultNote(flag) };
  });
  const indent = Math.max(...rows.map(({ left }) => left.length)) + 3;
  return rows
    .map(
      ({ left, help }) => left.padEnd(indent) + fold(help, width - indent).replaceAll("\n", `\n${" ".repeat(indent)}`),
    )
    .join("\n");
}

function defaultNote(flag: FlagDefinition): string {
  if (flag.default === undefined || flag.default === "") return "";
  return flag.kind === "string" ? ` (default ${JSON.stringify(flag.default)})` : ` (default ${flag.default})`;
}

/** Breaks lines at spaces; words longer than the width stay whole; below 24 columns nothing is broken. */
function fold(text: string, width: number): string {
  if (width < 24) return text;
  return text
    .split("\n")
    .map((paragraph) => {
      const lines: string[] = [];
      let line = "";
      for (const word of paragraph.split(" ")) {
        if (line !== "" && line.length + 1 + word.length > width) {
          lines.push(line);
          line = word;
        } else line = line === "" ? word : `${line} ${word}`;
      }
      return [...lines, line].join("\n");
    })
    .join("\n");
}
