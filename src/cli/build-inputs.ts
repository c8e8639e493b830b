// Where a build's files come from: the context folder, the Dockerfile's folder (which may lie elsewhere, or be made for a Dockerfile
// from stdin), and named contexts. Counterpart: docker/buildx build/opt.go loadInputs.

import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { BuildError, errnoOf } from "../base/index.ts";
import { contextKey, parseReference } from "../formats/oci/index.ts";
import { cut } from "./build-values.ts";
import { Failure } from "./error.ts";
import { later } from "./later.ts";

export interface BuildInputs {
  /** Local sources of the session. */
  readonly dirs: Map<string, string>;
  /** Frontend attributes. */
  readonly attributes: Map<string, string>;
  /** The context folder, absolute; undefined when it is not one of the user's. */
  readonly contextDir: string | undefined;
}

export interface InputOptions {
  readonly context: string;
  /** `--file`; empty when absent. */
  readonly file: string;
  /** `--build-context NAME=VALUE` entries. */
  readonly contexts: readonly string[];
  readonly cwd: string;
  readonly stdin: NodeJS.ReadableStream;
  /** Owns the folders that are made. */
  readonly cleanup: AsyncDisposableStack;
}

/** Finds every input. @throws Error or BuildError in buildx's words. */
export async function findInputs(options: InputOptions): Promise<BuildInputs> {
  const { context, file, cwd, cleanup } = options;
  const dirs = new Map<string, string>();
  const attributes = new Map<string, string>();
  let contextDir: string | undefined;
  let dockerfile: { dir: string; name: string };

  if (isRemote(file))
    throw later("a Dockerfile from a URL", `download it first: curl -fsSL ${file} | slipway build -f - .`);
  if (context === "-") {
    if (file === "-") throw new Error("invalid argument: can't use stdin for both build context and dockerfile");
    const bytes = await readAll(options.stdin);
    if (isArchive(bytes)) throw later("a build context from stdin", "unpack the archive into a folder and build that");
    if (file !== "") throw new Error("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
    dirs.set("context", await temporaryDir("empty-dir", cleanup));
    dockerfile = await dockerfileFrom(bytes, cleanup);
    attributes.set("dockerfilekey", "dockerfile");
  } else if (await isDirectory(resolve(cwd, context))) {
    contextDir = resolve(cwd, context);
    dirs.set("context", contextDir);
    if (file === "-") {
      dockerfile = await dockerfileFrom(await readAll(options.stdin), cleanup);
      attributes.set("dockerfilekey", "dockerfile");
    } else if (file === "") dockerfile = { dir: contextDir, name: "Dockerfile" };
    else dockerfile = { dir: resolve(cwd, dirname(file)), name: basename(file) };
  } else if (isRemote(context)) {
    throw later("a remote build context", "fetch it into a folder first (git clone, curl), and build that");
  } else {
    throw new BuildError(`unable to prepare context: path ${JSON.stringify(context)} not found`, {
      code: "CONTEXT_NOT_FOUND",
      status: "InvalidArgument",
      hint: "the last argument is the folder to build from; use . for the current one",
    });
  }
  if (!(await isDirectory(dockerfile.dir))) {
    throw new BuildError(`failed to read dockerfile: open ${file}: no such file or directory`, {
      code: "DOCKERFILE_NOT_FOUND",
      status: "NotFound",
    });
  }
  dirs.set("dockerfile", dockerfile.dir);
  attributes.set("filename", await lowercaseIfOnly(dockerfile));
  await addNamedContexts(options, dirs, attributes);
  return { dirs, attributes, contextDir };
}

async function addNamedContexts(
  { contexts, cwd }: InputOptions,
  dirs: Map<string, string>,
  attributes: Map<string, string>,
): Promise<void> {
  for (const text of contexts.filter((value) => value !== "")) {
    const { key, value } = cut(text, "=");
    if (value === undefined) throw new Error(`invalid context value: ${text}, expected key=value`);
    const name = contextKey(Failure.of(`invalid context name ${key}`, () => parseReference(key)));
    attributes.set("frontend.caps", "moby.buildkit.frontend.contexts+forward");
    if (value.startsWith("docker-image://") || value.startsWith("target:") || isRemote(value)) {
      attributes.set(`context:${name}`, value);
      continue;
    }
    if (value.startsWith("oci-layout://")) throw later("a named context from an OCI layout");
    const path = resolve(cwd, value);
    const info = await stat(path).catch((error: unknown) => {
      throw new Error(`failed to get build context ${name}: stat ${value}: ${reasonOf(error)}`, { cause: error });
    });
    if (!info.isDirectory()) throw new Error(`failed to get build context path ${value}: not a directory`);
    const local = name === "context" || name === "dockerfile" ? `_${name}` : name;
    dirs.set(local, path);
    attributes.set(`context:${name}`, `local:${local}`);
  }
}

/** A file named `dockerfile` serves where `Dockerfile` is looked for and only the former is there. */
async function lowercaseIfOnly({ dir, name }: { dir: string; name: string }): Promise<string> {
  if (name !== "Dockerfile") return name;
  const names = await readdir(dir).catch(() => [] as string[]);
  return !names.includes("Dockerfile") && names.includes("dockerfile") ? "dockerfile" : name;
}

async function dockerfileFrom(
  bytes: Uint8Array,
  cleanup: AsyncDisposableStack,
): Promise<{ dir: string; name: string }> {
  const dir = await temporaryDir("dockerfile", cleanup);
  await writeFile(join(dir, "Dockerfile"), bytes);
  return { dir, name: "Dockerfile" };
}

async function temporaryDir(what: string, cleanup: AsyncDisposableStack): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), `slipway-${what}-`));
  cleanup.defer(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function isArchive(bytes: Buffer): boolean {
  const magics = ["425a68", "1f8b08", "fd377a585a00", "28b52ffd"];
  if (magics.some((magic) => bytes.subarray(0, magic.length / 2).toString("hex") === magic)) return true;
  return bytes.length >= 512 && bytes.subarray(257, 262).toString("latin1") === "ustar";
}

function isRemote(text: string): boolean {
  return /^(https?:\/\/|git:\/\/|ssh:\/\/|git@|github\.com\/)/.test(text);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const reason = errnoOf(error);
    if (reason === "ENOENT" || reason === "ENOTDIR") return false;
    throw new Error(`unable to prepare context: ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  switch (errnoOf(error)) {
    case "ENOENT":
      return "no such file or directory";
    case "EACCES":
      return "permission denied";
    default:
      return errnoOf(error) ?? String(error);
  }
}
