export {
  attestFlag,
  entryText,
  lastOfEach,
  parseAttest,
  parseCaches,
  parseOutput,
  parsePolicy,
  parseSecret,
  parseSsh,
  withoutEqual,
} from "./definition/entries.ts";
export type { OutputEntry } from "./definition/entries.ts";
export { parseDefinition } from "./definition/files.ts";
export type { ComposeReader, DefinitionFile, ParsedDefinition } from "./definition/files.ts";
export type { Definition, ListedVariable } from "./definition/evaluator.ts";
export { readOverrides } from "./definition/overrides.ts";
export { cleanPath, isRemote } from "./definition/paths.ts";
export { printDefinition, renderJson, targetJson } from "./definition/print.ts";
export { resolveTargets } from "./definition/resolve.ts";
export type { Resolved } from "./definition/resolve.ts";
export type { Group, Target } from "./definition/target.ts";
