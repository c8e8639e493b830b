// What records of builds come to, for lists and pages.

import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { rpc } from "../formats/proto/index.ts";
import type { control } from "../formats/proto/index.ts";
import type { Builder, BuildRecord } from "../service/builders/index.ts";

/** When the build began, in ms since 1970; 0 where the record does not say. */
export function createdMs(record: control.BuildHistoryRecord): number {
  return record.CreatedAt === undefined ? 0 : timestampMs(record.CreatedAt);
}

/** In buildx's words: Running, Completed, Canceled or Error. */
export function statusOf({ record, isRunning }: BuildRecord): string {
  if (isRunning) return "Running";
  if (record.error === undefined) return "Completed";
  return record.error.code === 1 ? "Canceled" : "Error";
}

/** As buildx names a build: its context and target, or its Dockerfile. */
export function buildName({ FrontendAttrs: attributes, Exporters }: control.BuildHistoryRecord): string {
  const target = attributes["target"];
  const names = Exporters.flatMap(({ Attrs }) => (Attrs["name"] ?? "").split(",")).filter((name) => name !== "");
  const place = attributes["context"] ?? attributes["vcs:source"] ?? names[0] ?? attributes["filename"] ?? "";
  return target === undefined || target === "" ? place : `${place} (${target})`;
}

/** As buildx writes durations: `3.2s`, `2m  5s`. */
export function shortDuration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  return `${Math.floor(seconds / 60)}m ${String(Math.floor(seconds % 60)).padStart(2)}s`;
}

/** The whole of a failed build's error. */
export async function wholeError(
  builder: Builder,
  record: control.BuildHistoryRecord,
): Promise<rpc.Status | undefined> {
  if (record.externalError === undefined) return record.error;
  try {
    return fromBinary(rpc.StatusSchema, await builder.history.blob(record.externalError.digest));
  } catch {
    return record.error; // the sentence is there all the same
  }
}
