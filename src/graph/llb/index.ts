export { Cap } from "./caps.ts";
export { decodeDefinition, marshalState } from "./definition.ts";
export type { DecodedDefinition, DecodedOp } from "./definition.ts";
export { stateOfDefinition } from "./definition-input.ts";
export { compareBytes, encodeCanonical } from "./encode.ts";
export { EnvList } from "./env-list.ts";
export { defaultPathOf } from "./exec.ts";
export type { ExecOptions, MountOptions, ProxyEnv, SecretOptions, SshOptions } from "./exec.ts";
export { parseOwnership } from "./file.ts";
export type { CopyAction, FileAction, Ownership } from "./file.ts";
export { DiffVertex } from "./merge.ts";
export { defaultPlatform, platformFromPb, platformToPb } from "./platform.ts";
export type { Platform } from "./platform.ts";
export {
  goJson,
  httpSource,
  imageSource,
  localSource,
  ociLayoutSource,
  replaceIllFormed,
  SourceVertex,
} from "./sources.ts";
export type { LocalSourceOptions, ResolveMode } from "./sources.ts";
export { printDefinition } from "./print.ts";
export { State } from "./state.ts";
export { DeferredOutput, VertexOutput } from "./vertex.ts";
export type { LineSpan, OpOptions, Output, SourceLocation, SourceMapFile } from "./vertex.ts";
