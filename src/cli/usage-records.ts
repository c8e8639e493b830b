// Cache records as lists show them. Counterpart: docker/buildx commands/diskusage.go, prune.go.

import type { UsageRecord } from "../service/builders/index.ts";
import { printableLine } from "./progress/index.ts";
import { humanDuration, humanSize } from "./sizes.ts";

export const usageHeader = ["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"] as const;

/** A row under {@link usageHeader}: `*` marks mutable records and sizes that others share. */
export function usageRow(record: UsageRecord, nowMs: number): string[] {
  return [
    `${record.id}${record.mutable ? "*" : ""}`,
    String(!record.inUse),
    `${humanSize(record.sizeBytes)}${record.shared ? "*" : ""}`,
    lastUsed(record, nowMs),
  ];
}

/** `3 hours ago`, or nothing. */
function lastUsed(record: UsageRecord, nowMs: number): string {
  return record.lastUsedAtMs === undefined ? "" : `${humanDuration(nowMs - record.lastUsedAtMs)} ago`;
}

/** Everything about a record, a line a fact, with an empty line after it. */
export function usageDetails(record: UsageRecord, nowMs: number): string {
  const lines: [string, string][] = [["ID", record.id]];
  if (record.parents.length > 0) lines.push(["Parents", record.parents.map((parent) => `\n - ${parent}`).join("")]);
  lines.push(
    ["Created at", goTime(record.createdAtMs)],
    ["Mutable", String(record.mutable)],
    ["Reclaimable", String(!record.inUse)],
    ["Shared", String(record.shared)],
    ["Size", humanSize(record.sizeBytes)],
  );
  if (record.description !== "") lines.push(["Description", printableLine(record.description)]);
  lines.push(["Usage count", String(record.usageCount)]);
  if (record.lastUsedAtMs !== undefined) lines.push(["Last used", lastUsed(record, nowMs)]);
  if (record.type !== "") lines.push(["Type", record.type]);
  return `${lines.map(([name, value]) => (value.startsWith("\n") ? `${name}:${value}\n` : `${`${name}:`.padEnd(14)}${value}\n`)).join("")}\n`;
}

/** Fields that `--format` names. */
export function usageFields(record: UsageRecord, nowMs: number): Record<string, unknown> {
  return {
    CreatedAt: goTime(record.createdAtMs),
    Description: record.description,
    ID: record.id,
    LastUsedAt: lastUsed(record, nowMs),
    Mutable: record.mutable,
    Parents: record.parents,
    Reclaimable: !record.inUse,
    Shared: record.shared,
    Size: humanSize(record.sizeBytes),
    Type: record.type,
    UsageCount: record.usageCount,
  };
}

/** Go's time.String in UTC. */
function goTime(ms: number): string {
  const [date, time] = new Date(ms).toISOString().replace("Z", "").split("T") as [string, string];
  return `${date} ${time.replace(/\.?0+$/, "")} +0000 UTC`;
}
