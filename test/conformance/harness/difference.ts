// The first place where two JSON values differ, as a path and both values.

import type { Json } from "./case.ts";

/** "" when equal; otherwise one line that names the place. Members that are null or undefined count as absent. */
export function firstDifference(got: unknown, expected: unknown, path = ""): string {
  const a = got ?? undefined;
  const b = expected ?? undefined;
  if (a === b) return "";
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let at = 0; at < Math.max(a.length, b.length); at++) {
      const found = firstDifference(a[at], b[at], `${path}[${at}]`);
      if (found !== "") return found;
    }
    return "";
  }
  if (isObject(a) && isObject(b)) {
    for (const key of new Set([...Object.keys(b), ...Object.keys(a)])) {
      const found = firstDifference(a[key], b[key], path === "" ? key : `${path}.${key}`);
      if (found !== "") return found;
    }
    return "";
  }
  return `${path || "value"}: got ${show(a)}, expected ${show(b)}`;
}

function isObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
