export type {
  Builder,
  ExporterResponse,
  ImageDetails,
  ImageRecord,
  PruneOptions,
  SolveOptions,
  UsageRecord,
} from "./builder.ts";
