// `--format` templates: the part of Go's text/template that people use for one value at a time: `{{.Field.Sub}}`, `{{json .Field}}`,
// `{{.}}`, `{{index .List 0}}`, `{{len .List}}`. Anything else is refused by name.

import { goJson } from "../formats/oci/index.ts";

/** Fills a template with a value. @throws Error for what is not understood and for fields that are not there. */
export function renderTemplate(template: string, value: unknown): string {
  const unescaped = template.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
  return unescaped.replaceAll(/\{\{-?\s*([\s\S]*?)\s*-?\}\}/g, (_, action: string) => evaluate(action, value));
}

function evaluate(action: string, value: unknown): string {
  const words = action.match(/"[^"]*"|\S+/g) ?? [];
  const path = (word: string | undefined): unknown => {
    if (word === undefined || !/^\.$|^(\.[A-Za-z_][A-Za-z0-9_]*)+$/.test(word)) throw refuse(action);
    let found = value;
    for (const name of word
      .split(".")
      .slice(1)
      .filter((part) => part !== ""))
      found = field(found, name, action);
    return found;
  };
  const [name, ...rest] = words;
  switch (name) {
    case "json":
      return goJson(path(rest[0]));
    case "len": {
      const list = path(rest[0]);
      if (Array.isArray(list) || typeof list === "string") return String(list.length);
      return String(Object.keys((list ?? {}) as object).length);
    }
    case "index": {
      const container = path(rest[0]);
      const key = rest[1]?.replace(/^"|"$/g, "");
      if (typeof container !== "object" || container === null || key === undefined) throw refuse(action);
      return text((container as Record<string, unknown>)[key]);
    }
    default:
      if (rest.length > 0) throw refuse(action);
      return text(path(name));
  }
}

function field(value: unknown, name: string, action: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) {
    throw new Error(`template: can't evaluate field ${name} in {{${action}}}`);
  }
  return (value as Record<string, unknown>)[name];
}

/** As Go prints values: `[a b]`, `map[k:v]`, `<no value>`. */
function text(value: unknown): string {
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(text).join(" ")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, item]) => `${key}:${text(item)}`).join(" ")}]`;
  }
  return String(value as string | number | boolean);
}

function refuse(action: string): Error {
  return new Error(
    `template: {{${action}}} is not understood; use {{.Field}}, {{json .Field}}, {{index .List 0}} or {{len .List}}`,
  );
}
