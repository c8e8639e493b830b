// Package URLs of images, as attestations name them. Spec: package-url/purl-spec, types docker and oci.
// Counterpart: moby/buildkit util/purl, package-url/packageurl-go ToString.

import { familiarName, parseReference, tagNameOnly } from "./reference.ts";
import { formatPlatform, normalizePlatform } from "./platform.ts";
import type { Platform } from "./platform.ts";

/** The package URL of an image reference; `latest` where it has neither tag nor digest. @throws INVALID_REFERENCE. */
export function imagePurl(
  type: "docker" | "oci",
  reference: string,
  platform?: Platform,
  qualifiers: readonly (readonly [string, string])[] = [],
): string {
  const ref = tagNameOnly(parseReference(reference));
  const segments = familiarName(ref).split("/").map(queryEscape);
  const all: (readonly [string, string])[] = [
    ...(ref.digest === undefined ? [] : [["digest", ref.digest] as const]),
    ...(platform === undefined ? [] : [["platform", formatPlatform(normalizePlatform(platform))] as const]),
    ...qualifiers,
  ];
  const version = ref.tag === undefined ? "" : `@${pathEscape(ref.tag)}`;
  const tail = all.length === 0 ? "" : `?${all.map(([key, value]) => `${key}=${pathEscape(value)}`).join("&")}`;
  return `pkg:${type}/${segments.join("/")}${version}${tail}`;
}

/** As Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, hex)
    .replaceAll("%20", "+");
}

/** As Go's url.PathEscape. */
function pathEscape(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, hex)
    .replace(/%(?:24|26|2B|3A|3D|40)/g, decodeURIComponent);
}

function hex(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}
