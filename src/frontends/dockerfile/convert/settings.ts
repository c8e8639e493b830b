// Instructions that only change the image config, and what later steps inherit.
// Counterpart: dispatchEnv, dispatchLabel, dispatchUser … of dockerfile2llb/convert.go.

import { formatDuration, plainList, quoteList } from "../go/format.ts";
import type {
  ArgCommand,
  CmdCommand,
  EntrypointCommand,
  EnvCommand,
  HealthcheckCommand,
  Healthcheck,
  LabelCommand,
  MaintainerCommand,
  ShellCommand,
  StopSignalCommand,
  UserCommand,
  VolumeCommand,
} from "../instructions/types.ts";
import type { Linter } from "../lint/linter.ts";
import { FrontendError } from "../source-error.ts";
import type { Location } from "../source-error.ts";
import { NON_ENV_ARGS } from "./arguments.ts";
import { commit, envOf } from "./context.ts";
import type { Conversion } from "./context.ts";
import type { Image } from "./image.ts";
import { lintSecretKey, lintUnmatched } from "./lint-checks.ts";
import { parseSignal } from "./signal.ts";
import type { StageState, UsedOnce } from "./stage-state.ts";

export function applyEnv(conversion: Conversion, stage: StageState, command: EnvCommand, linter: Linter): void {
  let message = "ENV";
  for (const { key, value, noDelim } of command.env) {
    if (noDelim) linter.run("LegacyKeyValueFormat", command.location, command.name);
    lintSecretKey("ENV", key, command.location, linter);
    message += ` ${key}=${value}`;
    stage.state = stage.state.addEnv(key, value);
    setImageEnv(stage.image.config.env, key, value);
  }
  commit(conversion, stage.image, message, false);
}

// A variable keeps its place in the image's list, unlike in the environment of steps.
function setImageEnv(env: string[], key: string, value: string): void {
  const start = `${key}=`;
  const at = env.findIndex((entry) => entry.startsWith(start) || entry === key);
  if (at < 0) env.push(`${key}=${value}`);
  else env[at] = `${key}=${value}`;
}

export function applyLabel(conversion: Conversion, stage: StageState, command: LabelCommand, linter: Linter): void {
  let message = "LABEL";
  for (const { key, value, noDelim } of command.labels) {
    if (noDelim) linter.run("LegacyKeyValueFormat", command.location, command.name);
    stage.image.config.labels.set(key, value);
    message += ` ${key}=${value}`;
  }
  commit(conversion, stage.image, message, false);
}

export function applyCmd(conversion: Conversion, stage: StageState, command: CmdCommand, linter: Linter): void {
  lintUsedOnce(command, stage.cmd, linter);
  const args = shellArgs(stage.image, command, linter);
  stage.image.config.cmd = args;
  stage.image.config.argsEscaped = true;
  commit(conversion, stage.image, `CMD ${quoteList(args)}`, false);
}

export function applyEntrypoint(
  conversion: Conversion,
  stage: StageState,
  command: EntrypointCommand,
  linter: Linter,
): void {
  lintUsedOnce(command, stage.entrypoint, linter);
  const args = shellArgs(stage.image, command, linter);
  stage.image.config.entrypoint = args;
  if (stage.cmd.location === undefined) stage.image.config.cmd = [];
  commit(conversion, stage.image, `ENTRYPOINT ${quoteList(args)}`, false);
}

function shellArgs(image: Image, command: CmdCommand | EntrypointCommand, linter: Linter): readonly string[] {
  const { args, prependShell } = command.command;
  if (!prependShell) return args;
  if (image.config.shell.length === 0) linter.run("JSONArgsRecommended", command.location, command.name);
  return withShell(image, args);
}

/** A shell form command line: the image's shell and one text. */
export function withShell(image: Image, args: readonly string[]): string[] {
  const { shell } = image.config;
  const fallback = image.os === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"];
  return [...(shell.length > 0 ? shell : fallback), args.join(" ")];
}

