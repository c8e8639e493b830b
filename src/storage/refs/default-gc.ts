// The garbage collection that nobody has to ask for: BuildKit's default rules, applied after builds, at most once an hour, or once a
// minute while the disk is short of room. What kept images and running builds hold is never taken.
// Counterpart: moby/buildkit cmd/buildkitd/config/gcpolicy.go.

import { statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { collectGarbage, removeByPolicy } from "./usage.ts";
import type { PrunePolicy, StoreRecord, UsageHost } from "./usage.ts";

const HOUR_MS = 60 * 60 * 1000;
const MINUTE_MS = 60 * 1000;
const EASILY_MADE = new Set<StoreRecord["type"]>(["source.local", "exec.cachemount", "source.git.checkout"]);

/** The rules for a disk of `totalBytes`, in the order in which they apply. */
export function defaultPolicies(totalBytes: number): PrunePolicy[] {
  const limits = {
    reservedBytes: Math.min(totalBytes * 0.1, 10e9),
    maxUsedBytes: Math.min(totalBytes * 0.8, 100e9),
    minFreeBytes: totalBytes * 0.2,
  };
  const any = () => true;
  return [
    { matches: ({ type }) => EASILY_MADE.has(type), all: false, keepDurationMs: 48 * HOUR_MS, maxUsedBytes: 512e6 },
    { matches: any, all: false, keepDurationMs: 60 * 24 * HOUR_MS, ...limits },
    { matches: any, all: false, ...limits },
    { matches: any, all: true, ...limits },
  ];
}

/** Applies the default rules, or those given, when it is time to. Stops between records when aborted. */
export async function collectByDefault(
  host: UsageHost,
  signal: AbortSignal,
  policies?: readonly PrunePolicy[],
): Promise<void> {
  const { bavail, blocks, bsize } = statfsSync(host.root);
  const totalBytes = blocks * bsize;
  const stamp = join(host.root, "gc");
  const sinceMs = Date.now() - (statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  if (sinceMs < (bavail * bsize < totalBytes * 0.2 ? MINUTE_MS : HOUR_MS)) return;
  let removed = 0;
  for (const policy of policies ?? defaultPolicies(totalBytes))
    await removeByPolicy(host, policy, () => removed++, signal);
  if (removed > 0) await collectGarbage(host, false);
  // Only now: what was cut short is taken up again after the next build.
  writeFileSync(stamp, "", { mode: 0o600 });
}
