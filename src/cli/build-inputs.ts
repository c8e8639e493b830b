// Where a build's files come from: the context (a folder, standard input, a repository, a file from the web), the Dockerfile's folder
// (which may lie elsewhere, or be made for a Dockerfile from stdin or a URL), and named contexts. Counterpart: docker/buildx build/opt.go loadInputs.

import { readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { BuildError } from "../base/index.ts";
import { fetchDockerfile } from "./dockerfile-url.ts";
import { isDirectory, isHttpUrl, isRemote } from "./input-paths.ts";
import { addNamedContexts } from "./named-contexts.ts";
import { readDockerfile, readStdin } from "./stdin-context.ts";

export interface BuildInputs {
  /** Local sources of the session. */
  readonly dirs: Map<string, string>;
  /** Frontend attributes. */
  readonly attributes: Map<string, string>;
  /** The context folder, absolute; undefined when it is not one of the user's. */
  readonly contextDir: string | undefined;
  /** Files that the session sends, by the id that it is asked for. */
  readonly uploads: ReadonlyMap<string, string>;
}

export interface InputOptions {
  readonly context: string;
  /** `--file`; empty when absent. */
  readonly file: string;
  /** `--build-context NAME=VALUE` entries. */
  readonly contexts: readonly string[];
  readonly cwd: string;
  readonly stdin: () => NodeJS.ReadableStream;
  /** Owns the folders that are made. */
  readonly cleanup: AsyncDisposableStack;
}

interface Dockerfile {
  /** Undefined when the file is in the context, which is elsewhere. */
  readonly dir: string | undefined;
  readonly name: string;
}

/** Finds every input. @throws Error or BuildError in buildx's words. */
export async function findInputs(options: InputOptions): Promise<BuildInputs> {
  const { context, file, cwd, cleanup } = options;
  const dirs = new Map<string, string>();
  const attributes = new Map<string, string>();
  const uploads = new Map<string, string>();
  let contextDir: string | undefined;
  let dockerfile: Dockerfile;

  if (context === "-") {
    if (file === "-") throw new Error("invalid argument: can't use stdin for both build context and dockerfile");
    const content = await readStdin(options.stdin(), () => temporaryDir("stdin", cleanup));
    if (content.kind === "archive") {
      uploads.set(content.id, content.path);
      attributes.set("context", content.url);
      dockerfile = dockerfileElsewhere(file, attributes);
    } else {
      if (file !== "") throw new Error("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
      dirs.set("context", await temporaryDir("empty-dir", cleanup));
      dockerfile = await dockerfileFrom(content.bytes, attributes, cleanup);
    }
  } else if (isDirectory(resolve(cwd, context))) {
    contextDir = resolve(cwd, context);
    dirs.set("context", contextDir);
    if (file === "-") dockerfile = await dockerfileFrom(await readDockerfile(options.stdin()), attributes, cleanup);
    else if (file === "") dockerfile = { dir: contextDir, name: "Dockerfile" };
    else dockerfile = { dir: resolve(cwd, dirname(file)), name: basename(file) };
  } else if (isRemote(context)) {
    attributes.set("context", context);
    if (file === "-") dockerfile = await dockerfileFrom(await readDockerfile(options.stdin()), attributes, cleanup);
    else dockerfile = dockerfileElsewhere(file, attributes);
  } else {
    throw new BuildError(`unable to prepare context: path ${JSON.stringify(context)} not found`, {
      code: "CONTEXT_NOT_FOUND",
      status: "InvalidArgument",
      hint: "the last argument is the folder to build from; use . for the current one",
    });
  }
  if (isHttpUrl(file)) dockerfile = await dockerfileFrom(await fetchDockerfile(file), attributes, cleanup);
  if (dockerfile.dir !== undefined) {
    if (!isDirectory(dockerfile.dir)) {
      throw new BuildError(`failed to read dockerfile: open ${file}: no such file or directory`, {
        code: "DOCKERFILE_NOT_FOUND",
        status: "NotFound",
      });
    }
    dirs.set("dockerfile", dockerfile.dir);
  }
  attributes.set("filename", lowercaseIfOnly(dockerfile));
  await addNamedContexts({ contexts: options.contexts, cwd, dirs, attributes });
  return { dirs, attributes, contextDir, uploads };
}

/** With a context from elsewhere, a file is one of it, unless its path is absolute. */
function dockerfileElsewhere(file: string, attributes: Map<string, string>): Dockerfile {
  if (!isAbsolute(file)) return { dir: undefined, name: file === "" ? "Dockerfile" : file };
  attributes.set("dockerfilekey", "dockerfile");
  return { dir: dirname(file), name: basename(file) };
}

/** A file named `dockerfile` serves where `Dockerfile` is looked for and only the former is there. */
function lowercaseIfOnly({ dir, name }: Dockerfile): string {
  if (name !== "Dockerfile" || dir === undefined) return name;
  const names = tryList(dir);
  return !names.includes("Dockerfile") && names.includes("dockerfile") ? "dockerfile" : name;
}

function tryList(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** Puts a Dockerfile into a folder of its own. */
async function dockerfileFrom(
  bytes: Uint8Array,
  attributes: Map<string, string>,
  cleanup: AsyncDisposableStack,
): Promise<Dockerfile> {
  const dir = await temporaryDir("dockerfile", cleanup);
  await writeFile(join(dir, "Dockerfile"), bytes);
  attributes.set("dockerfilekey", "dockerfile");
  return { dir, name: "Dockerfile" };
}

async function temporaryDir(what: string, cleanup: AsyncDisposableStack): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), `slipway-${what}-`));
  cleanup.defer(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
