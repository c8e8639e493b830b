export { goJson, goQuote } from "./go-json.ts";
export { formatAllPlatform, formatPlatform, hostPlatform, normalizePlatform, parsePlatform } from "./platform.ts";
export type { Platform } from "./platform.ts";
export { onlyMatcher, strictMatcher } from "./platform-match.ts";
export type { PlatformMatcher } from "./platform-match.ts";
export {
  contextKey,
  familiarName,
  familiarString,
  isNameOnly,
  parsePlainReference,
  parseReference,
  referenceName,
  referenceString,
  tagNameOnly,
  tryParseReference,
  withDigest,
} from "./reference.ts";
export { imagePurl } from "./purl.ts";
export type { Reference } from "./reference.ts";
export {
  descriptorJson,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  mediaTypes,
  platformJson,
  readDescriptor,
} from "./descriptor.ts";
export type { Descriptor } from "./descriptor.ts";
export {
  encodeIndex,
  encodeManifest,
  manifestMediaType,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  parseImageConfig,
  parseIndex,
  parseManifest,
  platformOf,
} from "./manifest.ts";
export type { ContainerConfig, HistoryEntry, ImageConfig, Index, Manifest } from "./manifest.ts";
