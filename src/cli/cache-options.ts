// `--cache-from` and `--cache-to`: entries as buildx reads them. A value without `=` is a list of registry references.
// Counterpart: docker/buildx util/buildflags/cache.go.

import { resolve } from "node:path";
import { parseCsv } from "./csv.ts";

export interface CacheEntry {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Entries of all values, equal ones once; paths of local caches made absolute. @throws Error in buildx's words. */
export function parseCacheEntries(values: readonly string[], cwd: string): CacheEntry[] {
  const entries = values.filter((value) => value !== "").flatMap((value) => parseValue(value, cwd));
  const seen = new Set<string>();
  return entries.filter(({ type, attributes }) => {
    const key = JSON.stringify([type, [...attributes].sort()]);
    return !seen.has(key) && seen.add(key);
  });
}

function parseValue(text: string, cwd: string): CacheEntry[] {
  const fields = parseCsv(text);
  if (!text.includes("=")) return fields.map((ref) => ({ type: "registry", attributes: new Map([["ref", ref]]) }));
  let type = "";
  const attributes = new Map<string, string>();
  for (const field of fields) {
    const at = field.indexOf("=");
    if (at < 0) throw new Error(`invalid value ${field}`);
    const key = field.slice(0, at).toLowerCase();
    const value = field.slice(at + 1);
    if (key === "type") type = value;
    else attributes.set(key, type !== "registry" && (key === "src" || key === "dest") ? resolve(cwd, value) : value);
  }
  if (type === "") throw new Error(`type required for ${JSON.stringify(text)}`);
  return [{ type, attributes }];
}
