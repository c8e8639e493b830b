// Where the main context comes from: a folder of the client, a git repository, a file or archive from the web, or the result
// of another build. Counterpart: moby/buildkit frontend/dockerui/context.go.

import { httpSource, State, stateOfDefinition } from "../../../graph/llb/index.ts";
import { wrapError } from "../source-error.ts";
import { isArchive } from "./archive-header.ts";
import type { ContextHost } from "./host.ts";
import { parseGitRef } from "./git-ref.ts";
import { gitSource } from "./git-source.ts";
import type { GitRef } from "./git-ref.ts";
import { tryParseBool } from "../go/parse.ts";

export interface BuildContext {
  /** Undefined means the client's folder. */
  readonly context: State | undefined;
  /** What the Dockerfile is read from, unless it is a folder of its own. */
  readonly dockerfile: State | undefined;
  readonly contextLocalName: string;
  readonly dockerfileLocalName: string;
  readonly filename: string;
  readonly forceLocalDockerfile: boolean;
}

/** Finds out, reading from the web where needed. @throws FrontendError */
export async function readBuildContext(client: ContextHost, signal: AbortSignal): Promise<BuildContext> {
  const { options } = client.gateway;
  const value = options[options["contextkey"] ?? "context"] ?? "";
  const dockerfileKey = options["dockerfilekey"];
  const start: BuildContext = {
    context: undefined,
    dockerfile: undefined,
    contextLocalName: "context",
    dockerfileLocalName: dockerfileKey ?? "dockerfile",
    filename: options["filename"] ?? "Dockerfile",
    forceLocalDockerfile: dockerfileKey !== undefined,
  };
  const found = await remoteContext(client, start, value, signal);
  const subDir = options["contextsubdir"];
  if (found.context === undefined || subDir === undefined) return found;
  return { ...found, context: scopedTo(found.context, subDir) };
}

async function remoteContext(
  client: ContextHost,
  start: BuildContext,
  value: string,
  signal: AbortSignal,
): Promise<BuildContext> {
  const { options } = client.gateway;
  const git = parseGitRef(value);
  if (git.kind === "bad") throw git.error;
  if (git.kind === "git") {
    const mtime = options["build-arg:SOURCE_DATE_EPOCH"] ? "commit" : "";
    const keepGitDir = tryParseBool(options["build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR"] ?? "") === true;
    const state = gitContext(git.ref, value, { keepGitDir, mtime });
    return { ...start, context: state, dockerfile: state };
  }
  if (/^https?:\/\//.test(value)) return httpContext(client, start, value, signal);
  const { inputs } = client.gateway;
  const input = (name: string) => (inputs[name] === undefined ? undefined : stateOfDefinition(inputs[name]));
  return {
    ...start,
    context: input("context"),
    dockerfile: start.forceLocalDockerfile ? undefined : input(start.dockerfileLocalName),
  };
}

/** A git repository as a context. */
export function gitContext(
  ref: GitRef,
  written: string,
  options: { readonly keepGitDir?: boolean; readonly mtime?: string } = {},
): State {
  return gitSource(ref.remote, {
    customName: `[internal] load git source ${written}`,
    ref: ref.ref,
    subDir: ref.subDir,
    checksum: ref.checksum,
    keepGitDir: ref.keepGitDir === true || options.keepGitDir === true,
    skipSubmodules: ref.submodules === false,
    mtime: ref.mtime || (options.mtime ?? ""),
    fetchByCommit: ref.fetchByCommit,
  });
}

async function httpContext(
  client: ContextHost,
  start: BuildContext,
  url: string,
  signal: AbortSignal,
): Promise<BuildContext> {
  const filename = "context";
  const source = httpSource(url, { filename, customName: "[internal] load remote build context" });
  let header: Uint8Array;
  let stage = "failed to resolve httpcontext";
  try {
    const ref = await client.solve(source, signal);
    stage = "failed to read downloaded context";
    header = await ref.readFile(filename, { range: { offset: 0, length: 1024 }, signal });
  } catch (error) {
    throw wrapError(error, stage);
  }
  if (!isArchive(header)) return { ...start, context: source, dockerfile: source, filename };
  const unpacked = State.scratch().file([
    { kind: "copy", from: source.output, source: `/${filename}`, destination: "/", attemptUnpack: true },
  ]);
  return { ...start, context: unpacked, dockerfile: unpacked };
}

function scopedTo(context: State, subDir: string): State {
  return State.scratch().file([
    {
      kind: "copy",
      from: context.output,
      fromDir: context.settings.dir,
      source: subDir,
      destination: "/",
      copyDirContents: true,
    },
  ]);
}
