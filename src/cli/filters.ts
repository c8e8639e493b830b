// `--filter` of `du` and `prune`: name=value pairs that all must hold; `until` is an age. Counterpart: docker/buildx commands/prune.go
// toBuildkitPruneInfo.

import { parseDuration } from "./sizes.ts";

export interface ParsedFilters {
  /** Everything but the age, as given: `type=exec.cachemount`, `description~=npm`, `inuse`. */
  readonly filters: readonly string[];
  /** Only what was not used for so long. */
  readonly keepDurationMs: number | undefined;
}

/** @throws Error for two ages, an age that is none, or one name given twice. */
export function parseFilters(texts: readonly string[]): ParsedFilters {
  const filters = new Map<string, string>();
  let age: { name: string; value: string } | undefined;
  for (const text of texts) {
    const match = /^\s*([^=~!]*[^=~!\s])\s*(?:(~=|!=|==?)(.*))?$/s.exec(text);
    if (!match) throw new Error(`bad format of filter ${JSON.stringify(text)} (expected name=value)`);
    const [, rawName = "", operator, value = ""] = match;
    const name = rawName.toLowerCase();
    if (name === "until" || name === "unused-for") {
      if (age && age.name !== name) throw new Error('conflicting filters "until" and "unused-for"');
      if (age) throw new Error(`"${name}" filter expects only one value`);
      age = { name, value: value.trim() };
      continue;
    }
    if (filters.has(name)) throw new Error(`"${name}" filter expects only one value`);
    filters.set(name, operator === undefined ? name : `${name}${operator === "==" ? "=" : operator}${value.trim()}`);
  }
  return { filters: [...filters.values()], keepDurationMs: age && ageMs(age) };
}

function ageMs({ name, value }: { name: string; value: string }): number {
  try {
    return parseDuration(value);
  } catch (error) {
    throw new Error(`"${name}" filter expects a duration (e.g., '24h'): ${(error as Error).message}`, { cause: error });
  }
}
