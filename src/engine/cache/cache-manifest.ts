// What a cache reference names: a manifest or index that lists layers and the cache config, or images with an inline cache in their
// configs. Read from hostile bytes; layers are only described. Written as BuildKit writes it.
// Counterpart: moby/buildkit cache/remotecache/{import,export}.go.

import { BuildError, digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import {
  encodeIndex,
  encodeManifest,
  isIndexType,
  manifestMediaType,
  mediaTypes,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from "../../formats/oci/index.ts";
import type { Descriptor, ImageConfig, Manifest } from "../../formats/oci/index.ts";
import { manifestLayer } from "../exporters/index.ts";
import { CACHE_CONFIG_TYPE, encodeCacheConfig, parseCacheConfig, readCacheConfig } from "./cache-config.ts";
import type { CacheConfig, ParsedCacheConfig } from "./cache-config.ts";
import { CacheGraph } from "./cache-graph.ts";

/** A whole small blob, checked against its digest. */
export type SmallBlobReader = (descriptor: Descriptor) => Promise<Uint8Array>;

/** A cache as read. */
export interface ReadCache {
  readonly graph: CacheGraph;
  /** Every layer that the manifest lists, also those that no record needs. */
  readonly layers: ReadonlyMap<Digest, Descriptor>;
  /** Damaged parts that were left out. */
  readonly damaged: number;
  /** The blobs of the cache besides its layers. */
  readonly parts: readonly Digest[];
}

export interface CacheManifestOptions {
  readonly ociTypes: boolean;
  /** An image manifest; else an index, as older BuildKits wrote it. */
  readonly imageManifest: boolean;
}

/** A cache's own blobs, to be stored in this order. */
export interface CacheBlobs {
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
}

const MAX_DEPTH = 3;
const MAX_IMAGES = 64;

/** Reads a cache from the bytes that its reference names. @throws CACHE_DAMAGED; what `read` throws. */
export async function readCache(bytes: Uint8Array, read: SmallBlobReader): Promise<ReadCache> {
  const root = digestOf(bytes);
  const isIndex = isIndexType(manifestMediaType(bytes));
  const listed = isIndex ? parseIndex(bytes).manifests : partsOf(parseManifest(bytes));
  const config = listed.find(({ mediaType }) => mediaType === CACHE_CONFIG_TYPE);
  if (config === undefined) return readInline(bytes, read);
  const parsed = parseCacheConfig(await read(config));
  if (parsed === undefined) {
    throw new BuildError("the cache config can't be read", { code: "CACHE_DAMAGED", status: "DataLoss" });
  }
  const layers = new Map(listed.filter((each) => each !== config).map((each) => [each.digest, each]));
  return {
    graph: CacheGraph.from(parsed.config, (digest) => layers.get(digest)),
    layers,
    damaged: parsed.damaged,
    parts: [root, config.digest],
  };
}

/** The config and manifest of a graph. */
export function cacheBlobs(graph: CacheGraph, options: CacheManifestOptions): CacheBlobs {
  const { config, blobs } = graph.toConfig();
  const configBytes = encodeCacheConfig(config);
  const configDescriptor = describe(CACHE_CONFIG_TYPE, configBytes);
  // Importers need the annotations that images must not have: what a layer unpacks to, and when it was made.
  const { ociTypes } = options;
  const layers = [...blobs.values()]
    .sort((a, b) => (a.digest < b.digest ? -1 : 1))
    .map((layer) => ({
      ...manifestLayer(layer, { ociTypes, preferNondistributable: false }),
      ...(layer.annotations === undefined ? {} : { annotations: layer.annotations }),
    }));
  const mediaType = options.imageManifest
    ? mediaTypes.ociManifest
    : ociTypes
      ? mediaTypes.ociIndex
      : mediaTypes.dockerIndex;
  const bytes = options.imageManifest
    ? encodeManifest({ mediaType, config: configDescriptor, layers })
    : encodeIndex({ mediaType, manifests: [...layers, configDescriptor] });
  return {
    config: { descriptor: configDescriptor, bytes: configBytes },
    manifest: { descriptor: describe(mediaType, bytes), bytes },
  };
}

function partsOf({ config, layers }: Manifest): Descriptor[] {
  return [config, ...layers];
}

/** Images whose configs have records in them; an index is looked through. */
async function readInline(bytes: Uint8Array, read: SmallBlobReader): Promise<ReadCache> {
  const graph = new CacheGraph();
  const layers = new Map<Digest, Descriptor>();
  let damaged = 0;
  let budget = MAX_IMAGES;
  const visit = async (manifestBytes: Uint8Array, depth: number): Promise<void> => {
    if (isIndexType(manifestMediaType(manifestBytes))) {
      if (depth >= MAX_DEPTH) return;
      for (const each of parseIndex(manifestBytes).manifests) {
        if (--budget < 0) return;
        await visit(await read(each), depth + 1);
      }
      return;
    }
    const manifest = parseManifest(manifestBytes);
    if (manifest.layers.length === 0) return;
    const found = inlineConfig(manifest, parseImageConfig(await read(manifest.config)));
    if (found === undefined) return;
    for (const layer of found.layers) layers.set(layer.digest, layer);
    damaged += found.parsed.damaged;
    graph.addConfig(found.parsed.config, (digest) => layers.get(digest));
  };
  await visit(bytes, 0);
  return { graph, layers, damaged, parts: [] };
}

function inlineConfig(
  manifest: Manifest,
  config: ImageConfig,
): { parsed: ParsedCacheConfig; layers: Descriptor[] } | undefined {
  const text = (config as unknown as Record<string, unknown>)["moby.buildkit.cache.v0"];
  const diffIds = config.rootfs.diff_ids;
  if (typeof text !== "string" || diffIds.length !== manifest.layers.length) return undefined;
  const made = (config.history ?? []).filter((entry) => entry.empty_layer !== true);
  const layers = manifest.layers.map((layer, at) => ({
    ...layer,
    annotations: {
      ...layer.annotations,
      "containerd.io/uncompressed": diffIds[at]!,
      ...(made[at]?.created === undefined ? {} : { "buildkit/createdat": made[at].created }),
    },
  }));
  let records: unknown;
  try {
    records = JSON.parse(Buffer.from(text, "base64").toString("utf8"));
  } catch {
    return undefined;
  }
  const chain: CacheConfig["layers"] = layers.map(({ digest }, at) => ({ blob: digest, parent: at - 1 }));
  const parsed = readCacheConfig({ layers: chain, records });
  return parsed === undefined ? undefined : { parsed, layers };
}

function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}
