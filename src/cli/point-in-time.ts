// Points in time as `--since` and `--until` have them. Counterpart: moby/moby api/types/time/timestamp.go.

import { parseDuration } from "./sizes.ts";

/** A point in time: RFC 3339, a date, seconds since 1970, or a span before now. @throws Error. */
export function timeOf(text: string, nowMs: number): number | undefined {
  if (text === "") return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const parsed = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(parsed)) return parsed;
  try {
    return nowMs - parseDuration(text);
  } catch {
    throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  }
}
