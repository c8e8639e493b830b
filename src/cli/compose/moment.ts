// Moments as `--since` and `--until` take them: a date and time, seconds since the epoch, or how long ago.
// Counterpart: docker/docker api/types/time GetTimestamp.

import { parseDurationMs } from "../../frontends/compose/index.ts";

/** Milliseconds since the epoch; undefined for an empty text. @throws Error for what is no moment. */
export function momentMs(text: string, now: number): number | undefined {
  if (text === "") return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^-?[\d.]+[a-zµμ]/.test(text)) return now - parseDurationMs(text);
  const date = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00` : text);
  if (!Number.isNaN(date)) return date;
  throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
}
