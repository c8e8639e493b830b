// RUN: a step in the stage's filesystem. Counterpart: dispatchRun of dockerfile2llb/convert.go.

import { joinPath, trimSpace } from "../../../formats/patterns/index.ts";
import { pb } from "../../../formats/proto/index.ts";
import { Cap, EnvList, State } from "../../../graph/llb/index.ts";
import type { MountOptions } from "../../../graph/llb/index.ts";
import type { InlineFile, RunCommand } from "../instructions/types.ts";
import { chompTabs, tryParseHeredoc } from "../parse/heredoc.ts";
import type { EnvGetter } from "../shell/lex.ts";
import { FrontendError } from "../source-error.ts";
import { plainList } from "../go/format.ts";
import { encodeText } from "../go/text.ts";
import { commit, envOf, nameStep } from "./context.ts";
import type { Conversion } from "./context.ts";
import { runMounts } from "./run-mounts.ts";
import { withShell } from "./settings.ts";
import { expandForDisplay, uppercaseCommand } from "./step-name.ts";
import type { StageState } from "./stage-state.ts";

const NETWORKS = { default: undefined, none: pb.NetMode.NONE, host: pb.NetMode.HOST } as const;
const SECURITY = { sandbox: pb.SecurityMode.SANDBOX, insecure: pb.SecurityMode.INSECURE } as const;

/** @throws FrontendError */
export function applyRun(
  conversion: Conversion,
  stage: StageState,
  command: RunCommand,
  sources: readonly StageState[],
): void {
  stage.paths.add("/");
  const { args, mount, summary } = commandOf(stage, command);
  const { config, client } = conversion;
  const env = envOf(stage);
  const mounts = runMounts(conversion, stage, command, sources);
  if (client.supports(Cap.execMetaCdi) && command.devices.length > 0) {
    throw new FrontendError("device feature is only supported in Dockerfile frontend 1.14.0-labs or later");
  }
  const shm = client.supports(Cap.execMountTmpfsSize) && config.shmSize > 0n ? [shmMount(config.shmSize)] : [];
  const lex = conversion.lex.with({ rawQuotes: true, skipUnsetEnv: true });
  const shown = expandForDisplay(lex, command.code + summary, withSecretsMasked(command, env));
  const customName = nameStep(conversion, stage, uppercaseCommand(shown), stage.state.settings.platform, env);
  stage.state = stage.state.run({
    args,
    mounts: [...(mount === undefined ? [] : [mount]), ...mounts.mounts, ...shm],
    secrets: mounts.secrets,
    ssh: mounts.ssh,
    proxyEnv: conversion.proxyEnv,
    network: NETWORKS[command.network],
    security: SECURITY[command.security],
    extraHosts: config.extraHosts,
    ulimits: client.supports(Cap.execMetaUlimit) ? config.ulimits : [],
    cgroupParent: client.supports(Cap.execMetaCgroupParent) ? config.cgroupParent : "",
    linuxResources: client.supports(Cap.execMetaLinuxResources) ? config.linuxResources : undefined,
    ignoreCache: stage.ignoreCache,
    customName,
    description: { "com.docker.dockerfile.v1.command": command.code },
    location: { file: conversion.sourceFile, lines: command.location },
  });
  commit(conversion, stage.image, `RUN ${historyText(stage, args, env)} # buildkit`, true);
}

interface RunArgs {
  readonly args: readonly string[];
  /** Where an inline script is, if the command is one. */
  readonly mount: MountOptions | undefined;
  /** What is appended to the step's name. */
  readonly summary: string;
}

function commandOf(stage: StageState, command: RunCommand): RunArgs {
  const { args, files, prependShell } = command.command;
  if (files.length === 0) {
    return { args: prependShell ? withShell(stage.image, args) : args, mount: undefined, summary: "" };
  }
  if (args.length !== 1 || !prependShell) {
    throw new FrontendError(`parsing produced an invalid run command: ${plainList(args)}`);
  }
  const [file] = files as readonly [InlineFile];
  if (tryParseHeredoc(args[0]!) === undefined) {
    const text = args[0]! + files.map(({ data, name }) => `\n${data}${name}`).join("");
    return { args: withShell(stage.image, [text]), mount: undefined, summary: "" };
  }
  const data = file.chomp ? chompTabs(file.data) : file.data;
  const summary = ` (${summarize(file.data)})`;
  if (stage.image.os === "windows" || !data.startsWith("#!")) {
    return { args: withShell(stage.image, [data]), mount: undefined, summary };
  }
  const script = State.scratch().file([{ kind: "mkfile", path: file.name, mode: 0o755, data: encodeText(data) }], {
    customName: "[internal] preparing inline document",
    platform: stage.platform,
  });
  return {
    args: withShell(stage.image, [joinPath("/dev/pipes/", file.name)]),
    mount: { target: "/dev/pipes/", source: script.output, selector: "/", readonly: true },
    summary,
  };
}

function summarize(text: string): string {
  const lines = trimSpace(text).replaceAll("\r\n", "\n").split("\n");
  return lines[0]! + (lines.length > 1 ? "..." : "");
}

function shmMount(sizeBytes: bigint): MountOptions {
  return { target: "/dev/shm", source: undefined, tmpfs: { sizeBytes } };
}

// The values of secrets are not known here; the mask shows that a variable comes from one.
function withSecretsMasked(command: RunCommand, env: EnvGetter): EnvGetter {
  let masked = EnvList.empty;
  for (const { type, env: name } of command.mounts) {
    if (type === "secret" && name !== undefined) masked = masked.set(name, "****");
  }
  const names = masked.keys();
  if (names.length === 0) return env;
  return {
    get: (key) => masked.get(key) ?? env.get(key),
    keys: () => [...env.keys().filter((key) => !masked.has(key)), ...names],
  };
}

// `|2 A=1 B=2 /bin/sh -c make`: the arguments that were in force are part of the history.
function historyText(stage: StageState, args: readonly string[], env: EnvGetter): string {
  const values = new Map<string, string>();
  for (const { key, value } of stage.buildArgs) values.set(key, env.get(key) ?? value ?? "");
  const texts = Array.from(values, ([key, value]) => `${key}=${value}`);
  return [...(texts.length === 0 ? [] : [`|${texts.length}`, ...texts]), ...args].join(" ");
}
