// The subrequest `frontend.outline`: what the target can be given. Counterpart: moby/buildkit frontend/subrequests/outline,
// frontend/dockerfile/dockerfile2llb/outline.go.

import type { BuildClient, Entrypoint } from "../context/client.ts";
import { convert } from "../convert/convert.ts";
import type { Outline } from "../convert/outline.ts";
import type { StageState } from "../convert/stage-state.ts";
import type { Location } from "../source-error.ts";
import { indentedJson, locationJson } from "./json.ts";
import { textTable } from "./text-table.ts";

interface Item {
  readonly name: string;
  readonly location: Location;
}

interface ArgItem extends Item {
  readonly description: string;
  readonly value: string;
}

interface MountItem extends Item {
  readonly required: boolean;
}

/** @throws FrontendError when the Dockerfile cannot be converted */
export async function outlineSubrequest(
  client: BuildClient,
  entrypoint: Entrypoint,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const options = { client, file: entrypoint.file, targetPlatform: undefined, warn: undefined, allStages: false };
  const { stage } = await convert(options, signal);
  const args = byPlace(collect(stage, argsOf));
  const secrets = byPlace(collect(stage, ({ outline }) => mountsOf(outline.secrets)));
  const ssh = byPlace(collect(stage, ({ outline }) => mountsOf(outline.ssh)));
  const { name, docComment } = stage.stage;
  const json = indentedJson({
    ...(name === "" ? {} : { name }),
    ...(docComment === "" ? {} : { description: docComment }),
    ...(args.length === 0 ? {} : { args: args.map(argJson) }),
    ...(secrets.length === 0 ? {} : { secrets: secrets.map(mountJson) }),
    ...(ssh.length === 0 ? {} : { ssh: ssh.map(mountJson) }),
    sources: [Buffer.from(entrypoint.file.data).toString("base64")],
  });
  const header = [["TARGET:", name || "(default)"], ...(docComment === "" ? [] : [["DESCRIPTION:", docComment]])];
  const text =
    (name === "" && docComment === "" ? "" : `${textTable(header, 1)}\n`) +
    section(["BUILD ARG", "VALUE", "DESCRIPTION"], args, (arg) => [arg.name, arg.value, arg.description]) +
    section(["SECRET", "REQUIRED"], secrets, mountRow) +
    section(["SSH", "REQUIRED"], ssh, mountRow);
  return new Map([
    ["result.json", json],
    ["result.txt", text],
    ["version", "1.0.0"],
  ]);
}

// The stage's own first, then those of its base and of what it reads from; a name counts once.
function collect<T extends Item>(
  stage: StageState,
  itemsOf: (stage: StageState) => readonly T[],
  seen = new Set<string>(),
): T[] {
  const own = itemsOf(stage).filter(({ name }) => !seen.has(name));
  for (const { name } of own) seen.add(name);
  const others = [...(stage.base === undefined ? [] : [stage.base]), ...stage.deps.keys()];
  return [...own, ...others.flatMap((other) => collect(other, itemsOf, seen))];
}

function argsOf({ outline }: StageState): ArgItem[] {
  const used = new Set<string>();
  const mark = (names: Iterable<string>) => {
    for (const name of names) {
      if (used.has(name)) continue;
      used.add(name);
      mark(outline.allArgs.get(name)?.deps ?? []);
    }
  };
  mark(outline.usedArgs);
  return Array.from(used).flatMap((name) => {
    const info = outline.allArgs.get(name);
    if (info === undefined) return [];
    return [{ name, description: info.definition.docComment, value: info.value, location: info.location }];
  });
}

function mountsOf(mounts: Outline["secrets"]): MountItem[] {
  return Array.from(mounts, ([name, { required, location }]) => ({ name, required, location }));
}

function byPlace<T extends Item>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => (a.location[0]?.start ?? 0) - (b.location[0]?.start ?? 0));
}

function argJson({ name, description, value, location }: ArgItem): unknown {
  return {
    name,
    ...(description === "" ? {} : { description }),
    ...(value === "" ? {} : { value }),
    ...locationJson(location),
  };
}

function mountJson({ name, required, location }: MountItem): unknown {
  return { name, ...(required ? { required } : {}), ...locationJson(location) };
}

function mountRow({ name, required }: MountItem): string[] {
  return [name, required ? "true" : ""];
}

function section<T>(header: readonly string[], items: readonly T[], row: (item: T) => string[]): string {
  return items.length === 0 ? "" : `${textTable([header, ...items.map(row)], 3)}\n`;
}
