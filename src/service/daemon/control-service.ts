// BuildKit's Control service. Counterpart: moby/buildkit control/control.go.

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { control, worker } from "../../formats/proto/index.ts";
import { Metadata } from "../../system/rpc/index.ts";
import type { ServerCall, ServiceImplementation } from "../../system/rpc/index.ts";
import { diskUsage, prune } from "../builders/index.ts";
import type { UsageRecord } from "../builders/index.ts";
import { runSolve } from "./solve.ts";
import type { SolveHost } from "./solve.ts";

const TIMESTAMP = "buildkit-control-timestamp";

export interface ControlHost extends SolveHost {
  readonly version: MessageInitShape<typeof worker.BuildkitVersionSchema>;
  /** Called when a build has ended. */
  readonly onBuildEnd: () => void;
}

export function controlService(host: ControlHost): ServiceImplementation<typeof control.Control> {
  return {
    info: () => Promise.resolve({ buildkitVersion: host.version }),
    listWorkers: ({ filter }) => Promise.resolve({ record: host.workers().filter((each) => matches(each, filter)) }),
    solve: async (request, call) => {
      const build = host.builds.start(request.Ref);
      try {
        return { ExporterResponse: await runSolve(host, request, build, call.signal) };
      } finally {
        host.builds.end(build);
        host.onBuildEnd();
      }
    },
    async *status({ Ref }, call) {
      sendTime(call);
      yield* (await host.builds.get(Ref, call.signal)).follow(call.signal);
    },
    diskUsage: async ({ filter }) => ({ record: (await diskUsage(host.engine, filter)).map(toRecord) }),
    async *prune(request, call) {
      const records: UsageRecord[] = [];
      await prune(host.engine, pruneOptions(request), (record) => records.push(record), call.signal);
      for (const record of records) yield toRecord(record);
    },
  };
}

function sendTime(call: ServerCall): void {
  call.sendHeaders(new Metadata({ [TIMESTAMP]: new Date().toISOString() }));
}

function matches(record: worker.WorkerRecord, filters: readonly string[]): boolean {
  if (filters.length === 0) return true;
  return filters.some((filter) => filter.split(",").every((part) => part === `id==${record.ID}` || part === record.ID));
}

function pruneOptions(request: control.PruneRequest) {
  const limits = {
    keepDurationMs: Number(request.keepDuration / 1_000_000n),
    reservedBytes: Number(request.reservedSpace),
    maxUsedBytes: Number(request.maxUsedSpace),
    minFreeBytes: Number(request.minFreeSpace),
  };
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value > 0));
  return { filters: request.filter, all: request.all, ...given };
}

function toRecord(record: UsageRecord): MessageInitShape<typeof control.UsageRecordSchema> {
  return {
    ID: record.id,
    Mutable: record.mutable,
    InUse: record.inUse,
    Size: BigInt(record.sizeBytes),
    Parents: [...record.parents],
    CreatedAt: timestampFromMs(record.createdAtMs),
    ...(record.lastUsedAtMs === undefined ? {} : { LastUsedAt: timestampFromMs(record.lastUsedAtMs) }),
    UsageCount: BigInt(record.usageCount),
    Description: record.description,
    RecordType: record.type,
    Shared: record.shared,
  };
}
