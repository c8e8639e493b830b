// Filters of build records as clients write them: `status==error`, `ref==X`, `repository~=Y`, `startedAt>=2h`, joined by commas.
// Counterpart: moby/buildkit solver/llbsolver/history/filter.go, containerd pkg/filters.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { BuildError } from "../../base/index.ts";
import type { control } from "../../formats/proto/index.ts";

export type RecordFilter = (record: control.BuildHistoryRecord) => boolean;

/** A record passes when it passes all parts of one of the filters; all pass where there are none. @throws FILTER_INVALID. */
export function parseRecordFilters(filters: readonly string[]): RecordFilter {
  if (filters.length === 0) return () => true;
  const parsed = filters.map((filter) => splitParts(filter).map(parsePart));
  return (record) => parsed.some((parts) => parts.every((part) => part(record)));
}

/** At commas outside of quotes; a part may be quoted as a whole, as CSV has it. */
function splitParts(filter: string): string[] {
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  for (const char of filter) {
    if (char === '"') quoted = !quoted;
    if (char === "," && !quoted) {
      parts.push(part);
      part = "";
    } else part += char;
  }
  parts.push(part);
  return parts.filter((each) => each !== "").map((each) => (/^"[^"]*"$/.test(each) ? each.slice(1, -1) : each));
}

function parsePart(part: string): RecordFilter {
  const timed = /^(startedAt|completedAt|duration)(>=|<=|>|<)(.*)$/.exec(part);
  if (timed !== null) return timeFilter(timed[1]!, timed[2]!, timed[3]!);
  const match = /^(\w+)\s*(==|!=|~=)?\s*(.*)$/s.exec(part);
  const field = match?.[1] ?? "";
  if (!["ref", "status", "repository"].includes(field)) throw invalid(part);
  const operator = match?.[2];
  const wanted = unquote(match?.[3] ?? "");
  if (operator === undefined && wanted !== "") throw invalid(part);
  const pattern = operator === "~=" ? patternOf(wanted, part) : undefined;
  return (record) => {
    const value = fieldOf(record, field);
    if (operator === undefined) return value !== undefined;
    if (operator === "!=") return value !== wanted;
    if (value === undefined) return false;
    return pattern === undefined ? value === wanted : pattern.test(value);
  };
}

function timeFilter(field: string, operator: string, text: string): RecordFilter {
  const duration = durationMs(text);
  const time = Date.parse(text);
  if (duration === undefined && (field === "duration" || Number.isNaN(time)))
    throw invalid(`${field}${operator}${text}`);
  const limit = field === "duration" ? duration! : duration === undefined ? time : Date.now() - duration;
  return (record) => {
    const started = record.CreatedAt === undefined ? 0 : timestampMs(record.CreatedAt);
    const completed = record.CompletedAt === undefined ? undefined : timestampMs(record.CompletedAt);
    const value =
      field === "startedAt" ? started : field === "completedAt" ? (completed ?? 0) : (completed ?? started) - started;
    switch (operator) {
      case ">=":
        return value >= limit;
      case "<=":
        return value <= limit;
      case ">":
        return value > limit;
      default:
        return value < limit;
    }
  };
}

function fieldOf(record: control.BuildHistoryRecord, field: string): string | undefined {
  switch (field) {
    case "ref":
      return record.Ref || undefined;
    case "status":
      if (record.CompletedAt === undefined) return "running";
      if (record.error === undefined) return "completed";
      return record.error.message.includes("context canceled") ? "canceled" : "error";
    default:
      return record.FrontendAttrs["vcs:source"] ?? record.FrontendAttrs["context"];
  }
}

function unquote(text: string): string {
  return /^".*"$/s.test(text) ? text.slice(1, -1) : text;
}

function patternOf(text: string, part: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw invalid(part);
  }
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go's durations: "1h30m". */
export function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * UNITS[unit!]!;
  }
  return total;
}

function invalid(part: string): BuildError {
  return new BuildError(`invalid filter ${JSON.stringify(part.slice(0, 200))}`, {
    code: "FILTER_INVALID",
    status: "InvalidArgument",
  });
}
