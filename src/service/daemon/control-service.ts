// BuildKit's Control service. Counterpart: moby/buildkit control/control.go.

import { fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { control } from "../../formats/proto/index.ts";
import type { worker } from "../../formats/proto/index.ts";
import { wireError } from "../../system/rpc/index.ts";
import type { RawHandler, ServiceImplementation } from "../../system/rpc/index.ts";
import { parseDigest } from "../../base/index.ts";
import { diskUsage, prune } from "../builders/index.ts";
import type { UsageRecord } from "../builders/index.ts";
import { sendTime } from "./clock-header.ts";
import type { BuildHistory } from "../history/index.ts";
import { historyMethods } from "./history-service.ts";
import { BuildRecording } from "../history/index.ts";
import { runSolve } from "./solve.ts";
import type { SolveHost } from "./solve.ts";
import { readStatusLog } from "../history/index.ts";

export interface ControlHost extends SolveHost {
  readonly history: BuildHistory;
  readonly version: MessageInitShape<typeof worker.BuildkitVersionSchema>;
  /** Called when a build has ended. */
  readonly onBuildEnd: () => void;
}

export function controlService(host: ControlHost): ServiceImplementation<typeof control.Control> {
  return {
    info: () => Promise.resolve({ buildkitVersion: host.version }),
    listWorkers: ({ filter }) => Promise.resolve({ record: host.workers().filter((each) => matches(each, filter)) }),
    ...historyMethods(host.history),
    solve: async (request, call) => {
      const build = host.builds.start(request.Ref);
      const record = new BuildRecording(host.history, request, build);
      try {
        const response = await runSolve(host, request, build, {
          signal: call.signal,
          ...(request.Internal ? {} : { onProvenance: (made) => record.provenance(made) }),
        });
        record.complete(response);
        return { ExporterResponse: response };
      } catch (error) {
        record.fail(wireError(error));
        throw error;
      } finally {
        host.builds.release(build);
        host.onBuildEnd();
      }
    },
    diskUsage: async ({ filter }) => ({ record: (await diskUsage(host.engine, filter.filter(Boolean))).map(toRecord) }),
    async *prune(request, call) {
      const records: UsageRecord[] = [];
      await prune(host.engine, pruneOptions(request), (record) => records.push(record), call.signal);
      for (const record of records) yield toRecord(record);
    },
  };
}

/** Progress of a build that runs, or the log of one that was: messages as they were written, not decoded again. */
export function statusHandler(host: ControlHost): RawHandler {
  return async (call) => {
    let ref = "";
    for await (const message of call.messages) ref = fromBinary(control.StatusRequestSchema, message).Ref;
    sendTime(call);
    const logs = host.builds.find(ref) === undefined ? host.history.find(ref)?.logs : undefined;
    const blob = logs === undefined ? undefined : host.history.blob(parseDigest(logs.digest));
    if (blob !== undefined) {
      for (const message of readStatusLog(blob.path)) await call.send(message);
      return;
    }
    const build = await host.builds.get(ref, call.signal);
    for await (const message of build.log.follow(call.signal)) await call.send(message);
  };
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
  return { filters: request.filter.filter(Boolean), all: request.all, ...given };
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
