// Runs `slipway build`: checks everything that can be checked first, then builds under one display and one abort signal, then reports.
// Counterpart: docker/buildx commands/build.go runBuild.

import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve, sep } from "node:path";
import { BuildError, errnoOf } from "../base/index.ts";
import type { ExporterResponse } from "../service/builders/index.ts";
import { openLocalSession } from "../service/session/index.ts";
import { findInputs, type BuildInputs } from "./build-inputs.ts";
import { buildReport, imageId, metadataJson, writeWhole } from "./build-report.ts";
import { buildRequest, noticesOf, refuseLaterFeatures, tagsOf } from "./build-request.ts";
import { entitlements, sessionSources } from "./build-values.ts";
import type { Invocation, Shell } from "./command.ts";
import { type Call, callOf, printAnswer } from "./call.ts";
import { Failure } from "./error.ts";
import { goBool } from "./flags.ts";
import { proxyBuildArgs } from "./proxy-config.ts";
import { underDisplay } from "./under-display.ts";
import { parseOutput, resolveOutputs, withShorthands, type ResolvedOutput } from "./outputs.ts";
import { type DisplayMode, displayModes } from "./progress/index.ts";
import { vcsAttributes } from "./vcs.ts";

/** Resolves with the exit code: 0, or 128 plus the signal's number. @throws Failure. */
export async function runBuild(invocation: Invocation): Promise<number> {
  const { flags, shell, args } = invocation;
  const context = args[0]!;
  refuseLaterFeatures(flags, shell.env);
  const call = callOf(flags);
  const mode = displayModeOf(invocation);
  for (const notice of noticesOf(flags)) shell.stderr.write(`WARNING: ${notice}\n`);
  const given = flags
    .list("output")
    .filter((text) => text !== "")
    .map(parseOutput);
  const entries = withShorthands(given, { push: flags.bool("push"), load: flags.bool("load") });
  const iidFile = pathFlag(invocation, "iidfile");
  if (iidFile !== undefined) {
    if (entries.some(({ type }) => type === "local" || type === "tar")) {
      throw new Error("local and tar exporters are incompatible with image ID file");
    }
    await removeStale(iidFile);
  }
  const sources = sessionSources(flags, shell.cwd);

  await using cleanup = new AsyncDisposableStack();
  const prepared = await Failure.wrap("failed to build", async () => {
    tagsOf(flags);
    const { localDelete } = entitlements(flags.list("allow"));
    const asked = await resolveOutputs(entries, {
      cwd: shell.cwd,
      stdout: shell.stdout,
      localDelete,
      openLoader: shell.openLoader,
    });
    const outputs: ResolvedOutput[] =
      entries.length > 0 ? asked : [{ type: "image", attributes: new Map(), target: undefined }];
    refuseTargets(flags.list("build-context"));
    const inputs = await findInputs({
      context,
      file: flags.string("file"),
      contexts: flags.list("build-context"),
      cwd: shell.cwd,
      // Looking at it opens it.
      stdin: () => shell.stdin,
      cleanup,
    });
    const warn = (text: string) => void shell.stderr.write(`WARNING: ${text}\n`);
    const vcs = await vcsAttributes({ inputs, file: flags.string("file"), env: shell.env, cwd: shell.cwd, warn });
    const session = cleanup.use(
      await openLocalSession({
        dirs: inputs.dirs,
        ...sources,
        outputs: outputs.map(({ target }) => target),
        uploads: inputs.uploads,
        env: shell.env,
      }),
    );
    const request = buildRequest({
      flags,
      env: shell.env,
      inputs: new Map([...inputs.attributes, ...vcs]),
      defaultArgs: proxyBuildArgs(shell.env),
      outputs,
      cwd: shell.cwd,
      session: session.id,
      ref: newRef(),
    });
    return { outputs, inputs, session, request };
  });
  const { outputs, inputs, session, request } = prepared;

  const builder = cleanup.use(
    await shell.openBuilder({
      builder: flags.string("builder"),
      root: invocation.root,
      parallelism: Math.max(1, flags.number("parallelism") ?? availableParallelism()),
      standInBases: flags.has("stand-in-bases") ? flags.bool("stand-in-bases") : isExample(inputs, shell),
    }),
  );
  const ended = await underDisplay(
    { shell, mode, expandWarnings: invocation.debug, summary: call === undefined },
    (work) => builder.solve(request, session, work),
  );
  if (ended.kind === "interrupted") {
    shell.stderr.write("ERROR: failed to build: failed to solve: Canceled: context canceled\n");
    return ended.exitCode;
  }
  if (ended.kind === "failed") throw new Failure("failed to build: failed to solve", ended.error);
  const { value: response, warnings } = ended;

  if (call !== undefined) return await answer({ invocation, response, call, inputs });
  // An archive on standard output ends where it ends.
  const isStdoutFree = outputs.every(({ target }) => target?.kind !== "stream");
  if (isStdoutFree && (flags.bool("quiet") || askedProgress(invocation) === "quiet"))
    shell.stdout.write(`${imageId(response)}\n`);
  if (iidFile !== undefined) await Failure.wrap("writing image ID file", () => writeWhole(iidFile, imageId(response)));
  const metadataFile = pathFlag(invocation, "metadata-file");
  if (metadataFile !== undefined)
    await Failure.wrap("writing metadata file", () =>
      writeWhole(metadataFile, metadataJson(response, warningsWanted(shell) ? warnings : [])),
    );
  if (mode !== "quiet" && mode !== "rawjson" && flags.bool("report"))
    shell.stderr.write(await buildReport({ builder, response, outputs, flags, context }));
  return 0;
}

