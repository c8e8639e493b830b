// Disk usage as BuildKit's API has it.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { control } from "../../formats/proto/index.ts";
import type { UsageRecord } from "./builder.ts";

export function toUsageRecord(record: control.UsageRecord): UsageRecord {
  return {
    id: record.ID,
    parents: record.Parents.length > 0 ? record.Parents : record.Parent === "" ? [] : [record.Parent],
    type: record.RecordType,
    description: record.Description,
    sizeBytes: Number(record.Size),
    createdAtMs: record.CreatedAt === undefined ? 0 : timestampMs(record.CreatedAt),
    lastUsedAtMs: record.LastUsedAt === undefined ? undefined : timestampMs(record.LastUsedAt),
    usageCount: Number(record.UsageCount),
    inUse: record.InUse,
    mutable: record.Mutable,
    shared: record.Shared,
  };
}

/** containerd's filters, from buildx's. */
export function remoteFilter(text: string): string {
  if (text === "private") return "shared==false";
  return text.replace(/^([a-z]+)=(?=[^=~])/, "$1==");
}
