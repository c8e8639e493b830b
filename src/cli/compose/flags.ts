// Flags of `slipway compose` and those that several of its verbs have. Counterpart: docker/compose cmd/compose/compose.go.

import type { FlagDefinition } from "../flags.ts";

const flag = (
  kind: FlagDefinition["kind"],
  words: string,
  help: string,
  more: Partial<FlagDefinition> = {},
): FlagDefinition => {
  const [name = "", short] = words.split(" ");
  return { name, kind, help, ...(short === undefined ? {} : { short }), ...more };
};

export const bool = (words: string, help: string, more?: Partial<FlagDefinition>) => flag("bool", words, help, more);
export const string = (words: string, help: string, more?: Partial<FlagDefinition>) =>
  flag("string", words, help, more);
export const array = (words: string, help: string, more?: Partial<FlagDefinition>) => flag("array", words, help, more);
export const int = (words: string, help: string, more?: Partial<FlagDefinition>) => flag("int", words, help, more);

/** Those that stand before the verb. */
export const projectFlags: readonly FlagDefinition[] = [
  string("ansi", 'Control when to print ANSI control characters ("never"|"always"|"auto")', { default: "auto" }),
  bool("compatibility", "Accepted for old scripts; names and meaning stay those of this version"),
  bool("dry-run", "Not in this version: refused, so that nothing is done by mistake", { hidden: true }),
  array("env-file", "Specify an alternate environment file"),
  array("file f", "Compose configuration files"),
  int("parallel", "Control max parallelism, -1 for unlimited", { default: "-1" }),
  array("profile", "Specify a profile to enable"),
  string("progress", 'Set type of progress output ("auto", "tty", "plain", "json", "quiet")'),
  string("project-directory", "Specify an alternate working directory (default: that of the first file)"),
  string("project-name p", "Project name"),
];

export const timeout = int("timeout t", "Specify a shutdown timeout in seconds");
export const noDeps = bool("no-deps", "Don't start linked services");
export const removeOrphans = bool("remove-orphans", "Remove containers for services not defined in the Compose file");
export const noColor = bool("no-color", "Produce monochrome output");
export const noLogPrefix = bool("no-log-prefix", "Don't print prefix in logs");
export const quietPull = bool("quiet-pull", "Pull without printing progress information");
export const index = int("index", "Index of the container if service has multiple replicas", { default: "0" });
