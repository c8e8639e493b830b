// Finishes the image config that a frontend gave: rootfs, history and creation time are ours to say, the rest passes through as it
// came. The top level's keys come out sorted, as Go sorts a map. Counterpart: moby/buildkit exporter/containerimage/writer.go
// patchImageConfig, defaultImageConfig.

import { BuildError } from "../../base/index.ts";
import { goJson, normalizePlatform, platformJson } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { formatSeconds, parseTime } from "./go-time.ts";
import { alignHistory, clampHistory, historyJson, readHistory } from "./image-history.ts";
import { compactJson, objectFields } from "./raw-json.ts";
import type { LayerBlob } from "./types.ts";

export interface ConfigInput {
  /** As the frontend gave it; empty for none. */
  readonly config: Uint8Array;
  readonly baseConfig: Uint8Array | undefined;
  /** Of the image, where there is no config. */
  readonly platform: Platform;
  readonly layers: readonly LayerBlob[];
  /** Base64 of the records of an inline cache. */
  readonly inlineCache: string | undefined;
  /** Seconds. */
  readonly sourceDateEpoch: bigint | undefined;
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The bytes of the image's config. @throws INVALID_IMAGE. */
export function finishConfig(input: ConfigInput): Uint8Array {
  const { layers, sourceDateEpoch } = input;
  const bytes = input.config.length === 0 ? defaultConfig(input.platform) : input.config;
  const fields = objectFields(compactJson(bytes, "the image config"));
  if (fields === undefined) throw invalid("it is not an object");
  for (const key of ["os", "architecture"]) {
    const value: unknown = JSON.parse(fields.get(key) ?? '""');
    if (value === "" || value === null) throw invalid(`missing ${key}`);
    if (typeof value !== "string") throw invalid(`${key} is not a text`);
  }

  // Differs: without layers BuildKit writes null here and in the manifest, which the image-spec's schema refuses.
  fields.set("rootfs", goJson({ type: "layers", diff_ids: layers.map(({ diffId }) => diffId) }));

  let history = alignHistory(readHistory(JSON.parse(fields.get("history") ?? "null")), layers);
  if (sourceDateEpoch !== undefined) history = clampHistory(history, sourceDateEpoch, baseHistory(input.baseConfig));
  fields.set("history", historyJson(history));

  const created = fields.get("created");
  if (created === undefined) {
    fields.set("created", goJson(history.findLast((entry) => entry.created !== undefined)?.created ?? null));
  } else if (sourceDateEpoch !== undefined && created !== "null") {
    const time: unknown = JSON.parse(created);
    if (typeof time !== "string") throw invalid("created is not a time");
    if (parseTime(time) > sourceDateEpoch * 1_000_000_000n)
      fields.set("created", goJson(formatSeconds(sourceDateEpoch)));
  }

  // A base image's inline cache says nothing of this one.
  fields.delete("moby.buildkit.cache.v0");
  if (input.inlineCache !== undefined) fields.set("moby.buildkit.cache.v0", goJson(input.inlineCache));

  const sorted = [...fields].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Buffer.from(`{${sorted.map(([key, value]) => `${goJson(key)}:${value}`).join(",")}}`);
}

function baseHistory(config: Uint8Array | undefined) {
  if (config === undefined || config.length === 0) return [];
  const fields = objectFields(compactJson(config, "the base image's config"));
  return readHistory(JSON.parse(fields?.get("history") ?? "null"));
}

function defaultConfig(platform: Platform): Uint8Array {
  const normal = normalizePlatform(platform);
  const env = normal.os === "windows" ? undefined : [`PATH=${DEFAULT_PATH}`];
  return Buffer.from(goJson({ ...platformJson(normal), config: { Env: env, WorkingDir: "/" } }));
}

function invalid(text: string): BuildError {
  return new BuildError(`invalid image config for export: ${text}`, {
    code: "INVALID_IMAGE",
    status: "InvalidArgument",
  });
}
