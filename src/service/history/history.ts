// Records of builds: a message each, and the blobs that it names, logs first. Files first, the record last; what no record names goes.
// Several processes may keep records in one folder: what others have written is read before anything is judged to be too much.
// Counterpart: moby/buildkit solver/llbsolver/history.

import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { BuildError, digestOf, errnoOf, hexOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { control } from "../../formats/proto/index.ts";

export interface HistoryLimits {
  readonly maxAgeMs: number;
  readonly maxEntries: number;
}

/** buildkitd's own. */
export const DEFAULT_HISTORY: HistoryLimits = { maxAgeMs: 48 * 3600_000, maxEntries: 50 };

const RECORD = ".record";
/** A blob that no record names stays so long: another process may be about to write the record. */
const UNNAMED_MS = 10 * 60_000;

export class BuildHistory {
  readonly #dir: string;
  readonly #blobs: string;
  readonly #limits: HistoryLimits;
  readonly #records = new Map<string, control.BuildHistoryRecord>();
  readonly #active = new Map<string, control.BuildHistoryRecord>();
  readonly #listeners = new Set<(event: control.BuildHistoryEvent) => void>();

  /** Makes the folder where it is not there. @throws as node's fs. */
  constructor(dir: string, limits: HistoryLimits = DEFAULT_HISTORY) {
    this.#dir = dir;
    this.#limits = limits;
    this.#blobs = join(dir, "blobs");
    fs.mkdirSync(this.#blobs, { recursive: true, mode: 0o700 });
  }

  #read(): void {
    this.#records.clear();
    for (const name of fs.readdirSync(this.#dir)) {
      if (!name.endsWith(RECORD)) continue;
      const path = join(this.#dir, name);
      try {
        const record = fromBinary(control.BuildHistoryRecordSchema, fs.readFileSync(path));
        this.#records.set(record.Ref, record);
      } catch (error) {
        // Gone meanwhile, or no record at all.
        if (errnoOf(error) === undefined) fs.rmSync(path, { force: true });
      }
    }
  }

  /** A build begins. */
  start(record: MessageInitShape<typeof control.BuildHistoryRecordSchema> & { readonly Ref: string }): void {
    const started = create(control.BuildHistoryRecordSchema, record);
    this.#active.set(started.Ref, started);
    this.#tell(control.BuildHistoryEventType.STARTED, started);
  }

  /** A build ended: its record is kept. `logFile` is linked, not moved. A full disk loses the record, never the build. */
  complete(
    ref: string,
    facts: MessageInitShape<typeof control.BuildHistoryRecordSchema>,
    log: { readonly file: string; readonly digest: Digest; readonly size: number },
  ): void {
    const started = this.#active.get(ref);
    if (started === undefined) return;
    this.#active.delete(ref);
    try {
      const blob = this.#blobPath(log.digest);
      if (!fs.existsSync(blob)) fs.linkSync(log.file, blob);
      fs.utimesSync(blob, new Date(), new Date());
      const ended = create(control.BuildHistoryRecordSchema, facts);
      const record: control.BuildHistoryRecord = { ...ended, ...started };
      Object.assign(
        record,
        Object.fromEntries(Object.keys(facts).map((key) => [key, ended[key as keyof typeof ended]])),
      );
      record.CompletedAt = timestampFromMs(Date.now());
      record.Generation = 1;
      record.logs = create(control.DescriptorSchema, {
        mediaType: "application/vnd.buildkit.status.v0",
        digest: log.digest,
        size: BigInt(log.size),
      });
      this.#write(record);
      this.#records.set(ref, record);
      if (this.#isOverfull()) this.#trim();
      this.#tell(control.BuildHistoryEventType.COMPLETE, record);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
    }
  }

  /** Keeps a blob that a record will name; undefined where it can't be kept, as on a full disk: that fails no build. */
  addBlob(bytes: Uint8Array): Digest | undefined {
    const digest = digestOf(bytes);
    const path = this.#blobPath(digest);
    if (fs.existsSync(path)) return digest;
    const temporary = `${path}.tmp`;
    try {
      fs.writeFileSync(temporary, bytes, { mode: 0o600 });
      fs.renameSync(temporary, path);
      return digest;
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }

  /** A blob's file, or undefined where no record has it. */
  blob(digest: Digest): { readonly path: string; readonly size: number; readonly mtimeMs: number } | undefined {
    const path = this.#blobPath(digest);
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? undefined : { path, size: stat.size, mtimeMs: stat.mtimeMs };
  }

  find(ref: string): control.BuildHistoryRecord | undefined {
    const known = this.#active.get(ref) ?? this.#records.get(ref);
    if (known === undefined) this.#read();
    return known ?? this.#records.get(ref);
  }

  /** What is known now, the newest first, with what it is: running or complete. */
  list(): control.BuildHistoryEvent[] {
    this.#trim();
    const event = (type: control.BuildHistoryEventType) => (record: control.BuildHistoryRecord) =>
      create(control.BuildHistoryEventSchema, { type, record });
    return [
      ...[...this.#active.values()].map(event(control.BuildHistoryEventType.STARTED)),
      ...[...this.#records.values()].map(event(control.BuildHistoryEventType.COMPLETE)),
    ].toSorted((one, two) => createdMs(two.record) - createdMs(one.record));
  }

  /** Tells of changes until disposed. */
  listen(onEvent: (event: control.BuildHistoryEvent) => void): Disposable {
    this.#listeners.add(onEvent);
    return { [Symbol.dispose]: () => void this.#listeners.delete(onEvent) };
  }

  /** @throws RECORD_UNKNOWN. */
  pin(ref: string, pinned: boolean): void {
    const record = this.#known(ref);
    if (record.pinned === pinned) return;
    const changed = { ...record, pinned, Generation: record.Generation + 1 };
    this.#write(changed);
    this.#records.set(ref, changed);
    this.#trim();
    this.#tell(control.BuildHistoryEventType.COMPLETE, changed);
  }

  /** @throws RECORD_UNKNOWN. */
  delete(ref: string): void {
    this.#remove(this.#known(ref));
    this.#sweep();
  }

  #known(ref: string): control.BuildHistoryRecord {
    const record = this.find(ref);
    if (record !== undefined && !this.#active.has(ref)) return record;
    throw new BuildError(`no record of a build ${ref}`, { code: "RECORD_UNKNOWN", status: "NotFound" });
  }

  #remove(record: control.BuildHistoryRecord): void {
    this.#records.delete(record.Ref);
    fs.rmSync(this.#recordPath(record.Ref), { force: true });
    this.#tell(control.BuildHistoryEventType.DELETED, create(control.BuildHistoryRecordSchema, { Ref: record.Ref }));
  }

  /** Whether so many records are there that it is worth reading them all: no build should wait for one old record to go. */
  #isOverfull(): boolean {
    const { maxEntries } = this.#limits;
    const records = fs.readdirSync(this.#dir).filter((name) => name.endsWith(RECORD));
    return records.length > maxEntries + Math.floor(maxEntries / 8);
  }

  /** Drops the oldest beyond the limits; pinned ones stay. */
  #trim(): void {
    this.#read();
    const before = Date.now() - this.#limits.maxAgeMs;
    const loose = [...this.#records.values()]
      .filter(({ pinned }) => !pinned)
      .toSorted((one, two) => createdMs(two) - createdMs(one));
    const old = loose.filter((record, index) => index >= this.#limits.maxEntries || completedMs(record) < before);
    for (const record of old) this.#remove(record);
    if (old.length > 0) this.#sweep();
  }

  /** Removes blobs that no record names. */
  #sweep(): void {
    const named = new Set<string>();
    for (const { logs, trace, externalError, Result, Results } of this.#records.values()) {
      for (const each of [logs, trace, externalError]) if (each !== undefined) named.add(each.digest);
      for (const info of [Result, ...Object.values(Results)]) {
        for (const each of info?.Attestations ?? []) named.add(each.digest);
      }
    }
    const limit = Date.now() - UNNAMED_MS;
    for (const name of fs.readdirSync(this.#blobs)) {
      if (named.has(`sha256:${name}`)) continue;
      const path = join(this.#blobs, name);
      if ((fs.lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < limit) fs.rmSync(path, { force: true });
    }
  }

  #write(record: control.BuildHistoryRecord): void {
    const path = this.#recordPath(record.Ref);
    fs.writeFileSync(`${path}.tmp`, toBinary(control.BuildHistoryRecordSchema, record), { mode: 0o600 });
    fs.renameSync(`${path}.tmp`, path);
  }

  #tell(type: control.BuildHistoryEventType, record: control.BuildHistoryRecord): void {
    const event = create(control.BuildHistoryEventSchema, { type, record });
    for (const listener of this.#listeners) listener(event);
  }

  /** Clients choose names: a file is named by their digest. */
  #recordPath(ref: string): string {
    return join(this.#dir, `${createHash("sha256").update(ref).digest("hex")}${RECORD}`);
  }

  #blobPath(digest: Digest): string {
    return join(this.#blobs, hexOf(digest));
  }
}

function createdMs(record: control.BuildHistoryRecord | undefined): number {
  return record?.CreatedAt === undefined ? 0 : timestampMs(record.CreatedAt);
}

function completedMs(record: control.BuildHistoryRecord): number {
  return record.CompletedAt === undefined ? createdMs(record) : timestampMs(record.CompletedAt);
}
