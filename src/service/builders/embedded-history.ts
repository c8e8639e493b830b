// Records of the builds of the builder in this process: kept in its store, beside those of a daemon of the same store.

import { fromBinary } from "@bufbuild/protobuf";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, errnoOf, parseDigest } from "../../base/index.ts";
import { control } from "../../formats/proto/index.ts";
import { BuildHistory, BuildLog, BuildRecording, parseRecordFilters, readStatusLog } from "../history/index.ts";
import { wireError } from "../../system/rpc/index.ts";
import type { BuildRecord, BuildRecords, ExporterResponse, SolveOptions } from "./builder.ts";

const MAX_LISTED = 50;

export class EmbeddedHistory implements BuildRecords {
  readonly #root: string;
  readonly #runDir: string;
  #history: BuildHistory | undefined;

  /** @param runDir a folder of this process's own */
  constructor(root: string, runDir: string) {
    this.#root = root;
    this.#runDir = join(runDir, "builds");
  }

  /** Builds, and keeps a record of it. A record that can't be kept fails no build. */
  async record(
    request: control.SolveRequest,
    options: SolveOptions,
    build: (options: SolveOptions) => Promise<ExporterResponse>,
  ): Promise<ExporterResponse> {
    const log = request.FrontendAttrs["requestid"] === undefined ? this.#tryOpenLog(request.Ref) : undefined;
    if (log === undefined) return build(options);
    const recording = new BuildRecording(this.#open(), request, log);
    try {
      const response = await build({
        signal: options.signal,
        onStatus: (status) => {
          log.tell(status);
          options.onStatus(status);
        },
      });
      recording.complete(response);
      return response;
    } catch (error) {
      recording.fail(wireError(error));
      throw error;
    } finally {
      log.log.close();
      rmSync(log.log.path, { force: true });
    }
  }

  list({ ref, filters = [] }: { readonly ref?: string; readonly filters?: readonly string[] }): Promise<BuildRecord[]> {
    const passes = parseRecordFilters(filters);
    const known = this.#open()
      .list()
      .flatMap(({ record, type }) =>
        record !== undefined && passes(record) && (ref === undefined || record.Ref === ref)
          ? [{ record, isRunning: type === control.BuildHistoryEventType.STARTED }]
          : [],
      );
    return Promise.resolve(known.slice(0, MAX_LISTED));
  }

  // oxlint-disable-next-line typescript/require-await -- what it refuses, it rejects
  async logs(ref: string, onStatus: (status: control.StatusResponse) => void): Promise<void> {
    const history = this.#open();
    const logs = history.find(ref)?.logs;
    const blob = logs === undefined ? undefined : history.blob(parseDigest(logs.digest));
    if (blob === undefined) throw new BuildError(`no such job ${ref}`, { code: "BUILD_UNKNOWN", status: "NotFound" });
    for (const message of readStatusLog(blob.path)) onStatus(fromBinary(control.StatusResponseSchema, message));
  }

  // oxlint-disable-next-line typescript/require-await -- what it refuses, it rejects
  async blob(digest: string): Promise<Uint8Array> {
    const found = this.#open().blob(parseDigest(digest));
    if (found !== undefined) return readFileSync(found.path);
    throw new BuildError(`content ${digest}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound" });
  }

  // oxlint-disable-next-line typescript/require-await -- what it refuses, it rejects
  async remove(ref: string): Promise<void> {
    this.#open().delete(ref);
  }

  #open(): BuildHistory {
    return (this.#history ??= new BuildHistory(join(this.#root, "history")));
  }

  #tryOpenLog(ref: string): BuildLog | undefined {
    try {
      mkdirSync(this.#runDir, { recursive: true, mode: 0o700 });
      const log = new BuildLog(ref, join(this.#runDir, `${ref}.log`));
      this.#open();
      return log;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }
}
