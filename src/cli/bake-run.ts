// Runs `slipway bake`: reads the definition, works out what is asked for, then prints, lists or builds it.
// Counterpart: docker/buildx commands/bake.go runBake.

import {
  attestFlag,
  isRemote,
  parseDefinition,
  parsePolicy,
  printDefinition,
  readOverrides,
  resolveTargets,
} from "../frontends/bake/index.ts";
import type { ComposeReader, DefinitionFile, ParsedDefinition, Resolved } from "../frontends/bake/index.ts";
import { formatPlatform, hostPlatform } from "../formats/oci/index.ts";
import { checkTarget } from "./bake-checks.ts";
import type { ComposeReaderOptions } from "./bake-compose.ts";
import { checkEntitlements } from "./bake-entitlements.ts";
import { readBakeFiles } from "./bake-files.ts";
import { parseListRequest, renderList } from "./bake-list.ts";
import type { Invocation } from "./command.ts";
import { goBool } from "./flags.ts";
import { callOf } from "./call.ts";
import { later } from "./later.ts";

/** Resolves with the exit code. @throws Error in buildx's words for what is wrong. */
export async function runBake(invocation: Invocation): Promise<number> {
  const { flags, shell, args } = invocation;
  if (args[0] !== undefined && isRemote(args[0]))
    throw later("bake definitions from a URL", "check it out and bake there");
  const requested = args.length === 0 ? ["default"] : args;
  const overrideTexts = [...flags.list("set"), ...flagOverrides(invocation)];
  const policies = policyOverrides(flags.list("policy"));
  checkAllow(flags.list("allow"));
  const print = flags.bool("print");
  const list = listRequest(invocation);
  if (print && flags.string("list") !== "") throw new Error("--print and --list are mutually exclusive");

  const definition = await readDefinition(invocation);
  if (list !== undefined) {
    shell.stdout.write(renderList(definition, parseListRequest(list)));
    return 0;
  }
  const overrides = readOverrides([...overrideTexts, ...policies.overrides], targetNames(definition), (name) =>
    envLookupAllowed(invocation) ? shell.env[name] : "",
  );
  const resolved = resolveTargets(definition, requested, overrides);
  if (policies.disabled) {
    for (const target of resolved.targets.values()) target.policy = [{ files: [], reset: false, disabled: true }];
  }
  addEpoch(resolved, shell.env["SOURCE_DATE_EPOCH"] ?? "");
  for (const target of resolved.targets.values()) checkTarget(target, shell);
  if (print) {
    shell.stdout.write(`${printDefinition(resolved.groups, resolved.targets)}\n`);
    return 0;
  }
  await checkEntitlements(resolved.targets, flags.list("allow"), shell);
  return (await import("./bake-build.ts")).buildTargets(invocation, resolved);
}

async function readDefinition(invocation: Invocation): Promise<ParsedDefinition> {
  const { flags, shell } = invocation;
  const files = await readBakeFiles(flags.list("file"), shell);
  const variables = parseVariables(flags.list("var"));
  const fromEnvironment = envLookupAllowed(invocation);
  return parseDefinition(files, {
    lookup: (name) => variables.get(name) ?? (fromEnvironment ? shell.env[name] : undefined),
    builtins: new Map([
      ["BAKE_CMD_CONTEXT", "cwd://"],
      ["BAKE_LOCAL_PLATFORM", formatPlatform(hostPlatform())],
    ]),
    fileRelativePaths: fileRelativePaths(shell.env["BUILDX_BAKE_FILE_RELATIVE_PATHS"] ?? ""),
    compose: await composeReaderFor(files, {
      cwd: shell.cwd,
      variables: new Map(fromEnvironment ? definedEntries(shell.env) : []),
      overrides: variables,
      home: shell.env["HOME"],
      warn: (message) => void shell.stderr.write(`WARNING: ${message}\n`),
    }),
  });
}

function definedEntries(env: Invocation["shell"]["env"]): [string, string][] {
  return Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
}

