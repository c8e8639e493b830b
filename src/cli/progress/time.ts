// Times of progress messages: nanoseconds since the epoch as bigint, printed as Go prints them.

import type { control } from "../../formats/proto/index.ts";

type Timestamp = NonNullable<control.Vertex["started"]>;

/** Nanoseconds since the epoch, or undefined when the field is unset. */
export function nanosOf(timestamp: Timestamp | undefined): bigint | undefined {
  return timestamp && timestamp.seconds * 1_000_000_000n + BigInt(timestamp.nanos);
}

/** RFC 3339 in UTC with as many of nine decimals as needed: Go's RFC3339Nano. */
export function rfc3339Nano(timestamp: Timestamp): string {
  const whole = new Date(Number(timestamp.seconds) * 1000).toISOString().slice(0, 19);
  const fraction = String(timestamp.nanos).padStart(9, "0").replace(/0+$/, "");
  return `${whole}${fraction === "" ? "" : `.${fraction}`}Z`;
}

export function secondsBetween(startNs: bigint, stopNs: bigint): number {
  return Number(stopNs - startNs) / 1e9;
}

/** A span of work; `stopNs` is undefined while it runs. */
export interface Interval {
  readonly startNs: bigint;
  readonly stopNs: bigint | undefined;
}

/** The same time covered by intervals that do not touch each other, in order; an open one swallows all that start later. */
export function mergeIntervals(intervals: Iterable<Interval>): Interval[] {
  const sorted = [...intervals].toSorted((a, b) => (a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : 0));
  const merged: Interval[] = [];
  for (const next of sorted) {
    const last = merged.at(-1);
    if (!last || (last.stopNs !== undefined && last.stopNs < next.startNs)) {
      merged.push(next);
      continue;
    }
    if (last.stopNs === undefined) break;
    if (next.stopNs === undefined || next.stopNs > last.stopNs)
      merged[merged.length - 1] = { startNs: last.startNs, stopNs: next.stopNs };
  }
  return merged;
}

/** Seconds that the intervals cover together; open ones count up to `nowNs`. */
export function coveredSeconds(intervals: readonly Interval[], nowNs: bigint): number {
  let total = 0;
  for (const { startNs, stopNs } of intervals) total += Math.max(0, secondsBetween(startNs, stopNs ?? nowNs));
  return total;
}
