// What the store holds and what may go. Records are refs (each counted with the layers that its parent does not have) and cache
// mounts. A record goes when nobody holds it and nothing stands on it, least recently used first; rows go first, files after.
// Counterpart: moby/buildkit cache/manager.go DiskUsage, Prune.

import { statfsSync } from "node:fs";
import type { ContentStore } from "../content/index.ts";
import type { Snapshotter } from "../snapshots/index.ts";
import type { CacheMounts } from "./cache-mounts.ts";
import type { RefRow, RefType } from "./rows.ts";
import type { RefStore } from "./ref-store.ts";

/** One record. Times are milliseconds since the epoch. */
export interface StoreRecord {
  readonly id: string;
  readonly kind: "ref" | FolderKind;
  readonly parent: string | undefined;
  readonly type: RefType;
  readonly description: string;
  readonly sizeBytes: number;
  readonly createdMs: number;
  readonly usedMs: number | undefined;
  readonly uses: number;
  readonly inUse: boolean;
  /** Other records stand on it. */
  readonly shared: boolean;
}

/** Folders that outlive builds. */
type FolderKind = "cachemount" | "repository" | "sent";

export interface UsageHost {
  readonly root: string;
  readonly refs: RefStore;
  readonly cacheMounts: CacheMounts;
  /** Bare repositories of git remotes. */
  readonly repositories: CacheMounts;
  /** Folders that clients of a daemon sent. */
  readonly sentFolders: CacheMounts;
  readonly snapshotter: Snapshotter;
  readonly content: ContentStore;
  /** Refs that kept images hold. */
  readonly heldRefs: () => ReadonlySet<string>;
  /** Blobs that kept images consist of. */
  readonly heldBlobs: () => ReadonlySet<string>;
  /** Forgets cache records of a result. */
  readonly forgetResult: (refId: string) => void;
  /** Forgets cache keys that lead nowhere. */
  readonly sweepKeys: () => void;
  /** Bytes on disk below a folder. */
  readonly folderSize: (path: string) => Promise<number>;
  /** Deletes a folder of any size. */
  readonly removeFolder: (path: string) => Promise<void>;
}

/** Which records may go and how much may stay; bytes and milliseconds. Absent limits do not limit. */
export interface PrunePolicy {
  readonly matches: (record: StoreRecord) => boolean;
  /** Records of types that only this builder needs, and those that others stand on, may go too. */
  readonly all: boolean;
  readonly keepDurationMs?: number | undefined;
  readonly reservedBytes?: number | undefined;
  readonly maxUsedBytes?: number | undefined;
  readonly minFreeBytes?: number | undefined;
}

/** Blobs that nothing refers to stay this long: a build may just be about to refer to them. */
const UNREFERENCED_BLOB_MS = 60 * 60 * 1000;

/** Records that go in one transaction. Their files go right after it, so this also bounds what a crash leaves to the next start. */
const BATCH = 100;
const AT_ONCE = 4;

export async function listRecords(host: UsageHost): Promise<StoreRecord[]> {
  const { rows } = host.refs;
  const held = host.heldRefs();
  const leased = rows.leasedRefs();
  const refs = rows.refs();
  const byId = new Map(refs.map((ref) => [ref.id, ref]));
  const parents = new Set(refs.flatMap((ref) => (ref.parent === undefined ? [] : [ref.parent])));
  const busy = new Set(refs.filter((ref) => held.has(ref.id) || leased.has(ref.id)).flatMap((ref) => ref.layers));
  const records: StoreRecord[] = [];
  for (const ref of refs) {
    if (ref.layers.length === 0) continue;
    records.push({
      id: ref.id,
      kind: "ref",
      parent: ref.parent !== undefined && byId.get(ref.parent)?.layers.length ? ref.parent : undefined,
      type: ref.type,
      description: ref.description,
      sizeBytes: ownSize(host, ref, byId),
      createdMs: ref.createdMs,
      usedMs: ref.uses > 0 ? ref.usedMs : undefined,
      uses: ref.uses,
      // What stands below something in use can't be reclaimed either.
      inUse: ref.layers.every((layer) => busy.has(layer)),
      shared: parents.has(ref.id),
    });
  }
  for (const kind of ["cachemount", "repository", "sent"] as const) records.push(...(await folderRecords(host, kind)));
  return records;
}

async function folderRecords(host: UsageHost, kind: FolderKind): Promise<StoreRecord[]> {
  const folders = foldersOf(host, kind);
  const records: StoreRecord[] = [];
  for (const row of folders.list()) {
    records.push({
      id: row.id,
      kind,
      parent: undefined,
      type: FOLDER_TYPES[kind],
      description: row.description,
      sizeBytes: await host.folderSize(folders.path(row.id)),
      createdMs: row.createdMs,
      usedMs: row.usedMs,
      uses: row.uses,
      inUse: folders.isUsed(row.id),
      shared: false,
    });
  }
  return records;
}

const FOLDER_TYPES = { cachemount: "exec.cachemount", repository: "regular", sent: "source.local" } as const;

function foldersOf(host: UsageHost, kind: FolderKind): CacheMounts {
  if (kind === "cachemount") return host.cacheMounts;
  return kind === "repository" ? host.repositories : host.sentFolders;
}