/** The reader of compose files, which is loaded only where a file may be one. */
async function composeReaderFor(
  files: readonly DefinitionFile[],
  options: ComposeReaderOptions,
): Promise<ComposeReader> {
  if (files.some(({ name }) => !/\.(hcl|json)$/.test(name))) {
    return (await import("./bake-compose.ts")).composeReader(options);
  }
  const none = (): never => {
    throw new Error("no file is a compose file");
  };
  return { check: none, load: none };
}

function targetNames({ targets }: ParsedDefinition): string[] {
  return targets.map(({ name }) => name);
}

/** Flags that stand for overrides of all targets. */
function flagOverrides({ flags }: Invocation): string[] {
  const overrides: string[] = [];
  if (flags.bool("push")) overrides.push("*.push=true");
  if (flags.bool("load")) overrides.push("*.load=true");
  const call = callOf(flags);
  if (call !== undefined) overrides.push(`*.call=${call.name}`);
  if (flags.has("no-cache")) overrides.push(`*.no-cache=${flags.bool("no-cache")}`);
  if (flags.has("pull")) overrides.push(`*.pull=${flags.bool("pull")}`);
  for (const type of ["sbom", "provenance"]) {
    if (flags.string(type) !== "") overrides.push(`*.attest=${attestFlag(type, flags.string(type))}`);
  }
  return overrides;
}

function policyOverrides(texts: readonly string[]): { overrides: string[]; disabled: boolean } {
  const policies = texts.map(parsePolicy);
  for (const policy of policies) {
    if (policy.files.length > 0) {
      throw new Error("--policy does not accept filename; define policy files in the bake definition");
    }
    if (policy.reset) {
      throw new Error("--policy does not accept reset; define policy composition in the bake definition");
    }
    if (!policy.disabled) continue;
    if (policy.strict !== undefined || policy.logLevel !== undefined || policies.length > 1) {
      throw new Error("disabled policy cannot be combined with other policy flags");
    }
    return { overrides: [], disabled: true };
  }
  return { overrides: texts.map((text) => `*.policy+=${text}`), disabled: false };
}

const bareEntitlements = ["network.host", "security.insecure", "ssh", "buildx.local.delete"];
const valuedEntitlements = ["device", "fs.read", "fs.write", "fs", "image.push", "image.load", "image"];

function checkAllow(values: readonly string[]): void {
  for (const text of values) {
    if (bareEntitlements.includes(text)) continue;
    const key = text.split("=", 1)[0]!;
    if (key === "buildx.local.delete") throw new Error(`${key} does not accept a value`);
    if (!valuedEntitlements.includes(key)) throw new Error(`unknown entitlement key ${JSON.stringify(key)}`);
  }
}

function listRequest({ flags }: Invocation): string | undefined {
  const list = flags.string("list");
  if (list !== "") return list;
  if (flags.bool("list-targets")) return "targets";
  return flags.bool("list-variables") ? "variables" : undefined;
}

function envLookupAllowed({ shell }: Invocation): boolean {
  return goBool(shell.env["BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP"] ?? "") !== true;
}

function fileRelativePaths(text: string): boolean {
  const value = text.trim();
  if (value === "") return false;
  const enabled = goBool(value);
  if (enabled !== undefined) return enabled;
  throw new Error(
    `failed to parse BUILDX_BAKE_FILE_RELATIVE_PATHS value ${JSON.stringify(value)}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
  );
}

function parseVariables(texts: readonly string[]): Map<string, string> {
  const variables = new Map<string, string>();
  for (const text of texts.filter((each) => each !== "")) {
    const at = text.indexOf("=");
    if (at < 0) throw new Error(`invalid variable ${JSON.stringify(text)}, expected key=value`);
    if (at === 0) throw new Error(`invalid variable ${JSON.stringify(text)}, key is empty`);
    variables.set(text.slice(0, at), text.slice(at + 1));
  }
  return variables;
}

function addEpoch({ targets }: Resolved, epoch: string): void {
  if (epoch === "") return;
  for (const target of targets.values()) {
    if (target.args?.has("SOURCE_DATE_EPOCH") !== true) (target.args ??= new Map()).set("SOURCE_DATE_EPOCH", epoch);
  }
}
