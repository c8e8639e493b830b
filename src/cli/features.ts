// `slipway features`: what each builder can do, from its own answers, in one table.

import { messageOf } from "../base/index.ts";
import { BuilderConfigs } from "../service/builder-store/index.ts";
import type { BuilderConfig } from "../service/builder-store/index.ts";
import type { Feature } from "../service/builders/index.ts";
import { goJson } from "../formats/oci/index.ts";
import type { CommandDefinition, Invocation, Shell } from "./command.ts";
import { alignSpaces } from "./table.ts";

export const features: CommandDefinition = {
  name: "features",
  summary: "Show what each builder can do",
  description:
    "One row a feature, one column a builder, asked from the builders themselves: cache export by backend, outputs, push, load, attestations, platforms, frontends, entitlements. With one builder's name it also says why something is missing and what to do.",
  usage: "[OPTIONS] [NAME...]",
  args: { min: 0, max: Infinity },
  flags: [{ name: "format", kind: "string", help: 'Format the output ("table", "json")' }],
  examples: [
    { what: "All builders side by side", line: "slipway features" },
    { what: "One, with remedies", line: "slipway features engine" },
  ],
  run: runFeatures,
};

interface Column {
  readonly name: string;
  readonly features: readonly Feature[] | undefined;
  readonly error: string | undefined;
}

async function runFeatures({ flags, args, shell }: Invocation): Promise<number> {
  const configs = new BuilderConfigs(shell.env);
  const names = args.length > 0 ? args : ["embedded", ...configs.list().map(({ name }) => name)];
  const columns = await Promise.all(
    names.map((name) => columnOf(name, configs.selected(name === "default" ? "embedded" : name), shell)),
  );
  if (flags.string("format") === "json") {
    for (const { name, features: rows, error } of columns) {
      shell.stdout.write(
        `${goJson({ Builder: name, ...(error === undefined ? {} : { Error: error }), Features: rows ?? [] })}\n`,
      );
    }
  } else if (columns.length === 1) shell.stdout.write(single(columns[0]!));
  else shell.stdout.write(sideBySide(columns));
  for (const { name, error } of columns) if (error !== undefined) shell.stderr.write(`Cannot ask ${name}: ${error}\n`);
  return columns.every(({ error }) => error === undefined) ? 0 : 1;
}

async function columnOf(name: string, config: BuilderConfig | undefined, shell: Shell): Promise<Column> {
  const { askFeatures } = await import("../service/builders/index.ts");
  try {
    return { name, features: await askFeatures(config, shell.env), error: undefined };
  } catch (error) {
    return { name, features: undefined, error: messageOf(error) };
  }
}

function single({ features: rows = [] }: Column): string {
  return alignSpaces([
    ["GROUP", "FEATURE", "", "NOTE"],
    ...rows.map(({ group, name, has, note }) => [group, name, has ? "yes" : "no", note]),
  ]);
}

function sideBySide(columns: readonly Column[]): string {
  const rows = columns.find(({ features: each }) => each !== undefined)?.features ?? [];
  return alignSpaces([
    ["GROUP", "FEATURE", ...columns.map(({ name }) => name)],
    ...rows.map(({ group, name }) => [
      group,
      name,
      ...columns.map(({ features: each }) => {
        const found = each?.find((candidate) => candidate.group === group && candidate.name === name);
        return found === undefined ? "?" : found.has ? "yes" : "no";
      }),
    ]),
  ]);
}
