// The public API: the embedded builder behind the port that the command line uses, and the messages it speaks.

export { BuildError, isBuildError } from "./base/index.ts";
export type { SourceSpan, Status } from "./base/index.ts";
export type { OutputTarget, SessionPort } from "./engine/index.ts";
export { control, pb } from "./formats/proto/index.ts";
export { openEmbeddedBuilder } from "./service/builders/index.ts";
export type {
  Builder,
  ExporterResponse,
  ImageDetails,
  ImageRecord,
  PruneOptions,
  SolveOptions,
  UsageRecord,
} from "./service/builders/index.ts";
export { openLocalSession } from "./service/session/index.ts";
export type { LocalSession, LocalSessionOptions, SecretSource, SshSource } from "./service/session/index.ts";
