// `slipway imagetools inspect`: an image in a registry, as buildx prints it: its manifest raw, a list of its manifests, or what a
// template picks of manifest, config, SBOM and provenance. Counterpart: docker/buildx util/imagetools/printers.go.

import type { RegistryClient } from "../distribution/index.ts";
import {
  formatPlatform,
  goJson,
  isIndexType,
  parseIndex,
  parseReference,
  referenceString,
  tagNameOnly,
  withDigest,
} from "../formats/oci/index.ts";
import type { Descriptor, Reference } from "../formats/oci/index.ts";
import type { Invocation } from "./command.ts";
import { executeTemplate, GoStruct, plain } from "./go-template.ts";
import { indented } from "./imagetools-combine.ts";
import { descriptorStruct, imageStruct } from "./imagetools-structs.ts";
import { loadImage } from "./imagetools-load.ts";

/** Resolves with the exit code. @throws IMAGE_NOT_FOUND, REGISTRY_*, INVALID_IMAGE, INVALID_REFERENCE; Error for a bad template. */
export async function inspectRegistryImage(
  { flags, shell }: Invocation,
  name: string,
  client: RegistryClient,
): Promise<number> {
  const controller = new AbortController();
  using _signals = shell.onSignals((signal) => {
    if (controller.signal.aborted) shell.exitNow(signal === "SIGINT" ? 130 : 143);
    controller.abort(new DOMException("context canceled", "AbortError"));
  });
  const ref = tagNameOnly(parseReference(name));
  const { descriptor, bytes } = await client.manifest(ref, controller.signal);
  const format = flags.string("format");
  if (flags.bool("raw")) shell.stdout.write(bytes);
  else if (format === "" || /^\s*\{\{\s*\.Manifest\s*\}\}\s*$/.test(format))
    shell.stdout.write(summary(ref, descriptor, bytes));
  else {
    const image = await loadImage(client, ref, { descriptor, bytes }, controller.signal);
    const configs = Array.from(image.configs, ([platform, config]) => [platform, imageStruct(config)] as const);
    const several = image.configs.size > 1;
    const attested = /\.(?:SBOM|Provenance)\b/.test(format)
      ? await image.attested()
      : { sboms: new Map<string, unknown>(), provenances: new Map<string, unknown>() };
    const [only] = image.configs.keys();
    const none = new GoStruct([]);
    const data = new GoStruct([
      ["Name", "name", name, true],
      ["Manifest", "manifest", manifestStruct(descriptor, bytes)],
      ["Image", "image", several ? Object.fromEntries(configs) : configs[0]?.[1], true],
      // Methods in Go: no part of the whole as JSON.
      ["SBOM", "", several ? attested.sboms : (attested.sboms.get(only ?? "") ?? none)],
      ["Provenance", "", several ? attested.provenances : (attested.provenances.get(only ?? "") ?? none)],
    ]);
    shell.stdout.write(executeTemplate(format, data, { json: (value) => indented(goJson(plain(value))) }));
  }
  return 0;
}

function manifestStruct(descriptor: Descriptor, bytes: Uint8Array): GoStruct {
  if (!isIndexType(descriptor.mediaType)) return descriptorStruct(descriptor);
  const { manifests, annotations } = parseIndex(bytes);
  return new GoStruct([
    ["SchemaVersion", "schemaVersion", 2],
    ["MediaType", "mediaType", descriptor.mediaType, true],
    ["Digest", "digest", descriptor.digest],
    ["Size", "size", descriptor.size],
    ["Manifests", "manifests", manifests.map(descriptorStruct)],
    ["Annotations", "annotations", annotations ?? {}, true],
  ]);
}

function summary(ref: Reference, { mediaType, digest }: Descriptor, bytes: Uint8Array): string {
  const head = table([
    ["Name:", referenceString(ref)],
    ["MediaType:", mediaType],
    ["Digest:", digest],
  ]);
  if (!isIndexType(mediaType)) return head;
  let text = `${head}${table([
    ["", ""],
    ["Manifests:", ""],
  ])}`;
  let rows: [string, string][] = [];
  for (const [at, manifest] of parseIndex(bytes).manifests.entries()) {
    if (at > 0) rows.push(["", ""]);
    rows.push(["  Name:", referenceString(withDigest(ref, manifest.digest))], ["  MediaType:", manifest.mediaType]);
    const { platform, urls, annotations } = manifest;
    if (platform === undefined) continue;
    rows.push(["  Platform:", formatPlatform(platform)]);
    if (platform.osVersion) rows.push(["  OSVersion:", platform.osVersion]);
    if ((platform.osFeatures ?? []).length > 0) rows.push(["  OSFeatures:", platform.osFeatures!.join(", ")]);
    if (urls !== undefined) rows.push(["  URLs:", urls.join(", ")]);
    const notes = Object.entries(annotations ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
    if (notes.length === 0) continue;
    // Annotations have columns of their own, and so has what follows.
    text += table([...rows, ["  Annotations:", ""]]) + table(notes.map(([key, value]) => [`    ${key}:`, value]));
    rows = [];
  }
  return text + table(rows);
}

/** Two columns as Go's tabwriter lays them out. */
function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length)) + 1;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}\n`).join("");
}
