// A container's output from disk: docker's json-file entries, oldest first, over files that are moved aside as they fill.

import { closeSync, existsSync, fstatSync, openSync, readSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isLocked } from "./container-store.ts";
import type { LogEntry, LogOptions } from "./types.ts";

const LOOK_MS = 250;
const CHUNK_BYTES = 256 * 1024;

/** Entries of a container's folder; with `follow` until its supervisor has ended and all is read. */
export async function* readLogs(dir: string, options: LogOptions): AsyncIterable<LogEntry> {
  const { follow, tail, signal } = options;
  const wanted = (entry: LogEntry): boolean => {
    const time = Date.parse(entry.time);
    if (options.sinceMs !== undefined && time < options.sinceMs) return false;
    return options.untilMs === undefined || time <= options.untilMs;
  };
  const last: LogEntry[] = [];
  let reading: Reading | undefined;
  let watcher: { close(): void } | undefined;
  let wake = (): void => {};
  try {
    for (const path of olderFiles(dir)) {
      const older = new Reading(path);
      for (const entry of older.entries())
        if (wanted(entry))
          if (tail === undefined) yield entry;
          else keep(last, entry, tail);
      older.close();
    }
    for (let isFirst = true; ;) {
      // Looked at before reading: what a supervisor wrote before it ended is read below.
      const ended = !follow || signal?.aborted === true || !isLocked(join(dir, "lock"));
      reading ??= Reading.open(join(dir, "log"));
      if (reading !== undefined) {
        for (const entry of reading.entries()) {
          if (!wanted(entry)) continue;
          if (isFirst && tail !== undefined) keep(last, entry, tail);
          else yield entry;
        }
      }
      if (isFirst) {
        yield* last;
        isFirst = false;
      }
      if (reading?.isMovedAside(join(dir, "log")) === true) {
        for (const entry of reading.entries()) if (wanted(entry)) yield entry;
        reading.close();
        reading = undefined;
        continue;
      }
      if (ended) return;
      if (options.untilMs !== undefined && Date.now() > options.untilMs) return;
      if (!existsSync(dir)) return;
      if (watcher === undefined) {
        watcher = watch(dir, { persistent: false }, () => wake());
        continue;
      }
      const woken = new Promise<void>((resolve) => (wake = resolve));
      await Promise.race([
        woken,
        sleep(LOOK_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
      ]);
    }
  } finally {
    watcher?.close();
    reading?.close();
  }
}

function keep(list: LogEntry[], entry: LogEntry, most: number): void {
  if (most <= 0) return;
  list.push(entry);
  if (list.length > most) list.shift();
}

/** `log.3`, `log.2`, `log.1`: those that are there. */
function olderFiles(dir: string): string[] {
  const found: string[] = [];
  for (let at = 1; existsSync(join(dir, `log.${at}`)); at++) found.unshift(join(dir, `log.${at}`));
  return found;
}

/** One file, read on from where the last look ended. */
class Reading {
  readonly #fd: number;
  #at = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#fd = openSync(path, "r");
  }

  static open(path: string): Reading | undefined {
    try {
      return new Reading(path);
    } catch {
      return undefined;
    }
  }

  /** Whole entries that are there now; lines that are none are left out. */
  *entries(): Iterable<LogEntry> {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const got = readSync(this.#fd, chunk, 0, chunk.length, this.#at);
      if (got === 0) return;
      this.#at += got;
      const fresh = chunk.subarray(0, got);
      const bytes = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh]);
      const end = bytes.lastIndexOf(10);
      this.#rest = bytes.subarray(end + 1);
      if (end < 0) continue;
      for (const line of bytes.toString("utf8", 0, end).split("\n")) {
        const entry = parseEntry(line);
        if (entry !== undefined) yield entry;
      }
    }
  }

  isMovedAside(path: string): boolean {
    const now = statSync(path, { throwIfNoEntry: false });
    return now !== undefined && now.ino !== fstatSync(this.#fd).ino;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function parseEntry(line: string): LogEntry | undefined {
  try {
    const { log, stream, time } = JSON.parse(line) as Record<string, unknown>;
    if (typeof log !== "string" || typeof time !== "string") return undefined;
    return { stream: stream === "stderr" ? "stderr" : "stdout", time, text: log };
  } catch {
    return undefined;
  }
}
