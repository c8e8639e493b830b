// Checks a value against a schema, and tells of the most specific thing that is wrong. Only what compose's schema uses of JSON
// Schema. Counterpart: compose-go schema/schema.go, santhosh-tekuri/jsonschema v6.

import { composeError } from "./error.ts";
import { goText, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

export type SchemaType = "object" | "array" | "string" | "integer" | "number" | "boolean" | "null";

export interface Schema {
  readonly type?: readonly SchemaType[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: readonly (readonly [RegExp, Schema])[];
  /** Whether keys are refused that nothing is said of. */
  readonly closed?: boolean;
  readonly items?: Schema;
  readonly uniqueItems?: boolean;
  readonly oneOf?: readonly Schema[];
}

interface Problem {
  readonly path: readonly string[];
  readonly text: string;
  /** Of several problems the one that is deepest is told. */
  readonly depth: number;
}

/** @throws COMPOSE_INVALID: `services.web.image must be a string`. */
export function validate(value: ComposeValue, schema: Schema): void {
  let worst: Problem | undefined;
  for (const problem of problemsOf(value, schema, [])) {
    if (worst === undefined || problem.depth > worst.depth) worst = problem;
  }
  if (worst !== undefined) throw composeError(`${worst.path.join(".")} ${worst.text}`);
}

function problemsOf(value: ComposeValue, schema: Schema, path: readonly string[]): Problem[] {
  if (schema.type !== undefined && !schema.type.some((type) => hasType(value, type))) {
    return [{ path, depth: path.length, text: `must be a ${readable(schema.type)}` }];
  }
  const problems: Problem[] = [];
  if (isMap(value)) problems.push(...mapProblems(value, schema, path));
  if (Array.isArray(value)) problems.push(...listProblems(value, schema, path));
  if (schema.oneOf !== undefined) problems.push(...choiceProblems(value, schema.oneOf, path));
  return problems;
}

function hasType(value: ComposeValue, type: SchemaType): boolean {
  switch (type) {
    case "object":
      return isMap(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
    case "number":
      return typeof value === "bigint" || typeof value === "number";
    case "null":
      return value === null;
    case "string":
    case "boolean":
      return typeof value === type;
  }
}

function readable(types: readonly SchemaType[]): string {
  const names = types.map((type) => (type === "object" ? "mapping" : type)).sort();
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

function mapProblems(value: ComposeMap, schema: Schema, path: readonly string[]): Problem[] {
  const problems: Problem[] = [];
  const missing = (schema.required ?? []).filter((name) => !value.has(name));
  if (missing.length > 0) {
    const word = missing.length === 1 ? "property" : "properties";
    problems.push({ path, depth: path.length, text: `missing ${word} ${quoted(missing)}` });
  }
  const unknown: string[] = [];
  for (const [key, each] of value) {
    const known = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties![key] : undefined;
    const matching = (schema.patternProperties ?? []).filter(([pattern]) => pattern.test(key)).map(([, one]) => one);
    const schemas = known === undefined ? matching : [known, ...matching];
    if (schemas.length === 0) unknown.push(key);
    for (const one of schemas) problems.push(...problemsOf(each, one, [...path, key]));
  }
  if (schema.closed === true && unknown.length > 0) {
    problems.push({ path, depth: path.length + 1, text: `additional properties ${quoted(unknown)} not allowed` });
  }
  return problems;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name.replaceAll("'", String.raw`\'`)}'`).join(", ");
}

function listProblems(value: readonly ComposeValue[], schema: Schema, path: readonly string[]): Problem[] {
  const problems: Problem[] = [];
  if (schema.uniqueItems === true) {
    const seen = new Map<string, number>();
    for (const [at, each] of value.entries()) {
      const key = `${typeof each}:${goText(each)}`;
      const earlier = seen.get(key);
      if (earlier === undefined) seen.set(key, at);
      else {
        problems.push({ path, depth: path.length, text: `items at ${earlier} and ${at} are equal` });
        break;
      }
    }
  }
  const { items } = schema;
  if (items === undefined) return problems;
  return [...problems, ...value.flatMap((each, at) => problemsOf(each, items, [...path, String(at)]))];
}

function choiceProblems(value: ComposeValue, schemas: readonly Schema[], path: readonly string[]): Problem[] {
  const results = schemas.map((schema) => problemsOf(value, schema, path));
  const fitting = results.flatMap((problems, at) => (problems.length === 0 ? [at] : []));
  if (fitting.length === 1) return [];
  if (fitting.length === 0) return results.flat();
  const text = `oneOf failed, subschemas ${fitting[0]}, ${fitting[1]} matched`;
  return [{ path, depth: path.length, text }];
}
