// What the variables of a service are once its files are read: those that it names itself win over those of the files.
// Counterpart: compose-go types/project.go WithServicesEnvironmentResolved.

import { composeError } from "./error.ts";
import { parseEnv } from "./dotenv.ts";
import { kindOf, readComposeFile } from "./host.ts";
import type { ComposeHost } from "./host.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

/** Where files and variables are looked for. */
export interface EnvironmentSources {
  readonly host: ComposeHost;
  readonly environment: ReadonlyMap<string, string>;
}

/** `named` with what `files` (entries of `env_file`) add; a name alone takes its value from the environment. */
export function environmentWithFiles(
  named: ReadonlyMap<string, string | null>,
  files: readonly ComposeMap[],
  { host, environment }: EnvironmentSources,
): Map<string, string | null> {
  const own = new Map([...named].map(([name, value]) => [name, value ?? environment.get(name) ?? null]));
  const found = new Map<string, string>();
  for (const [name, value] of own) if (value !== null) found.set(name, value);
  for (const file of files) {
    const path = file.get("path");
    if (typeof path !== "string") continue;
    const required = file.get("required");
    if (kindOf(host, path) === "absent") {
      if (required === false || required === "false") continue;
      throw composeError(`env file ${path} not found: stat ${path}: no such file or directory`);
    }
    const text = Buffer.from(readComposeFile(host, path)).toString();
    readEnv(text, path, file.get("format"), found, (name) => environment.get(name) ?? own.get(name) ?? undefined);
  }
  return new Map([...found, ...own]);
}

function readEnv(
  text: string,
  path: string,
  format: ComposeValue | undefined,
  found: Map<string, string>,
  lookup: (name: string) => string | undefined,
): void {
  if (format === undefined || format === "") return parseEnv(text, found, lookup);
  if (format !== "raw") throw composeError(`unsupported env_file format ${JSON.stringify(format)}`);
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const at = line.indexOf("=");
    const name = at < 0 ? line : line.slice(0, at);
    if (/\s/.test(name)) throw composeError(`failed to read ${path}: variable '${name}' contains whitespaces`);
    const value = at < 0 ? lookup(name) : line.slice(at + 1);
    if (value !== undefined) found.set(name, value);
  }
}
