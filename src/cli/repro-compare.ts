// What two images, each an OCI layout in a folder, differ in: platform by platform, config field by field, layer file by file, in
// words for people. Counterpart: reproducible-containers/diffoci, diffoscope; this one knows which step made a layer.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hexOf } from "../base/index.ts";
import type { Digest } from "../base/index.ts";
import { formatAllPlatform, isIndexType, parseImageConfig, parseIndex, parseManifest } from "../formats/oci/index.ts";
import type { Descriptor, HistoryEntry, Manifest } from "../formats/oci/index.ts";
import { compareLayers } from "./repro-layers.ts";

export interface Difference {
  /** What it is in, outermost first: platform, step, path. */
  readonly where: string;
  readonly field: string;
  /** In the first and in the second image, shortened where long. */
  readonly values: readonly [string, string];
}

export interface Comparison {
  readonly digests: readonly [Digest, Digest];
  /** Empty exactly when the digests are equal. */
  readonly differences: readonly Difference[];
}

/** Compares the only images of two layouts. @throws INVALID_IMAGE, ENOENT. */
export async function compareImages(a: string, b: string): Promise<Comparison> {
  const roots = [rootOf(a), rootOf(b)] as const;
  const digests = [roots[0].digest, roots[1].digest] as const;
  if (digests[0] === digests[1]) return { digests, differences: [] };
  const found: Difference[] = [];
  await compareDescriptors({ a, b }, roots, "", found);
  if (found.length === 0) found.push({ where: "image", field: "digest", values: digests });
  return { digests, differences: found };
}

interface Pair {
  readonly a: string;
  readonly b: string;
}

async function compareDescriptors(
  dirs: Pair,
  [a, b]: readonly [Descriptor, Descriptor],
  where: string,
  found: Difference[],
): Promise<void> {
  if (a.digest === b.digest) return;
  if (!isIndexType(a.mediaType) || !isIndexType(b.mediaType)) return compareManifests(dirs, [a, b], where, found);
  const [left, right] = [parseIndex(blob(dirs.a, a)).manifests, parseIndex(blob(dirs.b, b)).manifests];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one, other] = [left[at], right[at]];
    const name = one?.platform === undefined ? `manifest ${at}` : formatAllPlatform(one.platform);
    if (one === undefined || other === undefined)
      found.push({ where: name, field: "manifest", values: [one?.digest ?? "absent", other?.digest ?? "absent"] });
    else await compareDescriptors(dirs, [one, other], `${name}: `, found);
  }
}

async function compareManifests(
  dirs: Pair,
  [a, b]: readonly [Descriptor, Descriptor],
  where: string,
  found: Difference[],
): Promise<void> {
  const manifests = [parseManifest(blob(dirs.a, a)), parseManifest(blob(dirs.b, b))] as const;
  const configs = [blob(dirs.a, manifests[0].config), blob(dirs.b, manifests[1].config)] as const;
  const [left, right] = configs.map((bytes) => JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown);
  // What layers differ in is told with the layers.
  compareValues([left, right], "", (path, values) => {
    if (!path.startsWith("rootfs")) found.push({ where: `${where}config`, field: path, values });
  });
  const steps = stepsOf(configs[0]);
  for (let at = 0; at < Math.max(manifests[0].layers.length, manifests[1].layers.length); at++) {
    const madeBy = steps[at];
    const step = `${where}layer ${at + 1}${madeBy === undefined ? "" : ` (${shorten(madeBy, 60)})`}`;
    const layers = manifests.map(({ layers: all }) => all[at]);
    const [one, other] = layers;
    if (one === undefined || other === undefined)
      found.push({ where: step, field: "layer", values: [one?.digest ?? "absent", other?.digest ?? "absent"] });
    else if (one.digest !== other.digest) await compareLayerBlobs(dirs, [one, other], step, found);
  }
  compareValues(manifests.map(annotationsOf) as [unknown, unknown], "", (path, values) =>
    found.push({ where: `${where}manifest`, field: path, values }),
  );
}

async function compareLayerBlobs(
  dirs: Pair,
  [a, b]: readonly [Descriptor, Descriptor],
  step: string,
  found: Difference[],
): Promise<void> {
  const before = found.length;
  for await (const { path, field, values } of compareLayers(blobPath(dirs.a, a), blobPath(dirs.b, b)))
    found.push({
      where: path === "" ? step : `${step}: ${path}`,
      field,
      values: [shorten(values[0]), shorten(values[1])],
    });
  if (found.length === before)
    found.push({ where: step, field: "compressed bytes (the archive is the same)", values: [a.digest, b.digest] });
}

/** What made each layer, as the history has it. */
function stepsOf(config: Uint8Array): string[] {
  const history: readonly HistoryEntry[] = parseImageConfig(config).history ?? [];
  return history.filter((entry) => entry.empty_layer !== true).map((entry) => entry.created_by ?? "");
}

function annotationsOf(manifest: Manifest): unknown {
  return {
    annotations: manifest.annotations,
    layers: manifest.layers.map(({ annotations, mediaType }) => ({ annotations, mediaType })),
  };
}

/** Tells each leaf in which two JSON values differ, by its path. */
function compareValues(
  [a, b]: readonly unknown[],
  path: string,
  tell: (path: string, values: [string, string]) => void,
): void {
  const bothObjects = typeof a === "object" && typeof b === "object" && a !== null && b !== null;
  if (!bothObjects || Array.isArray(a) !== Array.isArray(b)) {
    if (JSON.stringify(a) !== JSON.stringify(b))
      tell(path, [shorten(JSON.stringify(a) ?? "absent"), shorten(JSON.stringify(b) ?? "absent")]);
    return;
  }
  const [left, right] = [a, b] as [Record<string, unknown>, Record<string, unknown>];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const inner = Array.isArray(a) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
    compareValues([left[key], right[key]], inner, tell);
  }
}

function rootOf(dir: string): Descriptor {
  const [root] = parseIndex(readFileSync(join(dir, "index.json"))).manifests;
  if (root === undefined) throw new Error(`no image in ${dir}`);
  return root;
}

function blobPath(dir: string, { digest }: Descriptor): string {
  return join(dir, "blobs/sha256", hexOf(digest));
}

function blob(dir: string, descriptor: Descriptor): Uint8Array {
  return readFileSync(blobPath(dir, descriptor));
}

function shorten(text: string, length = 200): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}
