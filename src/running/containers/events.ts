// What happens to containers, for whoever listens: lines of a file that supervisors and commands add to. It is cut when it grows large;
// listeners notice.

import { appendFileSync, closeSync, fstatSync, openSync, readSync, renameSync, statSync, watch } from "node:fs";
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";
import type { ContainerEvent } from "./types.ts";

const MAX_BYTES = 4 * 1024 * 1024;
const LOOK_MS = 200;

/** Notes an event; never fails for it. */
export function logEvent(
  store: ContainerStore,
  action: string,
  record: ContainerRecord,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const { id, name, image } = record;
  const line = {
    time: new Date().toISOString(),
    action,
    id,
    name,
    attributes: { image: image.reference, ...attributes },
  };
  try {
    if ((statSync(store.eventsPath, { throwIfNoEntry: false })?.size ?? 0) > MAX_BYTES)
      renameSync(store.eventsPath, `${store.eventsPath}.1`);
    appendFileSync(store.eventsPath, `${JSON.stringify(line)}\n`, { mode: 0o600 });
  } catch {
    // A full disk: whoever listens misses it.
  }
}

/** Events from now on, or since a time, until aborted. */
export async function* readEvents(
  store: ContainerStore,
  options: {
    readonly signal: AbortSignal;
    readonly sinceMs?: number | undefined;
    /** Ends at that time, what happened before it is told first. */
    readonly untilMs?: number | undefined;
  },
): AsyncIterable<ContainerEvent> {
  const { signal, sinceMs, untilMs = Number.POSITIVE_INFINITY } = options;
  mkdirSync(store.folder, { recursive: true, mode: 0o711 });
  let wake = (): void => {};
  const watcher = watch(store.folder, { persistent: false }, () => wake());
  let fd = openSync(store.eventsPath, "a+", 0o600);
  try {
    let at = sinceMs === undefined ? fstatSync(fd).size : 0;
    let rest = "";
    while (!signal.aborted) {
      const chunk = Buffer.alloc(65_536);
      const got = readSync(fd, chunk, 0, chunk.length, at);
      if (got > 0) {
        at += got;
        const lines = (rest + chunk.toString("utf8", 0, got)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const event = parseEvent(line, store);
          if (event === undefined || event.timeMs < (sinceMs ?? 0)) continue;
          if (event.timeMs > untilMs) return;
          yield event;
        }
        continue;
      }
      const now = statSync(store.eventsPath, { throwIfNoEntry: false });
      if (now !== undefined && now.ino !== fstatSync(fd).ino) {
        closeSync(fd);
        fd = openSync(store.eventsPath, "a+", 0o600);
        at = 0;
        continue;
      }
      if (Date.now() > untilMs) return;
      const woken = new Promise<void>((resolve) => (wake = resolve));
      await Promise.race([woken, sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)]);
    }
  } finally {
    watcher.close();
    closeSync(fd);
  }
}

function parseEvent(line: string, store: ContainerStore): ContainerEvent | undefined {
  try {
    const { time, action, id, name, attributes } = JSON.parse(line) as Record<string, unknown>;
    if (typeof time !== "string" || typeof action !== "string" || typeof id !== "string") return undefined;
    const labels = store.read(id)?.labels ?? {};
    return {
      action,
      id,
      name: String(name),
      timeMs: Date.parse(time),
      attributes: { ...labels, ...(attributes as Record<string, string>), name: String(name) },
    };
  } catch {
    return undefined;
  }
}
