// Descriptors and image configs with the names that Go's structs have, so that templates written for buildx work.
// Counterpart: OCI image-spec specs-go/v1.

import type { Descriptor, Platform } from "../formats/oci/index.ts";
import { GoStruct } from "./go-template.ts";

export function descriptorStruct(descriptor: Descriptor): GoStruct {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor;
  return new GoStruct([
    ["MediaType", "mediaType", mediaType],
    ["Digest", "digest", digest],
    ["Size", "size", size],
    ["URLs", "urls", urls ?? [], true],
    ["Annotations", "annotations", annotations ?? {}, true],
    ["Data", "data", data ?? "", true],
    ["Platform", "platform", platform === undefined ? undefined : platformStruct(platform), true],
    ["ArtifactType", "artifactType", artifactType ?? "", true],
  ]);
}

function platformStruct({ architecture, os, osVersion, osFeatures, variant }: Platform): GoStruct {
  return new GoStruct([
    ["Architecture", "architecture", architecture],
    ["OS", "os", os],
    ["OSVersion", "os.version", osVersion ?? "", true],
    ["OSFeatures", "os.features", osFeatures ?? [], true],
    ["Variant", "variant", variant ?? "", true],
  ]);
}

/** An image config as read from JSON; what Go's struct does not have is left out. */
export function imageStruct(config: Record<string, unknown>): GoStruct {
  return struct(config, [
    ["Created", "created", true],
    ["Author", "author", true],
    ["Architecture", "architecture"],
    ["OS", "os"],
    ["OSVersion", "os.version", true],
    ["OSFeatures", "os.features", true],
    ["Variant", "variant", true],
    ["Config", "config", false, containerStruct],
    ["RootFS", "rootfs", false, rootStruct],
    ["History", "history", true, historyStructs],
  ]);
}

type Shape = readonly (readonly [go: string, json: string, omitEmpty?: boolean, of?: (value: unknown) => unknown])[];

function struct(value: unknown, shape: Shape): GoStruct {
  const object = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  return new GoStruct(
    shape.map(([go, json, omitEmpty = false, of]) => {
      const found = object[json];
      return [go, json, of === undefined ? (found ?? (omitEmpty ? undefined : "")) : of(found), omitEmpty];
    }),
  );
}

function containerStruct(value: unknown): GoStruct {
  const names = [
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "ArgsEscaped",
  ];
  return struct(
    value,
    names.map((name) => [name, name, true]),
  );
}

function rootStruct(value: unknown): GoStruct {
  return struct(value, [
    ["Type", "type"],
    ["DiffIDs", "diff_ids"],
  ]);
}

function historyStructs(value: unknown): unknown {
  if (!Array.isArray(value)) return undefined;
  return value.map((entry) =>
    struct(entry, [
      ["Created", "created", true],
      ["CreatedBy", "created_by", true],
      ["Author", "author", true],
      ["Comment", "comment", true],
      ["EmptyLayer", "empty_layer", true],
    ]),
  );
}
