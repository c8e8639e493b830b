// `-o`: what to export and where to. Each entry becomes an exporter of the request and, where it writes files, a target of the
// session. Counterpart: docker/buildx util/buildflags/export.go, build/opt.go CreateExports.

import { realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { BuildError, errnoOf } from "../base/index.ts";
import type { ImageLoader, OutputTarget } from "../engine/index.ts";
import type { LoadPlace } from "./command.ts";
import { parseCsv } from "./csv.ts";
import { goBool } from "./flags.ts";

export interface OutputEntry {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** As given; undefined when the entry names none. */
  readonly destination: string | undefined;
}

export interface ResolvedOutput {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly target: OutputTarget | undefined;
}

const exporterTypes = ["image", "local", "tar", "oci", "docker", "registry", "cacheonly"];

/** Reads one `-o` value: a folder, `-`, or `type=…,dest=…,key=value`. */
export function parseOutput(text: string): OutputEntry {
  const fields = parseCsv(text);
  if (fields.length === 1 && fields[0] === text && !text.startsWith("type=")) {
    return { type: text === "-" ? "tar" : "local", attributes: new Map(), destination: text };
  }
  const attributes = new Map<string, string>();
  let type = "";
  let destination: string | undefined;
  for (const field of fields) {
    const equals = field.indexOf("=");
    if (equals < 0) throw new Error(`invalid value ${field}`);
    const key = field.slice(0, equals).toLowerCase().trim();
    const value = field.slice(equals + 1);
    if (key === "type") type = value;
    else if (key === "dest") destination = value;
    else attributes.set(key, value);
  }
  if (type === "") throw new Error("type is required for output");
  return { type, attributes, destination };
}

/** Outputs with what `--push` and `--load` add. Counterpart: docker/buildx commands/build.go. */
export function withShorthands(
  entries: readonly OutputEntry[],
  { push, load }: { readonly push: boolean; readonly load: boolean },
): OutputEntry[] {
  let result = [...entries];
  const plain = (type: string, attributes: [string, string][]): OutputEntry => ({
    type,
    attributes: new Map(attributes),
    destination: undefined,
  });
  if (push) {
    const images = result.some(({ type }) => type === "image");
    result = result.map((each) =>
      each.type === "image" ? { ...each, attributes: new Map([...each.attributes, ["push", "true"]]) } : each,
    );
    if (!images && !result.some(({ type }) => type === "registry")) result.push(plain("image", [["push", "true"]]));
  }
  if (load && !result.some(({ type, destination }) => type === "docker" && destination === undefined)) {
    result.push(plain("docker", []));
  }
  return result;
}

export interface ResolveOptions {
  readonly cwd: string;
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly openLoader: (place: LoadPlace) => Promise<ImageLoader>;
  /** `--allow buildx.local.delete` was given. */
  readonly localDelete: boolean;
}

/** Decides where each entry writes and refuses what can't work before anything is built; `cacheonly` entries drop out. */
export async function resolveOutputs(
  entries: readonly OutputEntry[],
  options: ResolveOptions,
): Promise<ResolvedOutput[]> {
  const resolved: ResolvedOutput[] = [];
  let stdoutTaken = false;
  for (const { type, attributes, destination } of entries) {
    if (!exporterTypes.includes(type)) {
      throw new BuildError(`exporter ${JSON.stringify(type)} could not be found`, {
        code: "EXPORTER_UNKNOWN",
        status: "InvalidArgument",
        hint: `known types are ${exporterTypes.join(", ")}`,
      });
    }
    if (type === "cacheonly") continue;
    if (type === "registry") {
      resolved.push({ type: "image", attributes: new Map([...attributes, ["push", "true"]]), target: undefined });
      continue;
    }
    const asTar =
      type === "tar" || ((type === "oci" || type === "docker") && (goBool(attributes.get("tar") ?? "") ?? true));
    if (type === "local" || ((type === "oci" || type === "docker") && !asTar)) {
      const target = await directoryTarget(type, destination, options.cwd);
      if (type === "local") await checkDelete(attributes.get("mode"), target, options);
      resolved.push({ type, attributes, target: { kind: "directory", path: target } });
      continue;
    }
    if (!asTar) {
      resolved.push({ type, attributes, target: undefined });
      continue;
    }
    if (destination === undefined && type === "docker") {
      const rest = new Map(attributes);
      const place: Record<string, string> = {};
      for (const name of ["context", "into", "namespace", "address"]) {
        const value = attributes.get(name);
        if (value !== undefined) place[name] = value;
        rest.delete(name);
      }
      const loader = await options.openLoader({ context: "", ...place });
      resolved.push({ type, attributes: rest, target: { kind: "loader", loader } });
      continue;
    }
    if (destination === undefined || destination === "" || destination === "-") {
      if (stdoutTaken) throw new Error("multiple outputs configured to write to stdout");
      if (options.stdout.isTTY === true)
        throw new Error(`dest file is required for ${type} exporter. refusing to write to console`);
      stdoutTaken = true;
      resolved.push({ type, attributes, target: { kind: "stream", stream: options.stdout } });
      continue;
    }
    const path = resolve(options.cwd, destination);
    const info = await statIfThere(path, `invalid destination file: ${destination}`);
    if (info?.isDirectory() === true) throw new Error(`destination file ${destination} is a directory`);
    resolved.push({ type, attributes, target: { kind: "file", path } });
  }
  return resolved;
}

async function directoryTarget(type: string, destination: string | undefined, cwd: string): Promise<string> {
  if (destination === undefined || destination === "") throw new Error(`dest is required for ${type} exporter`);
  if (destination === "-") throw new Error(`dest cannot be stdout for ${type} exporter`);
  const path = resolve(cwd, destination);
  const info = await statIfThere(path, `invalid destination directory: ${destination}`);
  if (info && !info.isDirectory()) throw new Error(`destination directory ${destination} is a file`);
  return path;
}

async function statIfThere(path: string, complaint: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw new Error(`${complaint}: ${errnoOf(error) ?? String(error)}`, { cause: error });
  }
}

/** `mode=delete` empties the destination first, so it stays below the working directory unless allowed. */
async function checkDelete(
  mode: string | undefined,
  path: string,
  { cwd, localDelete }: ResolveOptions,
): Promise<void> {
  if (mode !== "delete" || localDelete) return;
  const from = relative(await realpath(cwd), await realExistingPath(path));
  if (from !== "" && !isAbsolute(from) && from !== ".." && !from.startsWith(`..${sep}`)) return;
  throw new Error(
    `local output mode=delete for destination ${JSON.stringify(path)} requires --allow=buildx.local.delete`,
  );
}

async function realExistingPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    return join(await realExistingPath(dirname(path)), path.slice(dirname(path).length));
  }
}
