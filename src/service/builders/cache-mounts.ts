// Cache mounts of the embedded builder: what is there, and what goes.

import type { Engine } from "../../engine/index.ts";
import type { CacheMountRecord } from "./builder.ts";

/** What Dockerfiles call a mount: in the store its id has the namespace of ids before it, empty as a rule. */
function nameOf(stored: string): string {
  return stored.startsWith("/") ? stored.slice(1) : stored;
}

export function listCacheMounts(engine: Engine): Promise<CacheMountRecord[]> {
  const { folderSize } = engine.usageHost();
  return Promise.all(
    engine.cacheMounts.list().map(async ({ id, name, createdMs, usedMs, uses }) => ({
      id: nameOf(name),
      sizeBytes: await folderSize(engine.cacheMounts.path(id)),
      createdAtMs: createdMs,
      usedAtMs: usedMs,
      uses,
    })),
  );
}

/** Those in use stay. */
export async function removeCacheMounts(
  engine: Engine,
  ids: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const { removeFolder } = engine.usageHost();
  const removed: string[] = [];
  for (const { id, name } of engine.cacheMounts.list()) {
    signal.throwIfAborted();
    if (ids?.includes(nameOf(name)) === false) continue;
    if (await engine.cacheMounts.remove(id, removeFolder)) removed.push(nameOf(name));
  }
  return removed;
}
