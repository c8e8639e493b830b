// Disk usage and pruning of the embedded builder, with buildx's filters.

import { BuildError } from "../../base/index.ts";
import { listRecords, pruneRecords } from "../../storage/refs/index.ts";
import type { PrunePolicy, StoreRecord } from "../../storage/refs/index.ts";
import type { Engine } from "../../engine/index.ts";
import type { PruneOptions, UsageRecord } from "./builder.ts";

export async function diskUsage(engine: Engine, filters: readonly string[]): Promise<UsageRecord[]> {
  const matches = recordFilter(filters);
  const records = await listRecords(engine.usageHost());
  return records.filter(matches).map(toUsageRecord);
}

export async function prune(
  engine: Engine,
  options: PruneOptions,
  onRecord: (record: UsageRecord) => void,
  signal: AbortSignal,
): Promise<void> {
  const policy: PrunePolicy = {
    matches: recordFilter(options.filters),
    all: options.all,
    keepDurationMs: options.keepDurationMs,
    reservedBytes: options.reservedBytes,
    maxUsedBytes: options.maxUsedBytes,
    minFreeBytes: options.minFreeBytes,
  };
  await pruneRecords(engine.usageHost(), policy, (record) => onRecord(toUsageRecord(record)), signal);
}

function toUsageRecord(record: StoreRecord): UsageRecord {
  return {
    id: record.id,
    parents: record.parent === undefined ? [] : [record.parent],
    type: record.type,
    description: record.description,
    sizeBytes: record.sizeBytes,
    createdAtMs: record.createdMs,
    lastUsedAtMs: record.usedMs,
    usageCount: record.uses,
    inUse: record.inUse,
    mutable: record.kind !== "ref",
    shared: record.shared,
  };
}

const fields: Readonly<Record<string, (record: StoreRecord) => string>> = {
  id: (record) => record.id,
  parents: (record) => record.parent ?? "",
  description: (record) => record.description,
  type: (record) => record.type,
};
const flags: Readonly<Record<string, (record: StoreRecord) => boolean>> = {
  inuse: (record) => record.inUse,
  mutable: (record) => record.kind !== "ref",
  immutable: (record) => record.kind === "ref",
  shared: (record) => record.shared,
  private: (record) => !record.shared,
};

/**
 * All filters must hold: `type=…`, `id~=…` (a regular expression), `description!=…`, or a flag such as `inuse`.
 * @throws INVALID_FILTER naming the ones there are.
 */
export function recordFilter(filters: readonly string[]): (record: StoreRecord) => boolean {
  const checks = filters.map(parseFilter);
  return (record) => checks.every((check) => check(record));
}

function parseFilter(text: string): (record: StoreRecord) => boolean {
  const match = /^([a-z]+)(?:(~=|!=|==?)(.*))?$/s.exec(text);
  const [, name = "", operator, value = ""] = match ?? [];
  const flag = flags[name];
  if (flag !== undefined) {
    const wanted = operator === undefined || value === "true" || value === "1";
    return (record) => flag(record) === wanted;
  }
  const field = fields[name];
  if (field === undefined || operator === undefined) throw invalidFilter(text);
  if (operator === "~=") {
    const pattern = regularExpression(value, text);
    return (record) => pattern.test(field(record));
  }
  return (record) => (field(record) === value) === (operator !== "!=");
}

function regularExpression(source: string, filter: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw invalidFilter(filter, error);
  }
}

function invalidFilter(text: string, cause?: unknown): BuildError {
  const names = [...Object.keys(fields).map((name) => `${name}=…`), ...Object.keys(flags), "until=24h"];
  return new BuildError(`invalid filter ${JSON.stringify(text)}`, {
    code: "INVALID_FILTER",
    status: "InvalidArgument",
    hint: `filters are ${names.join(", ")}`,
    cause,
  });
}
