// Takes away what `!reset` and `!override` mark in a later document. Counterpart: compose-go loader/reset.go Apply.

import { matchesPath } from "./pattern.ts";
import type { Path } from "./pattern.ts";
import { isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

/** A document without what `!reset` and `!override` take away. */
export function withoutReset(value: ComposeMap, resets: readonly Path[], path: Path = []): ComposeMap {
  return resets.length === 0 ? value : (reset(value, resets, path) as ComposeMap);
}

function reset(value: ComposeValue, resets: readonly Path[], path: Path): ComposeValue {
  if (Array.isArray(value)) return value.map((each, at) => reset(each, resets, [...path, `[${at}]`]));
  if (!isMap(value)) return value;
  const kept = [...value].filter(([key]) => !resets.some((pattern) => matchesPath([...path, key], pattern)));
  return new Map(kept.map(([key, each]) => [key, reset(each, resets, [...path, key])]));
}
