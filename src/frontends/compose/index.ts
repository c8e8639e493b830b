export type { ComposeBuild, Ulimit } from "./build.ts";
export { parseBytes } from "./bytes.ts";
export { durationText, parseDurationMs } from "./duration.ts";
export type { ComposeHost } from "./host.ts";
export { kindOf, readComposeFile } from "./host.ts";
export { composeEnvironment, loadCompose } from "./load.ts";
export type { LoadExtras } from "./load.ts";
export { parseEnv } from "./dotenv.ts";
export type { ComposeFile } from "./context.ts";
export { readProject } from "./project.ts";
export type { ComposeProject, ComposeSecret, ComposeService } from "./project.ts";
export { canonicalOutput } from "./canonical-output.ts";
export type { Plain } from "./canonical-output.ts";
export { parsePort, parseVolume } from "./short-syntax.ts";
export { checkProjectName, projectNameOf, readRunProject } from "./run-project.ts";
export type { RunProjectOptions } from "./run-project.ts";
export type {
  Attachment,
  Dependency,
  DependencyCondition,
  Healthcheck,
  Hook,
  PublishedPort,
  Resources,
  RunFileSource,
  RunNetwork,
  RunProject,
  RunService,
  RunVolume,
  ServiceFile,
  ServiceMount,
  WatchRule,
} from "./run-model.ts";
export { serviceFields } from "./run-fields.ts";
export { composeError } from "./error.ts";
export { shellWords } from "./words.ts";
export { goText, goType, isMap } from "./value.ts";
export type { ComposeMap, ComposeValue } from "./value.ts";
