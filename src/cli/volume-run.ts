// The verbs of `slipway volume`. Counterpart: docker/cli cli/command/volume, whose output this is.

import { isBuildError } from "../base/index.ts";
import { goJson } from "../formats/oci/index.ts";
import {
  createVolume,
  inspectVolume,
  listVolumes,
  pruneVolumes,
  removeVolume,
  type VolumeRecord,
  volumeUsers,
} from "../running/volumes/index.ts";
import type { Invocation } from "./command.ts";
import { confirmed } from "./confirm.ts";
import { renderError } from "./error.ts";
import { executeTemplate, type GoField, GoStruct } from "./go-template.ts";
import { prettyJson } from "./inspect-objects.ts";
import { keyValues, ResourceFilters } from "./resource-filters.ts";
import { humanSize } from "./sizes.ts";
import { alignSpaces } from "./table.ts";

export async function runCreate({ args, flags, shell, root }: Invocation): Promise<number> {
  const named = flags.string("name");
  if (named !== "" && args.length > 0)
    throw new Error("conflicting options: either specify --name or provide positional arg, not both");
  const { name } = createVolume(root, {
    name: named || args[0],
    driver: flags.string("driver"),
    labels: keyValues(flags.list("label")),
    options: keyValues(flags.list("opt")),
  });
  shell.stdout.write(`${name}\n`);
  return Promise.resolve(0);
}

export async function runList({ flags, shell, root }: Invocation): Promise<number> {
  const filters = new ResourceFilters(flags.list("filter"), ["dangling", "driver", "label", "name"]);
  const dangling = filters.bool("dangling");
  const shown = listVolumes(root).filter(
    ({ name, labels }) =>
      filters.some("name", (value) => name.includes(value)) &&
      filters.some("driver", (value) => value === "local") &&
      filters.labels(labels) &&
      (dangling === undefined || (volumeUsers(root, name).length === 0) === dangling),
  );
  const format = flags.string("format");
  const { stdout } = shell;
  if (flags.bool("quiet")) for (const { name } of shown) stdout.write(`${name}\n`);
  else if (format === "" || format === "table") {
    stdout.write(alignSpaces([["DRIVER", "VOLUME NAME"], ...shown.map(({ name }) => ["local", name])]));
  } else {
    for (const volume of shown) {
      const fields = listFields(volume);
      stdout.write(`${format === "json" ? goJson(fields.toValue()) : executeTemplate(format, fields)}\n`);
    }
  }
  return Promise.resolve(0);
}

function listFields({ name, labels, mountpoint }: VolumeRecord): GoStruct {
  const fields: [string, string][] = [
    ["Driver", "local"],
    [
      "Labels",
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(","),
    ],
    ["Mountpoint", mountpoint],
    ["Name", name],
    ["Scope", "local"],
  ];
  return new GoStruct(fields.map(([key, value]): GoField => [key, key, value]));
}

export async function runInspect({ args, flags, shell, root, debug }: Invocation): Promise<number> {
  const found: GoStruct[] = [];
  let exitCode = 0;
  for (const name of args) {
    try {
      found.push(details(inspectVolume(root, name)));
    } catch (error) {
      if (!isBuildError(error)) throw error;
      shell.stderr.write(renderError(error, { debug }));
      exitCode = 1;
    }
  }
  const format = flags.string("format");
  if (format === "" || format === "json")
    shell.stdout.write(`${format === "json" ? goJson(found.map((each) => each.toValue())) : prettyJson(found)}\n`);
  else for (const each of found) shell.stdout.write(`${executeTemplate(format, each)}\n`);
  return Promise.resolve(exitCode);
}

function details({ name, labels, options, mountpoint, createdMs }: VolumeRecord): GoStruct {
  const map = (values: Readonly<Record<string, string>>) =>
    Object.keys(values).length === 0 ? null : new Map(Object.entries(values));
  const fields: [string, unknown][] = [
    ["CreatedAt", new Date(createdMs).toISOString().replace(/\.\d+Z$/, "Z")],
    ["Driver", "local"],
    ["Labels", map(labels)],
    ["Mountpoint", mountpoint],
    ["Name", name],
    ["Options", map(options)],
    ["Scope", "local"],
  ];
  return new GoStruct(fields.map(([key, value]): GoField => [key, key, value]));
}

export async function runRemove({ args, flags, shell, root, debug }: Invocation): Promise<number> {
  let exitCode = 0;
  for (const name of args) {
    try {
      removeVolume(root, name);
      shell.stdout.write(`${name}\n`);
    } catch (error) {
      if (!isBuildError(error)) throw error;
      if (flags.bool("force") && error.code === "VOLUME_NOT_FOUND") continue;
      shell.stderr.write(renderError(error, { debug }));
      exitCode = 1;
    }
  }
  return Promise.resolve(exitCode);
}

export async function runPrune({ flags, shell, root }: Invocation): Promise<number> {
  const filters = new ResourceFilters(flags.list("filter"), ["label", "label!", "all"]);
  const all = flags.bool("all") || filters.bool("all") === true;
  const what = all ? "all local volumes" : "anonymous local volumes";
  const warning = `WARNING! This will remove ${what} not used by at least one container.\nAre you sure you want to continue?`;
  if (!flags.bool("force") && !(await confirmed(shell, warning))) return 0;
  const { names, sizeBytes } = await pruneVolumes(
    root,
    ({ anonymous, labels }) => (all || anonymous) && filters.labels(labels),
  );
  if (names.length > 0) shell.stdout.write(`Deleted Volumes:\n${names.map((name) => `${name}\n`).join("")}\n`);
  shell.stdout.write(`Total reclaimed space: ${humanSize(sizeBytes)}\n`);
  return 0;
}