export function applyHealthcheck(
  conversion: Conversion,
  stage: StageState,
  command: HealthcheckCommand,
  linter: Linter,
): void {
  lintUsedOnce(command, stage.healthcheck, linter);
  stage.image.config.healthcheck = command.health;
  commit(conversion, stage.image, `HEALTHCHECK ${formatHealthcheck(command.health)}`, false);
}

// Go's %+v of the struct.
function formatHealthcheck(health: Healthcheck): string {
  const fields = [
    `Test:${plainList(health.test)}`,
    `Interval:${formatDuration(health.intervalNs)}`,
    `Timeout:${formatDuration(health.timeoutNs)}`,
    `StartPeriod:${formatDuration(health.startPeriodNs)}`,
    `StartInterval:${formatDuration(health.startIntervalNs)}`,
    `Retries:${health.retries}`,
  ];
  return `{${fields.join(" ")}}`;
}

// The earlier instruction is the one that is ignored, so it is the one that is pointed at.
function lintUsedOnce(
  command: { readonly name: string; readonly location: Location },
  used: UsedOnce,
  linter: Linter,
): void {
  if (used.location !== undefined) linter.run("MultipleInstructionsDisallowed", used.location, command.name);
  used.location = command.location;
}

export function applyUser(conversion: Conversion, stage: StageState, command: UserCommand): void {
  setUser(stage, command.user);
  commit(conversion, stage.image, `USER ${command.user}`, false);
}

export function setUser(stage: StageState, user: string): void {
  stage.state = stage.state.with({ user });
  stage.image.config.user = user;
}

/** @throws FrontendError when a variable made a path empty */
export function applyVolume(conversion: Conversion, stage: StageState, command: VolumeCommand): void {
  for (const volume of command.volumes) {
    if (volume === "") throw new FrontendError("VOLUME specified can not be an empty string");
    stage.image.config.volumes.add(volume);
  }
  commit(conversion, stage.image, `VOLUME ${plainList(command.volumes)}`, false);
}

/** @throws FrontendError `invalid signal: …` */
export function applyStopSignal(conversion: Conversion, stage: StageState, command: StopSignalCommand): void {
  parseSignal(command.signal);
  stage.image.config.stopSignal = command.signal;
  commit(conversion, stage.image, `STOPSIGNAL ${command.signal}`, false);
}

/** @throws FrontendError when a default cannot be expanded */
export function applyArg(conversion: Conversion, stage: StageState, command: ArgCommand, linter: Linter): void {
  const texts: string[] = [];
  for (const given of command.args) {
    const arg = { ...given };
    lintSecretKey("ARG", arg.key, command.location, linter);
    const buildArg = conversion.buildArgs.get(arg.key);
    const global = arg.value === undefined && buildArg === undefined ? conversion.globalArgs.get(arg.key) : undefined;
    if (buildArg !== undefined) arg.value = buildArg;
    else if (arg.value !== undefined) {
      const env = envOf(stage);
      const { result, unmatched, error } = conversion.lex.tryExpand(arg.value, env);
      lintUnmatched(command.location, stage.buildArgs, env, unmatched, linter);
      if (error !== undefined) throw error;
      arg.value = result;
    } else arg.value = global;
    if (arg.value !== undefined && !NON_ENV_ARGS.has(arg.key)) stage.state = stage.state.addEnv(arg.key, arg.value);
    if (global === undefined) {
      const info = { definition: arg, value: arg.value ?? "", deps: new Set<string>(), location: command.location };
      stage.outline.allArgs.set(arg.key, info);
    }
    stage.outline.usedArgs.add(arg.key);
    stage.buildArgs.push(arg);
    texts.push(arg.value === undefined ? arg.key : `${arg.key}=${arg.value}`);
  }
  commit(conversion, stage.image, `ARG ${texts.join(" ")}`, false);
}

export function applyMaintainer(conversion: Conversion, stage: StageState, command: MaintainerCommand): void {
  stage.image.author = command.maintainer;
  commit(conversion, stage.image, `MAINTAINER ${command.maintainer}`, false);
}

export function applyShell(conversion: Conversion, stage: StageState, command: ShellCommand): void {
  stage.image.config.shell = command.shell;
  commit(conversion, stage.image, `SHELL ${plainList(command.shell)}`, false);
}
