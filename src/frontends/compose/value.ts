// What a compose file is made of once it is read, and how Go names and writes such values in texts and errors.
// Counterpart: compose-go's map[string]any; Go's fmt verbs %v and %T.

/** Whole numbers are bigints, others numbers. Mappings keep the order of the file. */
export type ComposeValue = null | boolean | bigint | number | string | ComposeValue[] | ComposeMap;
export type ComposeMap = Map<string, ComposeValue>;

export function isMap(value: ComposeValue | undefined): value is ComposeMap {
  return value instanceof Map;
}

/** The mapping at a key; undefined where there is none. */
export function mapAt(map: ComposeMap, key: string): ComposeMap | undefined {
  const value = map.get(key);
  return isMap(value) ? value : undefined;
}

/** A copy that shares nothing with the original. */
export function cloneValue(value: ComposeValue): ComposeValue {
  if (Array.isArray(value)) return value.map(cloneValue);
  return isMap(value) ? new Map([...value].map(([key, each]) => [key, cloneValue(each)])) : value;
}

/** The value as Go's `%v` writes it. */
export function goText(value: ComposeValue): string {
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(goText).join(" ")}]`;
  if (isMap(value)) {
    const entries = [...value].sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, each]) => `${key}:${goText(each)}`).join(" ")}]`;
  }
  return typeof value === "number" ? goFloat(value) : String(value);
}

function goFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Object.is(value, -0)) return "-0";
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e21)) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** The type as Go's `%T` names it. */
export function goType(value: ComposeValue): string {
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return "[]interface {}";
  if (isMap(value)) return "map[string]interface {}";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float64";
  return typeof value === "boolean" ? "bool" : "string";
}
