// An image's history, brought in line with its layers: as many entries that are not "empty" as there are layers, and a time for
// each. Counterpart: moby/buildkit exporter/containerimage/writer.go normalizeLayersAndHistory.

import { BuildError } from "../../base/index.ts";
import { goJson } from "../../formats/oci/index.ts";
import type { HistoryEntry } from "../../formats/oci/index.ts";
import { formatSeconds, parseTime, respellTime } from "./go-time.ts";
import type { LayerBlob } from "./types.ts";

type Draft = { -readonly [K in keyof HistoryEntry]: HistoryEntry[K] };

/** What the layers make of a history. */
export function alignHistory(entries: readonly HistoryEntry[], layers: readonly LayerBlob[]): HistoryEntry[] {
  const history: Draft[] = entries.map((entry) => ({ ...entry }));
  let withLayer = 0;
  for (const entry of history) {
    if (entry.empty_layer === true) continue;
    if (withLayer >= layers.length) entry.empty_layer = true;
    else withLayer++;
  }
  for (const layer of layers.slice(withLayer)) {
    history.push({
      ...createdOf(layer),
      created_by: layer.description ?? "created by buildkit",
      comment: "buildkit.exporter.image.v0",
    });
  }
  let index = 0;
  for (const entry of history) {
    if (entry.empty_layer === true) continue;
    if (entry.created === undefined) Object.assign(entry, createdOf(layers[index]!));
    index++;
  }
  fillTimes(history);
  return history;
}

/** Entries without a time get the first new layer's, then that of the entry before; not that of a base image's layer. */
function fillTimes(history: Draft[]): void {
  let created: string | undefined;
  let missing = false;
  for (const entry of history) {
    if (entry.created === undefined) missing = true;
    else {
      created = entry.created;
      if (missing) break;
    }
  }
  missing = false;
  for (const entry of history) {
    if (entry.created !== undefined) {
      if (missing) created = entry.created;
    } else {
      missing = true;
      if (created !== undefined) entry.created = created;
    }
  }
}

/** No entry is later than SOURCE_DATE_EPOCH, except the base image's own. */
export function clampHistory(
  history: readonly HistoryEntry[],
  epoch: bigint,
  base: readonly HistoryEntry[],
): HistoryEntry[] {
  let diverged = false;
  return history.map((entry, at) => {
    const baseEntry = base[at];
    if (!diverged && baseEntry !== undefined && historyJson([entry]) === historyJson([baseEntry])) return entry;
    diverged = true;
    const late = entry.created === undefined || parseTime(entry.created) > epoch * 1_000_000_000n;
    return late ? { ...entry, created: formatSeconds(epoch) } : entry;
  });
}

/** Entries as Go's struct has them, fields in its order. */
export function historyJson(history: readonly HistoryEntry[]): string {
  return goJson(
    history.map(({ created, created_by, author, comment, empty_layer }) => ({
      created,
      created_by: created_by || undefined,
      author: author || undefined,
      comment: comment || undefined,
      empty_layer: empty_layer || undefined,
    })),
  );
}

/** Reads the `history` of an image config. @throws INVALID_IMAGE. */
export function readHistory(value: unknown): HistoryEntry[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid("its history is not a list");
  return value.map((entry: unknown, at) => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry))
      throw invalid(`history entry ${at} is not an object`);
    const draft: Draft = {};
    for (const key of ["created", "created_by", "author", "comment"] as const) {
      const text = (entry as Record<string, unknown>)[key];
      if (text === undefined || text === null) continue;
      if (typeof text !== "string") throw invalid(`${key} of history entry ${at} is not a text`);
      draft[key] = key === "created" ? respellTime(text) : text;
    }
    const empty = (entry as Record<string, unknown>)["empty_layer"];
    if (empty === true) draft.empty_layer = true;
    else if (empty !== undefined && empty !== null && empty !== false)
      throw invalid(`empty_layer of history entry ${at} is not a boolean`);
    return draft;
  });
}

function createdOf(layer: LayerBlob): { created?: string } {
  return layer.createdAt === undefined ? {} : { created: respellTime(layer.createdAt) };
}

function invalid(text: string): BuildError {
  return new BuildError(`invalid image config for export: ${text}`, {
    code: "INVALID_IMAGE",
    status: "InvalidArgument",
  });
}
