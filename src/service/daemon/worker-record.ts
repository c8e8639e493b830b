// What the daemon says of the machine that runs steps. Counterpart: moby/buildkit worker/base, cmd/buildkitd main_oci_worker.go.

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { errnoOf } from "../../base/index.ts";
import { hostPlatform } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { worker } from "../../formats/proto/index.ts";
import { platformToPb } from "../../graph/llb/index.ts";
import type { PrunePolicy } from "../../storage/refs/index.ts";

export interface WorkerFacts {
  readonly root: string;
  readonly snapshotter: string;
  readonly version: MessageInitShape<typeof worker.BuildkitVersionSchema>;
  readonly platforms: readonly Platform[];
  readonly labels: Readonly<Record<string, string>>;
  readonly policies: readonly (PrunePolicy & { readonly filters?: readonly string[] })[];
}

/** The machine's only worker. Its id is the store's: it stays from one start to the next. */
export function workerRecord(facts: WorkerFacts): worker.WorkerRecord {
  const platforms = facts.platforms.length > 0 ? facts.platforms : [hostPlatform()];
  return create(worker.WorkerRecordSchema, {
    ID: workerId(facts.root),
    Labels: {
      "org.mobyproject.buildkit.worker.executor": "oci",
      "org.mobyproject.buildkit.worker.hostname": hostname(),
      "org.mobyproject.buildkit.worker.network": "host",
      "org.mobyproject.buildkit.worker.snapshotter": facts.snapshotter,
      ...facts.labels,
    },
    platforms: platforms.map(platformToPb),
    GCPolicy: facts.policies.map(({ all, keepDurationMs, reservedBytes, maxUsedBytes, minFreeBytes, filters }) => ({
      all,
      keepDuration: BigInt(Math.round(keepDurationMs ?? 0)) * 1_000_000n,
      reservedSpace: BigInt(Math.round(reservedBytes ?? 0)),
      maxUsedSpace: BigInt(Math.round(maxUsedBytes ?? 0)),
      minFreeSpace: BigInt(Math.round(minFreeBytes ?? 0)),
      filters: [...(filters ?? [])],
    })),
    BuildkitVersion: facts.version,
  });
}

function workerId(root: string): string {
  const file = join(root, "workerid");
  try {
    const text = readFileSync(file, "utf8").trim();
    if (/^[a-z0-9]{10,64}$/.test(text)) return text;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  const id = BigInt(`0x${randomBytes(17).toString("hex")}`)
    .toString(36)
    .padStart(25, "0")
    .slice(-25);
  writeFileSync(file, id, { mode: 0o600 });
  return id;
}
