export type { ComposeBuild, Ulimit } from "./build.ts";
export type { ComposeHost } from "./host.ts";
export { composeEnvironment, loadCompose } from "./load.ts";
export type { ComposeFile } from "./context.ts";
export { readProject } from "./project.ts";
export type { ComposeProject, ComposeSecret, ComposeService } from "./project.ts";
export { composeError } from "./error.ts";
export { goText, goType, isMap } from "./value.ts";
export type { ComposeMap, ComposeValue } from "./value.ts";
