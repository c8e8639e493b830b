export type {
  Builder,
  BuildRecord,
  BuildRecords,
  CacheMountRecord,
  CacheMountTransfer,
  CachePlace,
  Converted,
  ExporterResponse,
  ImageDetails,
  ImageRecord,
  PruneOptions,
  SolveOptions,
  UsageRecord,
} from "./builder.ts";
export { engineOf, openEmbeddedBuilder } from "./embedded.ts";
export type { EmbeddedBuilderOptions } from "./embedded.ts";
export { diskUsage, prune, recordFilter } from "./usage.ts";
export { bootNode, checkNode, connectNode, driverOptions, nodeDaemon, nodeLocation } from "./drivers.ts";
export type { Feature } from "./features.ts";
export { askFeatures, openConfiguredBuilder } from "./open-builder.ts";
export type { DaemonState } from "./node-daemon.ts";
