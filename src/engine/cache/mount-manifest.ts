// Cache mounts as an artifact beside a cache: a manifest whose config lists the mounts of each scope, and whose layers are what the
// mounts consist of, oldest first, in OCI layer form. Scopes share layers: a branch's mount is the main one's and a difference.

import { digestOf, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { encodeManifest, goJson, mediaTypes, parseManifest } from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { SmallBlobReader } from "./cache-manifest.ts";
import type { DestinationBlobs } from "./destination.ts";

export const MOUNTS_CONFIG_TYPE = "application/vnd.slipway.cachemounts.config.v1+json";

/** One mount in one scope. */
export interface TravelingMount {
  /** What steps call it: `id=` of the mount. */
  readonly id: string;
  /** A branch, or whatever else contents are kept apart by. */
  readonly scope: string;
  /** Oldest first; each with the annotation `containerd.io/uncompressed`. */
  readonly layers: readonly Descriptor[];
  readonly usedAtMs: number;
}

export interface ReadMounts {
  readonly mounts: readonly TravelingMount[];
  readonly layers: ReadonlyMap<Digest, Descriptor>;
  readonly parts: readonly Digest[];
}

/** Reads an artifact; mounts that lack a layer are left out. @throws INVALID_IMAGE; what `read` throws. */
export async function readMounts(bytes: Uint8Array, read: SmallBlobReader): Promise<ReadMounts> {
  const manifest = parseManifest(bytes);
  const layers = new Map(manifest.layers.map((each) => [each.digest, each]));
  const parts = [digestOf(bytes), manifest.config.digest];
  if (manifest.config.mediaType !== MOUNTS_CONFIG_TYPE) return { mounts: [], layers, parts };
  let listed: unknown;
  try {
    listed = (JSON.parse(Buffer.from(await read(manifest.config)).toString("utf8")) as { mounts?: unknown }).mounts;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const mounts = (Array.isArray(listed) ? (listed as unknown[]) : []).flatMap((each) => readMount(each, layers) ?? []);
  return { mounts, layers, parts };
}

/** The artifact's blobs. */
export function mountBlobs(mounts: readonly TravelingMount[]): DestinationBlobs {
  const layers = new Map(mounts.flatMap((each) => each.layers.map((layer) => [layer.digest, layer] as const)));
  const sorted = [...mounts].sort((a, b) => compare(a.scope, b.scope) || compare(a.id, b.id));
  const config = Buffer.from(
    goJson({
      mounts: sorted.map(({ id, scope, layers: own, usedAtMs }) => ({
        id,
        scope,
        layers: own.map(({ digest }) => digest),
        usedAt: new Date(usedAtMs).toISOString(),
      })),
    }),
  );
  const configDescriptor = { mediaType: MOUNTS_CONFIG_TYPE, digest: digestOf(config), size: config.byteLength };
  const mediaType = mediaTypes.ociManifest;
  const bytes = encodeManifest({
    mediaType,
    config: configDescriptor,
    layers: [...layers.values()].sort((a, b) => compare(a.digest, b.digest)),
  });
  return {
    config: { descriptor: configDescriptor, bytes: config },
    manifest: { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes },
  };
}

function readMount(value: unknown, known: ReadonlyMap<Digest, Descriptor>): TravelingMount | undefined {
  const { id, scope, layers, usedAt } = (value ?? {}) as Record<string, unknown>;
  if (typeof id !== "string" || typeof scope !== "string" || !Array.isArray(layers) || layers.length > 1000)
    return undefined;
  const found = (layers as unknown[]).map((digest) =>
    typeof digest === "string" && isDigest(digest) ? known.get(digest) : undefined,
  );
  const usedAtMs = typeof usedAt === "string" ? Date.parse(usedAt) : 0;
  if (!found.every((each) => each !== undefined)) return undefined;
  return { id, scope, layers: found, usedAtMs: Number.isNaN(usedAtMs) ? 0 : usedAtMs };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
