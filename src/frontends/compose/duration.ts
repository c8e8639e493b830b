// Lengths of time as texts: `1m30s`. Counterpart: xhit/go-str2duration, Go's time.Duration.String.

import { composeError } from "./error.ts";

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds. @throws COMPOSE_INVALID. */
export function parseDurationMs(text: string): number {
  if (text === "0") return 0;
  const pattern = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w)/gy;
  let total = 0;
  let end = /^[-+]/.test(text) ? 1 : 0;
  pattern.lastIndex = end;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    total += Number(match[1]) * unitMs[match[2]!]!;
    end = pattern.lastIndex;
  }
  if (end !== text.length || text.length < 2) throw composeError(`invalid duration: ${text}`);
  return text.startsWith("-") ? -total : total;
}

/** As Go writes it: `1m30s`. */
export function durationText(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 1000) return `${round(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = round((ms % 60_000) / 1000);
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}

function round(value: number): number {
  return Number(value.toFixed(6));
}
