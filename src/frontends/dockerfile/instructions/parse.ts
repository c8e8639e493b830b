// Nodes to instructions and stages. Counterpart: moby/buildkit frontend/dockerfile/instructions/parse.go.

import { trimSpace } from "../../../formats/patterns/index.ts";
import { messageOf } from "../../../base/index.ts";
import { quote } from "../go/format.ts";
import type { Linter } from "../lint/linter.ts";
import type { Node, ParsedFile } from "../parse/parser.ts";
import { FrontendError, linesOf, reworded, withLocation, withSuggestion } from "../source-error.ts";
import { parseAdd, parseCopy } from "./files.ts";
import { parseFlags } from "./flags.ts";
import { parseHealthcheck } from "./healthcheck.ts";
import { checkDevice } from "./device.ts";
import { parseMount } from "./mount.ts";
import type { ArgCommand, ArgPair, Command, CommandLine, KeyValue, RunCommand, Stage } from "./types.ts";

/** Stages with their instructions, and the ARG instructions before the first FROM. @throws FrontendError with lines */
export function parseStages(file: ParsedFile, linter: Linter): { stages: Stage[]; metaArgs: ArgCommand[] } {
  const stages: Stage[] = [];
  const metaArgs: ArgCommand[] = [];
  for (const node of file.nodes) {
    let command: Command | Stage;
    try {
      command = parseInstruction(node, linter);
    } catch (error) {
      if (!(error instanceof FrontendError)) throw error;
      throw reworded(error, `dockerfile parse error on line ${node.startLine}: ${messageOf(error)}`);
    }
    if (command.kind === "from") stages.push(command);
    else if (stages.length > 0) stages.at(-1)!.commands.push(command);
    else if (command.kind === "arg") metaArgs.push(command);
    else
      throw withLocation(new FrontendError("no build stage in current context"), linesOf(node.startLine, node.endLine));
  }
  return { stages, metaArgs };
}

/** One instruction. @throws FrontendError with the node's lines */
export function parseInstruction(node: Node, linter: Linter): Command | Stage {
  try {
    return dispatch(node, linter.mergedWithComments(node.comments));
  } catch (error) {
    throw withLocation(error, linesOf(node.startLine, node.endLine));
  }
}

const NAMES = [
  "ADD",
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "FROM",
  "HEALTHCHECK",
  "LABEL",
  "MAINTAINER",
  "ONBUILD",
  "RUN",
  "SHELL",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
];

function dispatch(node: Node, linter: Linter): Command | Stage {
  const location = linesOf(node.startLine, node.endLine);
  const base = { name: node.instruction, code: trimSpace(node.original), location, comments: node.comments };
  const { args } = node;
  switch (node.instruction.toLowerCase()) {
    case "env":
      parseFlags(node.flags);
      return { kind: "env", ...base, env: keyValues(args, "ENV") };
    case "maintainer":
      linter.run("MaintainerDeprecated", location);
      return { kind: "maintainer", ...base, maintainer: exactlyOne(node, "MAINTAINER") };
    case "label":
      parseFlags(node.flags);
      return { kind: "label", ...base, labels: keyValues(args, "LABEL") };
    case "add":
      return { kind: "add", ...base, ...parseAdd(node) };
    case "copy":
      return { kind: "copy", ...base, ...parseCopy(node) };
    case "from":
      return parseFrom(node, linter);
    case "onbuild":
      return { kind: "onbuild", ...base, expression: onbuildExpression(node) };
    case "workdir":
      return { kind: "workdir", ...base, path: exactlyOne(node, "WORKDIR") };
    case "run":
      return { kind: "run", ...base, ...parseRun(node) };
    case "cmd":
      parseFlags(node.flags);
      return { kind: "cmd", ...base, command: commandLine(node) };
    case "healthcheck":
      return { kind: "healthcheck", ...base, health: parseHealthcheck(node) };
    case "entrypoint":
      parseFlags(node.flags);
      return { kind: "entrypoint", ...base, command: commandLine(node) };
    case "expose":
      atLeastOne(node, "EXPOSE");
      parseFlags(node.flags);
      return { kind: "expose", ...base, ports: args.toSorted(compareGo) };
    case "user":
      return { kind: "user", ...base, user: exactlyOne(node, "USER") };
    case "volume":
      return { kind: "volume", ...base, volumes: parseVolumes(node) };
    case "stopsignal":
      if (args.length !== 1) throw new FrontendError("STOPSIGNAL requires exactly one argument");
      return { kind: "stopsignal", ...base, signal: args[0]! };
    case "arg": {
      const pairs = parseArgs(node);
      lintDescription(
        "ARG",
        pairs.map((pair) => pair.key),
        node,
        linter,
      );
      return { kind: "arg", ...base, args: pairs };
    }
    case "shell":
      return { kind: "shell", ...base, shell: parseShell(node) };
    default:
      throw withSuggestion(
        new FrontendError(`unknown instruction: ${node.instruction}`),
        node.instruction,
        NAMES,
        false,
      );
  }
}

