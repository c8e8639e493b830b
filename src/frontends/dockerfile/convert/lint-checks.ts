// The lint checks that look at more than one instruction. Counterpart: dockerfile2llb/validations.go.

import {
  formatAllPlatform as formatPlatform,
  normalizePlatform,
  parsePlatform,
  tryParseReference,
} from "../../../formats/oci/index.ts";
import { cleanPath } from "../../../formats/patterns/index.ts";
import type { PatternMatcher } from "../../../formats/patterns/index.ts";
import type { Platform } from "../../../graph/llb/index.ts";
import type { EnvList } from "../../../graph/llb/index.ts";
import type { ArgPair, Stage } from "../instructions/types.ts";
import type { Linter } from "../lint/linter.ts";
import type { EnvGetter, Expansion, Lex } from "../shell/lex.ts";
import type { Location } from "../source-error.ts";
import { search } from "../suggest.ts";
import { NON_ENV_ARGS } from "./arguments.ts";

const RESERVED_STAGE_NAMES = new Set(["context", "scratch"]);
const SECRET = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NOT_SECRET = /(?:_|^)(?:public|file|version)(?:_|$)/i;

export function lintStageNames(stages: readonly Stage[], linter: Linter): void {
  const seen = new Set<string>();
  for (const { name, location } of stages) {
    if (name === "") continue;
    if (RESERVED_STAGE_NAMES.has(name)) linter.run("ReservedStageName", location, name);
    if (seen.has(name)) linter.run("DuplicateStageName", location, name);
    seen.add(name);
  }
}

export function lintCommandCasing(stages: readonly Stage[], linter: Linter): void {
  const words = stages.flatMap((stage) => [
    { name: stage.instruction, location: stage.location },
    ...stage.commands.map(({ name, location }) => ({ name, location })),
  ]);
  const isLower = (name: string) => name === name.toLowerCase();
  const isUpper = (name: string) => name === name.toUpperCase();
  const lower = words.filter(({ name }) => isLower(name)).length;
  const upper = words.filter(({ name }) => !isLower(name) && isUpper(name)).length;
  const wantsLower = lower > upper;
  for (const { name, location } of words) {
    if (!(wantsLower ? isLower(name) : isUpper(name))) {
      linter.run("ConsistentInstructionCasing", location, name, wantsLower ? "lowercase" : "uppercase");
    }
  }
}

export function lintSecretKey(instruction: string, key: string, location: Location, linter: Linter): void {
  if (SECRET.test(key) && !NOT_SECRET.test(key)) linter.run("SecretsUsedInArgOrEnv", location, instruction, key);
}

/** Reports variables that are neither set nor declared. */
export function lintUnmatched(
  location: Location,
  buildArgs: readonly ArgPair[],
  env: EnvGetter,
  unmatched: Set<string>,
  linter: Linter,
): void {
  if (unmatched.size === 0) return;
  for (const { key } of buildArgs) unmatched.delete(key);
  for (const name of unmatched) {
    if (!NON_ENV_ARGS.has(name)) linter.run("UndefinedVar", location, name, search(name, env.keys()));
  }
}

/** Reports variables of FROM that no ARG declares. */
export function lintFromArgs(
  known: ReadonlySet<string>,
  expansion: Expansion,
  location: Location,
  linter: Linter,
): void {
  for (const name of expansion.unmatched) {
    if (!known.has(name)) linter.run("UndefinedArgInFrom", location, name, search(name, Array.from(known)));
  }
}

export function lintFromPlatform(stage: Stage, expansion: Expansion, globalArgs: EnvList, linter: Linter): void {
  const { matched, unmatched, result } = expansion;
  if (matched.size === 1 && unmatched.size === 0 && matched.has("TARGETPLATFORM")) {
    if (result === globalArgs.get("TARGETPLATFORM")) {
      linter.run("RedundantTargetPlatform", stage.location, stage.platform);
    }
  }
  if (matched.size > 0 || unmatched.size > 0) return;
  let platform: Platform;
  try {
    platform = parsePlatform(result);
  } catch {
    return;
  }
  if (stage.name.includes(platform.os) || stage.name.includes(platform.architecture)) return;
  linter.run("FromPlatformFlagConstDisallowed", stage.location, result);
}

/** Reports base names that only work when an argument is given. `args` are the defaults. */
export function lintBaseNames(stages: readonly Stage[], lex: Lex, args: EnvList, linter: Linter): void {
  for (const { baseName, location } of stages) {
    let name: string;
    try {
      name = lex.word(baseName, args);
    } catch {
      return;
    }
    if (tryParseReference(name) === undefined) linter.run("InvalidDefaultArgInFrom", location, baseName);
  }
}

export function lintBasePlatform(
  name: string,
  expected: Platform,
  actual: Platform,
  location: Location,
  linter: Linter,
): void {
  if (expected.os === actual.os && expected.architecture === actual.architecture) return;
  const text = (platform: Platform) => formatPlatform(normalizePlatform(platform));
  linter.run("InvalidBaseImagePlatform", location, name, text(expected), text(actual));
}

/** Reports a source of COPY or ADD that the ignore file leaves out. */
export function lintIgnoredSource(
  source: string,
  isAdd: boolean,
  matcher: PatternMatcher | undefined,
  location: Location,
  linter: Linter,
): void {
  // With exclusions it cannot be told without looking at the files.
  if (matcher === undefined || matcher.hasExclusions) return;
  const path = cleanPath(source);
  if (path === "." || path === "/") {
    const everything = matcher.patterns.some(({ pattern }) => ["*", "**", "**/*"].includes(pattern));
    if (!everything) return;
  }
  try {
    if (matcher.matchesOrParentMatches(path)) linter.run("CopyIgnoredFile", location, isAdd ? "Add" : "Copy", path);
  } catch {
    // A bad pattern is reported where the ignore file is used.
  }
}
