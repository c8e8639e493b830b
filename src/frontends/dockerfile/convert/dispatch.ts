// One instruction after the other turns a stage's base into what the stage is.
// Counterpart: dispatch, dispatchStages of dockerfile2llb/convert.go.

import { joinPath } from "../../../formats/patterns/index.ts";
import { defaultPathOf } from "../../../graph/llb/index.ts";
import { quote } from "../go/format.ts";
import { tryParseBool } from "../go/parse.ts";
import { cut } from "../go/text.ts";
import { expandCommand } from "../instructions/expand.ts";
import type { Linter } from "../lint/linter.ts";
import { Lex } from "../shell/lex.ts";
import { FrontendError, withLocation } from "../source-error.ts";
import { envOf } from "./context.ts";
import type { Conversion } from "./context.ts";
import { applyCopy } from "./copy.ts";
import { applyExpose } from "./expose.ts";
import { lintUnmatched } from "./lint-checks.ts";
import { applyRun } from "./run.ts";
import * as settings from "./settings.ts";
import type { BoundCommand, StageState } from "./stage-state.ts";
import { applyWorkdir, setWorkdir } from "./workdir.ts";

const RAW_LEX = new Lex({ skipProcessQuotes: true });

/** Converts a whole stage; its base must have been converted. @throws FrontendError with lines */
export function dispatchStage(conversion: Conversion, stage: StageState): void {
  stage.init();
  stage.dispatched = true;
  stage.platform ??= conversion.targetPlatform;
  inheritFromImage(conversion, stage);
  for (const bound of stage.commands) {
    try {
      dispatchCommand(conversion, stage, bound);
    } catch (error) {
      throw withLocation(error, bound.command.location);
    }
  }
  stage.scanContext = isScanned(conversion, stage, "BUILDKIT_SBOM_SCAN_CONTEXT");
  stage.scanStage = isScanned(conversion, stage, "BUILDKIT_SBOM_SCAN_STAGE");
}

function inheritFromImage(conversion: Conversion, stage: StageState): void {
  const { config } = stage.image;
  const os = stage.platform?.os ?? "";
  if (os !== "windows" && !config.env.some((entry) => cut(entry, "=").before === "PATH")) {
    config.env.push(`PATH=${defaultPathOf(os)}`);
  }
  for (const entry of config.env) {
    const { before, after } = cut(entry, "=");
    stage.state = stage.state.addEnv(before, after);
  }
  const { hostname, network } = conversion.config;
  if (hostname !== "") stage.state = stage.state.with({ hostname });
  if (config.workingDir !== "") {
    try {
      setWorkdir(stage, config.workingDir);
    } catch (error) {
      throw withLocation(error, stage.stage.location);
    }
  }
  if (config.user !== "") settings.setUser(stage, config.user);
  stage.state = stage.state.with({ network });
}

function dispatchCommand(conversion: Conversion, stage: StageState, bound: BoundCommand): void {
  const { command, sources } = bound;
  const linter = conversion.linter.mergedWithComments(command.comments);
  stage.currentIsOnbuild = bound.isOnbuild;
  expand(conversion, stage, bound, linter);
  switch (command.kind) {
    case "maintainer":
      settings.applyMaintainer(conversion, stage, command);
      return;
    case "env":
      settings.applyEnv(conversion, stage, command, linter);
      return;
    case "run":
      applyRun(conversion, stage, command, sources);
      return;
    case "workdir":
      applyWorkdir(conversion, stage, command, linter);
      return;
    case "add":
      applyCopy(conversion, stage, command, { source: conversion.mainContext, fromContext: true, linter });
      addPaths(
        stage.contextPaths,
        command.files.sources.filter((source) => !/^https?:\/\//.test(source)),
      );
      return;
    case "copy": {
      const [from] = sources;
      if (from !== undefined && !from.dispatched) {
        throw new FrontendError(
          `cannot copy from stage ${quote(command.from)}, it needs to be defined before current stage ${quote(stage.stageName)}`,
        );
      }
      const source = from?.state ?? conversion.mainContext;
      applyCopy(conversion, stage, command, { source, fromContext: from === undefined, linter });
      addPaths(from?.paths ?? stage.contextPaths, command.files.sources);
      return;
    }
    case "label":
      settings.applyLabel(conversion, stage, command, linter);
      return;
    case "onbuild":
      stage.image.config.onBuild.push(command.expression);
      return;
    case "cmd":
      settings.applyCmd(conversion, stage, command, linter);
      return;
    case "entrypoint":
      settings.applyEntrypoint(conversion, stage, command, linter);
      return;
    case "healthcheck":
      settings.applyHealthcheck(conversion, stage, command, linter);
      return;
    case "expose":
      applyExpose(conversion, stage, command, linter);
      return;
    case "user":
      settings.applyUser(conversion, stage, command);
      return;
    case "volume":
      settings.applyVolume(conversion, stage, command);
      return;
    case "stopsignal":
      settings.applyStopSignal(conversion, stage, command);
      return;
    case "shell":
      settings.applyShell(conversion, stage, command);
      return;
    case "arg":
      settings.applyArg(conversion, stage, command, linter);
      return;
    default:
      command satisfies never;
  }
}

function expand(conversion: Conversion, stage: StageState, { command }: BoundCommand, linter: Linter): void {
  const expander = (lex: Lex) => (word: string) => {
    const env = envOf(stage);
    const { result, unmatched, error } = lex.tryExpand(word, env);
    lintUnmatched(command.location, stage.buildArgs, env, unmatched, linter);
    if (error !== undefined) throw error;
    return result;
  };
  expandCommand(command, expander(conversion.lex), expander(RAW_LEX));
}

function addPaths(paths: Set<string>, sources: readonly string[]): void {
  for (const source of sources) paths.add(joinPath("/", source));
}

function isScanned(conversion: Conversion, stage: StageState, name: string): boolean {
  let value = conversion.globalArgs.get(name);
  for (const arg of stage.buildArgs) if (arg.key === name) value = arg.value ?? value;
  if (value === undefined) return false;
  return tryParseBool(value) ?? value.split(",").includes(stage.stageName);
}
