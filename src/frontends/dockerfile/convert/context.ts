// What every instruction of one conversion shares.

import type { PatternMatcher } from "../../../formats/patterns/index.ts";
import type { EnvList, OpOptions, Platform, ProxyEnv, SourceMapFile, State } from "../../../graph/llb/index.ts";
import type { BuildClient } from "../context/client.ts";
import type { BuildConfig } from "../context/config.ts";
import type { Linter } from "../lint/linter.ts";
import type { Lex } from "../shell/lex.ts";
import type { EnvGetter } from "../shell/lex.ts";
import { FrontendError } from "../source-error.ts";
import type { Location } from "../source-error.ts";
import { expandForDisplay, stepName, uppercaseCommand } from "./step-name.ts";
import type { Image } from "./image.ts";
import type { StageList, StageState } from "./stage-state.ts";

/** One conversion: a Dockerfile for one target platform. */
export interface Conversion {
  readonly client: BuildClient;
  readonly config: BuildConfig;
  /** Build arguments of this conversion. */
  readonly buildArgs: Map<string, string>;
  readonly lex: Lex;
  readonly linter: Linter;
  readonly buildPlatform: Platform;
  readonly buildPlatforms: readonly Platform[];
  readonly targetPlatform: Platform;
  /** No platform was asked for. */
  readonly implicitTarget: boolean;
  readonly globalArgs: EnvList;
  /** Seconds since 1970, when times are fixed. */
  readonly epoch: bigint | undefined;
  readonly sourceFile: SourceMapFile;
  readonly stages: StageList;
  readonly proxyEnv: ProxyEnv | undefined;
  /** The main context; what it is gets decided when all stages are converted. */
  readonly mainContext: State;
  readonly ignoreMatcher: PatternMatcher | undefined;
  readonly signal: AbortSignal;
}

/** The variables of a stage at this point. */
export function envOf(stage: StageState): EnvGetter {
  return stage.state.settings.env;
}

/** Op options with the step's name and place. */
export function stepOptions(conversion: Conversion, stage: StageState, code: string, location: Location): OpOptions {
  const name = uppercaseCommand(expandForDisplay(conversion.lex, code, envOf(stage)));
  return {
    customName: nameStep(conversion, stage, name, stage.platform ?? conversion.targetPlatform),
    location: { file: conversion.sourceFile, lines: location },
  };
}

/** A step's full name; counts the step. */
export function nameStep(
  conversion: Conversion,
  stage: StageState,
  text: string,
  platform: Platform | undefined,
  env: EnvGetter = envOf(stage),
): string {
  return stepName(stage, text, { multiPlatform: conversion.config.multiPlatform, platform, env });
}

/** Adds an entry to an image's history. */
export function commit(conversion: Conversion, image: Image, text: string, withLayer: boolean): void {
  const { epoch } = conversion;
  image.history.push({
    created: epoch === undefined ? undefined : formatEpoch(epoch),
    createdBy: text,
    comment: "buildkit.dockerfile.v0",
    emptyLayer: !withLayer,
  });
}

const YEAR_0 = -62_167_219_200n;
const YEAR_10000 = 253_402_300_800n;

function formatEpoch(seconds: bigint): string {
  if (seconds < YEAR_0 || seconds >= YEAR_10000) {
    throw new FrontendError("failed to marshal image config: Time.MarshalJSON: year outside of range [0,9999]");
  }
  return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
}