function compareGo(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function exactlyOne(node: Node, instruction: string): string {
  if (node.args.length !== 1) throw new FrontendError(`${instruction} requires exactly one argument`);
  parseFlags(node.flags);
  return node.args[0]!;
}

function atLeastOne(node: Node, instruction: string): void {
  if (node.args.length === 0) throw new FrontendError(`${instruction} requires at least one argument`);
}

function keyValues(args: readonly string[], instruction: string): KeyValue[] {
  if (args.length === 0) throw new FrontendError(`${instruction} requires at least one argument`);
  const pairs: KeyValue[] = [];
  for (let at = 0; at + 2 < args.length; at += 3) {
    if (args[at] === "") throw new FrontendError(`${instruction} names can not be blank`);
    pairs.push({ key: args[at]!, value: args[at + 1]!, noDelim: args[at + 2] === "" });
  }
  return pairs;
}

function parseFrom(node: Node, linter: Linter): Stage {
  const { args } = node;
  const location = linesOf(node.startLine, node.endLine);
  if (args.length === 3 && args[2] !== args[2]!.toLowerCase()) linter.run("StageNameCasing", location, args[2]!);
  if (args.length >= 3 && !asMatchesFrom(node.instruction, args[1]!)) {
    linter.run("FromAsCasing", location, node.instruction, args[1]!);
  }
  const name = stageName(args);
  const flags = parseFlags(node.flags, { platform: "string" });
  if (name !== "") lintDescription("FROM", [name], node, linter);
  return {
    kind: "from",
    name,
    baseName: args[0]!,
    platform: flags.string("platform"),
    instruction: node.instruction,
    code: trimSpace(node.original),
    location,
    comments: node.comments,
    docComment: docComment(node.comments, name),
    commands: [],
  };
}

function asMatchesFrom(from: string, as: string): boolean {
  if (from === from.toLowerCase()) return as === as.toLowerCase();
  return from !== from.toUpperCase() || as === as.toUpperCase();
}

function stageName(args: readonly string[]): string {
  if (args.length === 3 && args[1]!.toLowerCase() === "as") {
    const name = args[2]!.toLowerCase();
    if (/^[a-z][a-z0-9-_.]*$/.test(name)) return name;
    throw new FrontendError(
      `invalid name for build stage: ${quote(args[2]!)}, name can't start with a number or contain symbols`,
    );
  }
  if (args.length !== 1) throw new FrontendError("FROM requires either one or three arguments");
  return "";
}

function onbuildExpression(node: Node): string {
  atLeastOne(node, "ONBUILD");
  parseFlags(node.flags);
  const trigger = trimSpace(node.args[0]!).toUpperCase();
  if (trigger === "ONBUILD") throw new FrontendError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === "MAINTAINER" || trigger === "FROM") {
    throw new FrontendError(`${trigger} isn't allowed as an ONBUILD trigger`);
  }
  const text = node.original.replace(/^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*/i, "");
  return text + node.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`).join("");
}

function commandLine(node: Node): CommandLine {
  return {
    args: node.json ? node.args : node.args.length === 0 ? [] : [node.args.join(" ")],
    files: node.heredocs.map(({ name, content, chomp }) => ({ name, data: content, chomp })),
    prependShell: !node.json,
  };
}

function parseRun(node: Node): Omit<RunCommand, "kind" | "name" | "code" | "location" | "comments"> {
  const flags = parseFlags(node.flags, {
    mount: "strings",
    network: "string",
    security: "string",
    device: "strings",
  });
  const command = commandLine(node);
  const mountFlags = flags.strings("mount");
  const devices = flags.strings("device");
  for (const device of devices) checkDevice(device);
  const mounts = mountFlags.map((flag) => parseMount(flag, undefined));
  const network = flags.string("network", "default");
  if (network !== "default" && network !== "none" && network !== "host") {
    throw new FrontendError(`invalid network mode ${quote(network)}`);
  }
  const security = flags.string("security", "sandbox");
  if (security !== "sandbox" && security !== "insecure") {
    throw new FrontendError(`security ${quote(security)} is not valid`);
  }
  return { command, mountFlags, mounts, network, security, devices };
}

function parseVolumes(node: Node): string[] {
  atLeastOne(node, "VOLUME");
  parseFlags(node.flags);
  return node.args.map((arg) => {
    const volume = trimSpace(arg);
    if (volume === "") throw new FrontendError("VOLUME specified can not be an empty string");
    return volume;
  });
}

function parseArgs(node: Node): ArgPair[] {
  atLeastOne(node, "ARG");
  return node.args.map((arg) => {
    const at = arg.indexOf("=");
    if (at === 0) throw new FrontendError("ARG names can not be blank");
    const key = at < 0 ? arg : arg.slice(0, at);
    return { key, value: at < 0 ? undefined : arg.slice(at + 1), docComment: docComment(node.comments, key) };
  });
}

function parseShell(node: Node): readonly string[] {
  parseFlags(node.flags);
  atLeastOne(node, "SHELL");
  if (node.json) return node.args;
  throw new FrontendError(`SHELL requires the arguments to be in JSON form`);
}

function docComment(comments: readonly string[] | undefined, name: string): string {
  if (name === "") return "";
  return comments?.find((comment) => comment.startsWith(`${name} `))?.slice(name.length + 1) ?? "";
}

function lintDescription(instruction: string, keys: readonly string[], node: Node, linter: Linter): void {
  const last = node.comments?.at(-1);
  if (last === undefined || keys.length === 0 || keys.includes(last.split(" ", 1)[0]!)) return;
  const example = keys.length > 1 ? "<arg_key>" : keys[0]!;
  linter.run("InvalidDefinitionDescription", linesOf(node.startLine, node.endLine), instruction, example);
}
