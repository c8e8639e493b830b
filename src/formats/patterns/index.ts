export { tryParseSymbolicMode } from "./symbolic-mode.ts";
export type { ModeChange } from "./symbolic-mode.ts";
export { parseIgnoreFile } from "./ignore-file.ts";
export { PatternMatcher } from "./matcher.ts";
export type { MatchInfo, PatternInfo } from "./matcher.ts";
export { baseName, cleanPath, dirName, joinPath } from "./posix-path.ts";
export { isSpace, trimSpace, trimSpaceStart } from "./spaces.ts";
