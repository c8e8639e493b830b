// Finds and reads the files of a bake definition. Counterpart: docker/buildx commands/bake.go readBakeFiles, bakeEnvFiles.

import { readFileSync, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import { errnoOf } from "../base/index.ts";
import type { DefinitionFile } from "../frontends/bake/index.ts";
import type { Shell } from "./command.ts";

const defaultNames = [
  "compose.yaml",
  "compose.yml",
  "docker-compose.yml",
  "docker-compose.yaml",
  "docker-bake.json",
  "docker-bake.hcl",
  "docker-bake.override.json",
  "docker-bake.override.hcl",
];

const systemErrors: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EISDIR: "is a directory",
  EACCES: "permission denied",
  ENOTDIR: "not a directory",
  ELOOP: "too many levels of symbolic links",
};

/** An error of the system in Go's words: `open x: no such file or directory`. */
export function systemError(what: string, path: string, error: unknown): Error {
  const code = errnoOf(error) ?? "";
  return new Error(`${what} ${path}: ${systemErrors[code] ?? code}`, { cause: error });
}

/** Files named with -f, else by the environment, else those of the usual names that exist. Empty files count as absent. */
export async function readBakeFiles(given: readonly string[], shell: Shell): Promise<DefinitionFile[]> {
  const named = given.length > 0 ? given : namesFromEnvironment(shell);
  const names = (named.length > 0 ? named : defaultNames).map((name) => name.replace(/^cwd:\/\//, ""));
  const files: DefinitionFile[] = [];
  for (const name of names) {
    if (name === "-") {
      files.push({ name, data: await readAll(shell.stdin) });
      continue;
    }
    const data = readNamed(name, shell.cwd, named.length === 0);
    if (data !== undefined && data.length > 0) files.push({ name, data });
  }
  if (files.length === 0) throw new Error("couldn't find a bake definition");
  return files;
}

function namesFromEnvironment({ env, cwd }: Shell): string[] {
  const list = env["BUILDX_BAKE_FILE"];
  if (list === undefined) return [];
  const separator = env["BUILDX_BAKE_PATH_SEPARATOR"] || delimiter;
  const names = list
    .split(separator)
    .map((name) => name.trim())
    .filter((name) => name !== "");
  for (const name of names) {
    if (name === "-") continue;
    try {
      statSync(resolve(cwd, name));
    } catch (error) {
      throw systemError("stat", name, error);
    }
  }
  return names;
}

function readNamed(name: string, cwd: string, mayBeAbsent: boolean): Uint8Array | undefined {
  try {
    return readFileSync(resolve(cwd, name));
  } catch (error) {
    const code = errnoOf(error);
    if (mayBeAbsent && code === "ENOENT") return undefined;
    if (code === "EISDIR") throw systemError("read", name, error);
    throw systemError("open", name, error);
  }
}

async function readAll(stream: AsyncIterable<string | Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}
