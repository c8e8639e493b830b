// `bake --list`: targets and variables as a table or as JSON. Counterpart: docker/buildx commands/bake.go printVars, printTargetList.

import { renderJson } from "../frontends/bake/index.ts";
import type { ParsedDefinition } from "../frontends/bake/index.ts";
import { parseCsv } from "./csv.ts";
import { alignTabStops } from "./table.ts";

interface ListRequest {
  readonly type: "targets" | "variables";
  readonly format: "table" | "json";
}

/** Reads `targets`, or `type=targets,format=json`. @throws Error in buildx's words. */
export function parseListRequest(text: string): ListRequest {
  let type = "";
  let format = "";
  const fields = parseCsv(text);
  if (fields.length === 1 && fields[0] === text && !text.startsWith("type=")) type = text;
  else {
    for (const field of fields) {
      const at = field.indexOf("=");
      if (at < 0) throw new Error(`invalid value ${field}`);
      const key = field.slice(0, at).toLowerCase().trim();
      if (key === "type") type = field.slice(at + 1);
      else if (key === "format") format = field.slice(at + 1);
      else throw new Error(`unexpected key '${key}' in '${field}'`);
    }
  }
  format ||= "table";
  if (type !== "targets" && type !== "variables") throw new Error(`invalid list type ${JSON.stringify(type)}`);
  if (format !== "table" && format !== "json") throw new Error(`invalid list format ${JSON.stringify(format)}`);
  return { type, format };
}

/** What goes to stdout, newline included. */
export function renderList(definition: ParsedDefinition, { type, format }: ListRequest): string {
  return type === "targets" ? listTargets(definition, format) : listVariables(definition, format);
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

function listTargets({ targets, groups }: ParsedDefinition, format: ListRequest["format"]): string {
  const rows = [
    ...targets.map(({ name, description = "" }) => ({ name, description, group: false })),
    ...groups.map(({ name, description = "", targets: members }) => {
      const names = [...members].sort().join(", ");
      const shown = names === "" ? description : description === "" ? names : `${description} (${names})`;
      return { name, description: shown, group: true };
    }),
  ]
    .filter(({ name }) => !name.startsWith("_"))
    .toSorted(byName);
  if (format === "table") {
    return alignTabStops([["TARGET", "DESCRIPTION"], ...rows.map(({ name, description }) => [name, description])]);
  }
  if (rows.length === 0) return "null\n";
  const json = rows.map(
    ({ name, description, group }) =>
      new Map<string, string | boolean>([
        ["name", name],
        ...(description === "" ? [] : [["description", description] as const]),
        ...(group ? [["group", true] as const] : []),
      ]),
  );
  return `${renderJson(json)}\n`;
}

function listVariables({ variables }: ParsedDefinition, format: ListRequest["format"]): string {
  const sorted = variables.toSorted(byName);
  if (format === "table") {
    const rows = sorted.map(({ name, type, value, description }) => [name, type, value ?? "<null>", description]);
    return alignTabStops([["VARIABLE", "TYPE", "VALUE", "DESCRIPTION"], ...rows]);
  }
  if (sorted.length === 0) return "null\n";
  const json = sorted.map(
    ({ name, description, type, value }) =>
      new Map<string, string>([
        ["name", name],
        ...(description === "" ? [] : [["description", description] as const]),
        ...(type === "" ? [] : [["type", type] as const]),
        ...(value === undefined ? [] : [["value", value] as const]),
      ]),
  );
  return `${renderJson(json)}\n`;
}
