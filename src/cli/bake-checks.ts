// What is checked of a target before anything is printed or built, and the form that its outputs and paths take then.
// Counterpart: docker/buildx bake/bake.go toBuildOpt, build/opt.go CreateExports, CreateSecrets, CreateSSH.

import { readFileSync, statSync } from "node:fs";
import { posix, resolve } from "node:path";
import { errnoOf } from "../base/index.ts";
import { parsePlatform } from "../formats/oci/index.ts";
import { parseGitRef } from "../frontends/dockerfile/index.ts";
import { cleanPath, isRemote } from "../frontends/bake/index.ts";
import type { OutputEntry, Target } from "../frontends/bake/index.ts";
import { readPrivateKey } from "../service/ssh-keys/index.ts";
import { systemError } from "./bake-files.ts";
import { annotations, resourceLimits } from "./build-values.ts";
import type { Shell } from "./command.ts";
import { goBool } from "./flags.ts";
import { parseSize } from "./sizes.ts";
import { parseUlimit } from "./ulimits.ts";

const MAX_SECRET_BYTES = 500 * 1024;

/** Checks a target and completes it: a clean context, `-` for outputs to stdout. @throws Error in buildx's words. */
export function checkTarget(target: Target, shell: Shell): void {
  if (target.context === "-") throw new Error("context from stdin not allowed in bake");
  if (target.dockerfile === "-") throw new Error("dockerfile from stdin not allowed in bake");
  target.context = plainContext(target.context ?? ".");
  if (target["shm-size"] !== undefined) checkShmSize(target["shm-size"]);
  for (const platform of target.platforms ?? []) parsePlatforms(platform);
  for (const secret of target.secret ?? []) checkSecret(secret, shell);
  const gitOverSsh = (target.ssh ?? []).length === 0 && isGitOverSsh(target.context);
  for (const ssh of gitOverSsh ? [{ id: "default", paths: [] }] : (target.ssh ?? [])) checkSsh(ssh, shell);
  if (target.output !== undefined) target.output = checkOutputs(target.output, shell);
  checkAnnotations(target);
  for (const ulimit of target.ulimits ?? []) parseUlimit(ulimit);
  resourceLimits(resourceTexts(target));
}

/** Limits as `--resource` takes them. */
export function resourceTexts(target: Target): string[] {
  return Object.entries(target.resources ?? {}).map(([name, value]) => `${name}=${String(value)}`);
}

function plainContext(context: string): string {
  if (context.startsWith("cwd://")) return cleanPath(context.slice("cwd://".length));
  return isRemote(context) ? context : cleanPath(context);
}

function checkShmSize(text: string): void {
  try {
    parseSize(text);
  } catch {
    throw new Error(`invalid value ${text} for membytes key shm-size`);
  }
}

function parsePlatforms(text: string): void {
  for (const name of text.split(",")) {
    const platform = name.trim();
    if (platform !== "" && platform !== "local") parsePlatform(platform);
  }
}

function checkAnnotations(target: Target): void {
  try {
    annotations(target.annotations ?? []);
  } catch (error) {
    throw new Error((error as Error).message.replace(/^parse annotations: /, ""), { cause: error });
  }
  for (const annotation of target.annotations ?? []) {
    const types = /^([^=:]*):/.exec(annotation)?.[1] ?? "";
    for (const [, platform] of types.matchAll(/\[([^\]]*)\]/g)) {
      try {
        parsePlatform(platform!);
      } catch (error) {
        throw new Error(`invalid platform ${JSON.stringify(platform)}: ${(error as Error).message}`, { cause: error });
      }
    }
  }
}

function checkSecret({ id, src, env }: { id: string; src: string; env: string }, shell: Shell): void {
  if (id === "") throw new Error("secret missing ID");
  const path = src !== "" ? src : env === "" && shell.env[id] === undefined ? id : "";
  if (path === "") return;
  let size: number;
  try {
    size = statSync(resolve(shell.cwd, path)).size;
  } catch (error) {
    throw new Error(`failed to stat ${path}: ${systemError("stat", path, error).message}`, { cause: error });
  }
  if (size > MAX_SECRET_BYTES) throw new Error(`secret ${id} too big. max size 500KiB`);
}

function isGitOverSsh(context: string): boolean {
  const parsed = parseGitRef(context);
  return parsed.kind === "git" && (/^ssh:\/\//.test(parsed.ref.remote) || /^[^/]+@[^/]+:/.test(parsed.ref.remote));
}

function checkSsh({ id, paths }: { id: string; paths: readonly string[] }, shell: Shell): void {
  const config = `failed to convert agent config {${id} [${paths.join(" ")}] false}`;
  const agent = paths.length === 0 || (paths.length === 1 && paths[0] === "");
  const sources = agent ? [shell.env["SSH_AUTH_SOCK"] ?? ""] : paths;
  if (sources[0] === "") {
    throw new Error(`${config}: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set`);
  }
  const fail = (why: string) =>
    new Error(`${config}: failed to convert agent config for ID: ${JSON.stringify(id)}: ${why}`);
  let sockets = 0;
  for (const path of sources) {
    const where = resolve(shell.cwd, path);
    let isSocket: boolean;
    try {
      isSocket = statSync(where).isSocket();
    } catch (error) {
      throw fail(systemError("stat", path, error).message);
    }
    if (isSocket) {
      sockets++;
      continue;
    }
    const text = readFileSync(where, "utf8");
    if (!/-----BEGIN [^-]+-----/.test(text)) throw fail(`failed to parse ${path}: ssh: no key found`);
    try {
      readPrivateKey(text);
    } catch {
      throw fail(`failed to parse ${path}`);
    }
  }
  if (sockets > 1) throw fail("only single socket allowed");
  if (sockets === 1 && sources.length > 1) throw fail("invalid combination of keys and sockets");
}

function checkOutputs(outputs: readonly OutputEntry[], shell: Shell): OutputEntry[] {
  let stdoutUsed = false;
  return outputs.map((output) => {
    const { type, attributes } = output;
    let { dest } = output;
    const tar = goBool(attributes["tar"] ?? "") ?? true;
    const isImageFile = type === "oci" || type === "docker";
    const toFolder = type === "local" || (isImageFile && !tar);
    const toFile = type === "tar" || (isImageFile && tar);
    if (toFolder) {
      if (dest === "") throw new Error(`dest is required for ${type} exporter`);
      if (dest === "-") throw new Error(`dest cannot be stdout for ${type} exporter`);
      if (isFolder(dest, shell) === false) throw new Error(`destination directory ${dest} is a file`);
    }
    if (toFile) {
      if (dest === "" && type !== "docker") dest = "-";
      if (dest === "-") {
        if (stdoutUsed) throw new Error("multiple outputs configured to write to stdout");
        if (shell.stdout.isTTY === true) {
          throw new Error(`dest file is required for ${type} exporter. refusing to write to console`);
        }
        stdoutUsed = true;
      } else if (dest !== "" && isFolder(dest, shell) === true)
        throw new Error(`destination file ${dest} is a directory`);
    }
    return { ...output, dest };
  });
}

/** Undefined where nothing is there. */
function isFolder(path: string, shell: Shell): boolean | undefined {
  try {
    return statSync(resolve(shell.cwd, path)).isDirectory();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The Dockerfile of a target as `--file` takes it. */
export function dockerfilePath({ context = ".", dockerfile = "Dockerfile" }: Target): string {
  if (dockerfile.startsWith("cwd://")) return cleanPath(dockerfile.slice("cwd://".length));
  if (isRemote(context) || posix.isAbsolute(dockerfile)) return dockerfile;
  return posix.join(context, dockerfile);
}