function ownSize(host: UsageHost, ref: RefRow, byId: ReadonlyMap<string, RefRow>): number {
  const below = new Set(ref.parent === undefined ? [] : byId.get(ref.parent)?.layers);
  let size = 0;
  for (const layer of ref.layers) {
    if (below.has(layer)) continue;
    const row = host.refs.rows.layer(layer);
    if (row?.unpacked) size += row.sizeBytes;
    for (const blob of host.refs.rows.blobs(layer)) size += host.content.info(blob.descriptor.digest)?.sizeBytes ?? 0;
  }
  return size;
}

/** Removes records until the policy is met, and all that is garbage then. Stops between batches of a hundred when aborted. */
export async function pruneRecords(
  host: UsageHost,
  policy: PrunePolicy,
  onRecord: (record: StoreRecord) => void,
  signal: AbortSignal,
): Promise<void> {
  await removeByPolicy(host, policy, onRecord, signal);
  await collectGarbage(host, policy.all);
}

/** Removes records until the policy is met; each is reported as it goes. Stops between batches of a hundred when aborted. */
export async function removeByPolicy(
  host: UsageHost,
  policy: PrunePolicy,
  onRecord: (record: StoreRecord) => void,
  signal: AbortSignal,
): Promise<void> {
  const nowMs = Date.now();
  const gone = new Set<string>();
  let records = await listRecords(host);
  let totalBytes = records.reduce((sum, record) => sum + record.sizeBytes, 0);
  const keepBytes = bytesToKeep(host, policy, totalBytes);
  const isEnough = (bytes: number) => keepBytes !== undefined && bytes <= keepBytes;
  for (;;) {
    const parents = new Set(records.flatMap((record) => (record.parent === undefined ? [] : [record.parent])));
    const candidates = records
      .filter((record) => !record.inUse && !parents.has(record.id) && mayGo(record, policy, nowMs))
      .sort((a, b) => (a.usedMs ?? a.createdMs) - (b.usedMs ?? b.createdMs));
    const before = gone.size;
    for (let at = 0; at < candidates.length && !isEnough(totalBytes);) {
      signal.throwIfAborted();
      const batch: StoreRecord[] = [];
      let leftBytes = totalBytes;
      for (; at < candidates.length && batch.length < BATCH && !isEnough(leftBytes); at++) {
        batch.push(candidates[at]!);
        leftBytes -= candidates[at]!.sizeBytes;
      }
      for (const record of await removeRecords(host, batch)) {
        gone.add(record.id);
        totalBytes -= record.sizeBytes;
        onRecord(record);
      }
    }
    if (gone.size === before) break;
    records = records.filter((record) => !gone.has(record.id));
  }
}

/** Removes layers that no ref lists, blobs that nothing refers to, and keys that lead nowhere. */
export async function collectGarbage(host: UsageHost, all: boolean): Promise<void> {
  await removeLayers(host, host.refs.rows.removeUnusedLayers());
  const referenced = host.refs.rows.blobDigests().union(host.heldBlobs());
  // While somebody builds, a blob may be about to be referred to, whatever was asked for.
  const isIdle = host.refs.rows.leasedRefs().size === 0;
  const before = Date.now() - (all && isIdle ? 0 : UNREFERENCED_BLOB_MS);
  for (const blob of host.content.list()) {
    if (!referenced.has(blob.digest) && blob.modifiedMs <= before) host.content.delete(blob.digest);
  }
  host.sweepKeys();
}

function mayGo(record: StoreRecord, policy: PrunePolicy, nowMs: number): boolean {
  if (!policy.all && (record.type === "internal" || record.type === "frontend")) return false;
  const idleMs = nowMs - (record.usedMs ?? record.createdMs);
  if (policy.keepDurationMs !== undefined && idleMs < policy.keepDurationMs) return false;
  return policy.matches(record);
}

/** How many bytes may stay; undefined when everything that may go is to go. */
function bytesToKeep(host: UsageHost, policy: PrunePolicy, totalBytes: number): number | undefined {
  const { reservedBytes = 0, maxUsedBytes = 0, minFreeBytes = 0 } = policy;
  if (reservedBytes === 0 && maxUsedBytes === 0 && minFreeBytes === 0) return undefined;
  let keep = maxUsedBytes > 0 ? maxUsedBytes : totalBytes;
  if (minFreeBytes > 0) {
    const { bavail, bsize } = statfsSync(host.root);
    keep = Math.min(keep, totalBytes - Math.max(0, minFreeBytes - bavail * bsize));
  }
  if (maxUsedBytes === 0 && minFreeBytes === 0) keep = 0;
  return Math.max(keep, reservedBytes);
}

/** Removes those of `records` that nobody holds meanwhile, and tells which. */
async function removeRecords(host: UsageHost, records: readonly StoreRecord[]): Promise<StoreRecord[]> {
  const { rows } = host.refs;
  const refs = records.filter(({ kind }) => kind === "ref");
  const gone = rows.db.transaction(() => {
    const made = rows.removeRefs(refs.map(({ id }) => id));
    for (const id of made.refs) host.forgetResult(id);
    return made;
  });
  await removeLayers(host, gone.layers);
  const removed = new Set(refs.filter(({ id }) => gone.refs.has(id)));
  for (const record of records)
    if (record.kind !== "ref" && (await foldersOf(host, record.kind).remove(record.id, host.removeFolder)))
      removed.add(record);
  return records.filter((record) => removed.has(record));
}

/** Several at once: most of the time of each goes to asking the disk. */
async function removeLayers(host: UsageHost, layers: readonly string[]): Promise<void> {
  const waiting = layers.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const layer of waiting) await host.snapshotter.remove(layer);
    }),
  );
}
