// From arguments to an exit code: global flags, the verb, its flags, help, errors. Touches the process only through the shell it is
// given.

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { closest } from "./closest.ts";
import {
  checkArguments,
  type CommandDefinition,
  findVerb,
  globalFlags,
  lastWord,
  type Shell,
  usageMessage,
} from "./command.ts";
import { commands } from "./commands.ts";
import { renderError } from "./error.ts";
import { type FlagValues, parseFlags, UsageError } from "./flags.ts";
import { commandHelp, rootHelp } from "./help.ts";
import { version } from "./version.ts";

/** What main does before a verb that mounts; returns only when the verb is to run in this process. */
export type Enter = (command: CommandDefinition) => void;

/** Runs a command line to its exit code: 0, 1 for failures, 130 or 143 after a signal. Never rejects. */
export async function runCli(argv: readonly string[], shell: Shell, enter: Enter = () => {}): Promise<number> {
  let debug = argv.includes("-D") || argv.includes("--debug");
  try {
    const before = parseFlags([...globalFlags, { name: "version", short: "v", kind: "bool", help: "" }], argv, {
      interspersed: false,
    });
    const [word, ...rest] = before.args;
    if (before.values.bool("version")) return await runCommand(version, []);
    if (word === undefined || before.help) {
      shell.stdout.write(rootHelp(commands, helpWidth(shell)));
      return 0;
    }
    if (word === "help") return showHelp(rest, shell);
    const command = findCommand(word);
    if (!command) {
      shell.stderr.write(unknownCommand(word));
      return 1;
    }
    return await runCommand(command, [...argv.slice(0, argv.length - before.args.length), ...rest]);
  } catch (error) {
    if (error instanceof UsageError)
      shell.stderr.write(`${error.message}\n\nRun 'slipway --help' for more information\n`);
    else shell.stderr.write(renderError(error, { debug }));
    return 1;
  }

  async function runCommand(command: CommandDefinition, words: readonly string[], above?: FlagValues): Promise<number> {
    try {
      const { verbs, argumentsLast = false } = command;
      const { values, args, help, notices } = parseFlags([...command.flags, ...globalFlags], words, {
        interspersed: verbs === undefined && !argumentsLast,
      });
      const [word = "", ...rest] = args;
      if (help || (verbs !== undefined && (word === "" || word === "help"))) {
        const about = verbs === undefined || rest[0] === undefined ? undefined : findVerb(verbs, rest[0]);
        shell.stdout.write(commandHelp(about ?? command, helpWidth(shell)));
        return 0;
      }
      debug ||= values.bool("debug");
      for (const notice of notices) shell.stderr.write(`${notice}\n`);
      if (verbs !== undefined) {
        const verb = findVerb(verbs, word);
        if (verb !== undefined) return await runCommand(verb, rest, values);
        shell.stderr.write(unknownVerb(command, verbs, word));
        return 1;
      }
      const complaint = checkArguments(command, args.length);
      if (complaint !== undefined) {
        shell.stderr.write(`ERROR: ${usageMessage(command, complaint)}\n`);
        return command.usageExitCode ?? 1;
      }
      const { mounts = false } = command;
      if (typeof mounts === "function" ? mounts(values, shell.env) : mounts) enter(command);
      return await command.run({
        command,
        flags: values,
        ...(above === undefined ? {} : { above }),
        args,
        shell,
        root: rootOf(values.string("root") || (above?.string("root") ?? ""), shell),
        debug,
      });
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      shell.stderr.write(`${usageMessage(command, error.message + suggestion(command, error.message))}\n`);
      return command.usageExitCode ?? 1;
    }
  }
}

function findCommand(word: string): CommandDefinition | undefined {
  return findVerb(commands, word);
}

function showHelp(words: readonly string[], shell: Shell): number {
  const [word, verb] = words;
  let command = word === undefined ? undefined : findCommand(word);
  if (word !== undefined && !command) {
    shell.stderr.write(unknownCommand(word));
    return 1;
  }
  if (verb !== undefined) command = findVerb(command?.verbs ?? [], verb) ?? command;
  shell.stdout.write(command ? commandHelp(command, helpWidth(shell)) : rootHelp(commands, helpWidth(shell)));
  return 0;
}

function unknownCommand(word: string): string {
  const near = closest(word, [...commands.map(({ name }) => name), "help"]);
  const meant = near === undefined ? "" : `\n\nDid you mean 'slipway ${near}'?`;
  return `slipway: unknown command: slipway ${word}${meant}\n\nRun 'slipway --help' for more information\n`;
}

function unknownVerb(command: CommandDefinition, verbs: readonly CommandDefinition[], word: string): string {
  const near = closest(
    word,
    verbs.map(({ name }) => lastWord(name)),
  );
  const meant = near === undefined ? "" : `\n\nDid you mean 'slipway ${command.name} ${near}'?`;
  const full = `slipway ${command.name}`;
  return `slipway: unknown command: ${full} ${word}${meant}\n\nRun '${full} --help' for more information\n`;
}

function suggestion(command: CommandDefinition, message: string): string {
  const unknown = /^unknown flag: --(.+)$/s.exec(message)?.[1];
  const near =
    unknown &&
    closest(
      unknown,
      [...command.flags, ...globalFlags].filter(({ hidden }) => hidden !== true).map(({ name }) => name),
    );
  return near ? `\n\nDid you mean --${near}?` : "";
}

function helpWidth(shell: Shell): number {
  const columns = (shell.stdout as { columns?: number }).columns;
  return Math.min(columns ?? 80, 120);
}

function rootOf(flag: string, shell: Shell): string {
  const { env } = shell;
  const given = flag || env["SLIPWAY_ROOT"];
  if (given) return resolve(shell.cwd, given);
  if (process.getuid?.() === 0) return "/var/lib/slipway";
  return join(env["XDG_DATA_HOME"] || join(env["HOME"] || homedir(), ".local/share"), "slipway");
}