/** Other targets as contexts are bake's. @throws BuildError. */
function refuseTargets(contexts: readonly string[]): void {
  const found = contexts.find((text) => /^[^=]*=target:/.test(text));
  if (found === undefined) return;
  throw new BuildError(`${found}: targets as contexts belong to bake`, {
    code: "TARGET_CONTEXT",
    status: "InvalidArgument",
    hint: "put the targets into a bake file and run: slipway bake",
  });
}

interface Answered {
  readonly invocation: Invocation;
  readonly response: ExporterResponse;
  readonly call: Call;
  readonly inputs: BuildInputs;
}

/** Prints what the frontend answered; resolves with the exit code. */
async function answer({ invocation, response, call, inputs }: Answered): Promise<number> {
  const { shell } = invocation;
  const iidFile = pathFlag(invocation, "iidfile");
  if (iidFile !== undefined) await Failure.wrap("writing image ID file", () => writeWhole(iidFile, ""));
  const metadataFile = pathFlag(invocation, "metadata-file");
  if (metadataFile !== undefined)
    await Failure.wrap("writing metadata file", () => writeWhole(metadataFile, metadataJson(response)));
  const { stdout, error, exitCode, hint } = printAnswer(call, response, dockerfileName(invocation, inputs));
  shell.stdout.write(stdout);
  if (hint !== undefined && displayModeOf(invocation) !== "quiet") shell.stderr.write(`hint: ${hint}\n`);
  if (error !== undefined) throw new Error(error);
  return exitCode;
}

// As the user named it; undefined where only the frontend has a name for it.
function dockerfileName({ flags, args }: Invocation, { contextDir, attributes }: BuildInputs): string | undefined {
  const file = flags.string("file");
  if (file === "-") return "stdin";
  if (file !== "") return file;
  return contextDir === undefined ? undefined : join(args[0]!, attributes.get("filename") ?? "Dockerfile");
}

function warningsWanted({ env }: Shell): boolean {
  return goBool(env["BUILDX_METADATA_WARNINGS"] ?? "") === true;
}

function askedProgress({ flags, shell }: Invocation): string {
  const given = flags.string("progress");
  return given === "auto" ? shell.env["BUILDKIT_PROGRESS"] || "auto" : given;
}

/** The display that is asked for. @throws Error in buildx's words. */
export function displayModeOf(invocation: Invocation): DisplayMode {
  const { flags, shell } = invocation;
  const given = flags.string("progress");
  const asked = askedProgress(invocation);
  const mode = asked === "none" ? "quiet" : asked;
  const known = displayModes.find((candidate) => candidate === mode);
  if (known === undefined) throw new Error(`invalid progress mode ${asked}`);
  if (invocation.command.flags.some(({ name }) => name === "quiet") && flags.bool("quiet")) {
    if (given !== "auto" && given !== "none" && given !== "quiet")
      throw new Error(`progress=${given} and quiet cannot be used together`);
    return "quiet";
  }
  if (known === "tty" && shell.stderr.isTTY !== true)
    throw new Error("failed to get console: stderr is not a terminal");
  return known;
}

function pathFlag({ flags, shell }: Invocation, name: string): string | undefined {
  const path = flags.string(name);
  return path === "" ? undefined : resolve(shell.cwd, path);
}

async function removeStale(path: string): Promise<void> {
  try {
    await rm(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw new Failure("removing image ID file", error);
  }
}

/** Whether the context is one of the examples that come along: they build without a registry at hand. */
export function isExample({ contextDir }: BuildInputs, shell: Shell): boolean {
  const home = shell.env["SLIPWAY_HOME"] ?? "";
  if (home === "" || contextDir === undefined) return false;
  try {
    return `${realpathSync(contextDir)}${sep}`.startsWith(`${realpathSync(home)}${sep}examples${sep}`);
  } catch {
    return false;
  }
}

/** 25 characters of base 36, as BuildKit's identities. */
export function newRef(): string {
  return BigInt(`0x${randomBytes(17).toString("hex")}`)
    .toString(36)
    .padStart(25, "0")
    .slice(-25);
}
