// Cache keys of images, the very strings of BuildKit: caches are exchanged with it.
// Counterpart: moby/buildkit source/containerimage/pull.go mainManifestKey, cacheKeyFromConfig.

import { digestOf } from "../../base/index.ts";
import { goJson } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import type { ResolvedImage } from "./image.ts";

/**
 * The key known once the reference is resolved, and the one that other images with the same layers share. They are equal where
 * the config says nothing of layers. `platform` is the one asked for, as it was asked for.
 */
export function imageCacheKeys(
  resolved: ResolvedImage,
  platform: Platform,
  layerLimit?: number,
): { manifestKey: string; configKey: string } {
  const manifestKey = digestOf(
    goJson({
      Digest: resolved.digest,
      OS: platform.os,
      Arch: platform.architecture,
      Variant: platform.variant || undefined,
      OSVersion: platform.osVersion || undefined,
      OSFeatures: platform.osFeatures?.length ? platform.osFeatures : undefined,
      Limit: layerLimit,
    }),
  );
  const { type, diff_ids: all } = resolved.config.rootfs;
  const diffIds = layerLimit === undefined ? all : all.slice(0, layerLimit);
  if (type !== "layers" || diffIds.length === 0) return { manifestKey, configKey: manifestKey };
  return { manifestKey, configKey: diffIds.reduce((chain, diffId) => digestOf(`${chain} ${diffId}`)) };
}
