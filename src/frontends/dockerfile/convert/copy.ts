// COPY and ADD: files of the context, of other stages, from the web, from git, or written in the Dockerfile itself.
// Counterpart: dockerfile2llb/convert_copy.go.

import { joinPath, tryParseSymbolicMode } from "../../../formats/patterns/index.ts";
import { Cap, httpSource, parseOwnership, State } from "../../../graph/llb/index.ts";
import type { CopyAction, FileAction, OpOptions, Ownership } from "../../../graph/llb/index.ts";
import { parseGitRef } from "../context/git-ref.ts";
import { gitSource } from "../context/git-source.ts";
import type { GitRef } from "../context/git-ref.ts";
import { tryParseUint } from "../go/parse.ts";
import { encodeText } from "../go/text.ts";
import type { AddCommand, CopyCommand, SourceContent } from "../instructions/types.ts";
import type { Linter } from "../lint/linter.ts";
import { FrontendError, wrapError } from "../source-error.ts";
import { commit, envOf, nameStep } from "./context.ts";
import type { Conversion } from "./context.ts";
import { lintIgnoredSource } from "./lint-checks.ts";
import { normalizePath, toSlash, withoutDrive } from "./paths.ts";
import { checkDigest, httpFilename, isGitSource, isHttpSource } from "./remote-source.ts";
import { expandForDisplay, uppercaseCommand } from "./step-name.ts";
import type { StageState } from "./stage-state.ts";

/** @throws FrontendError */
export function applyCopy(
  conversion: Conversion,
  stage: StageState,
  command: CopyCommand | AddCommand,
  context: { readonly source: State; readonly fromContext: boolean; readonly linter: Linter },
): void {
  new CopyStep(conversion, stage, command, context).apply();
}

class CopyStep {
  readonly #conversion: Conversion;
  readonly #stage: StageState;
  readonly #command: CopyCommand | AddCommand;
  readonly #context: { readonly source: State; readonly fromContext: boolean; readonly linter: Linter };
  readonly #os: string;
  readonly #dest: string;
  readonly #actions: FileAction[] = [];
  readonly #common: { readonly owner: Ownership | undefined; readonly mode: number | string | undefined };
  #checksum: string;
  #keepGitDir: boolean | undefined;

  constructor(
    conversion: Conversion,
    stage: StageState,
    command: CopyCommand | AddCommand,
    context: { readonly source: State; readonly fromContext: boolean; readonly linter: Linter },
  ) {
    this.#conversion = conversion;
    this.#stage = stage;
    this.#command = command;
    this.#context = context;
    this.#os = stage.platform?.os ?? "";
    this.#dest = destination(stage, command.files.dest, this.#os);
    this.#common = {
      owner: command.chown === "" ? undefined : parseOwnership(command.chown),
      mode: parseMode(command.chmod),
    };
    this.#checksum = command.kind === "add" ? command.checksum : "";
    this.#keepGitDir = command.kind === "add" ? command.keepGitDir : undefined;
  }

  apply(): void {
    const { files, code, kind, chown, chmod } = this.#command;
    this.#checkChecksum();
    const env = envOf(this.#stage);
    const name = uppercaseCommand(expandForDisplay(this.#conversion.lex, code, env));
    const stepName = this.#name(name);
    let message = kind === "add" ? "ADD" : "COPY";
    if (this.#parents) message += " --parents";
    if (chown !== "") message += ` --chown=${chown}`;
    if (chmod !== "") message += ` --chmod=${chmod}`;
    for (const source of files.sources) {
      message += ` ${source}`;
      this.#addSource(source, stepName);
    }
    for (const content of files.contents) {
      message += ` <<${content.path}`;
      this.#addContent(content);
    }
    this.#finish(name, stepName);
    commit(this.#conversion, this.#stage.image, `${message} ${files.dest} # buildkit`, true);
  }

  get #parents(): boolean {
    return this.#command.kind === "copy" && this.#command.parents;
  }

  #name(text: string): string {
    const platform = this.#stage.platform ?? this.#conversion.targetPlatform;
    return nameStep(this.#conversion, this.#stage, text, platform);
  }

  #checkChecksum(): void {
    if (this.#checksum === "") return;
    const { sources } = this.#command.files;
    if (sources.length !== 1) throw new FrontendError("checksum can't be specified for multiple sources");
    if (!isHttpSource(sources[0]!) && !isGitSource(sources[0]!)) {
      throw new FrontendError("checksum requires HTTP(S) or Git sources");
    }
  }

  #addSource(source: string, stepName: string): void {
    const git = parseGitRef(source);
    if (git.kind === "bad") throw git.error;
    if (git.kind === "git" && !git.ref.indistinguishableFromLocal) this.#addGit(git.ref, stepName);
    else if (isHttpSource(source)) this.#addHttp(source, stepName);
    else this.#addPath(source);
  }

  #push(from: State, source: string, options: Partial<CopyAction>): void {
    this.#actions.push({
      kind: "copy",
      from: from.output,
      fromDir: from.settings.dir,
      source,
      destination: this.#dest,
      createDestPath: true,
      excludePatterns: this.#command.exclude,
      ...this.#common,
      ...options,
    });
  }

  #addGit(ref: GitRef, customName: string): void {
    if (this.#command.kind !== "add") throw new FrontendError("source can't be a git ref for COPY");
    if (this.#keepGitDir !== undefined && ref.keepGitDir !== undefined && this.#keepGitDir !== ref.keepGitDir) {
      throw new FrontendError("inconsistent keep-git-dir configuration");
    }
    this.#keepGitDir = ref.keepGitDir ?? this.#keepGitDir;
    if (this.#checksum !== "" && ref.checksum !== "" && this.#checksum !== ref.checksum) {
      throw new FrontendError(`checksum mismatch ${JSON.stringify(this.#checksum)} != ${JSON.stringify(ref.checksum)}`);
    }
    this.#checksum = ref.checksum || this.#checksum;
    const state = gitSource(ref.remote, {
      customName,
      ref: ref.ref,
      subDir: ref.subDir,
      checksum: this.#checksum,
      keepGitDir: this.#keepGitDir ?? false,
      skipSubmodules: ref.submodules === false,
      fetchByCommit: ref.fetchByCommit,
    });
    this.#push(state, "/", {});
  }

  #addHttp(source: string, customName: string): void {
    if (this.#command.kind !== "add") throw new FrontendError("source can't be a URL for COPY");
    const filename = httpFilename(source);
    const checksum = this.#checksum;
    if (checksum !== "") checkDigest(checksum);
    const description = { "com.docker.dockerfile.v1.command": "" };
    this.#push(httpSource(source, { filename, checksum, customName, description }), filename, {
      attemptUnpack: this.#command.unpack ?? false,
    });
  }

  #addPath(given: string): void {
    const { source: from, fromContext, linter } = this.#context;
    const isAdd = this.#command.kind === "add";
    if (fromContext) {
      const matcher = this.#conversion.ignoreMatcher;
      lintIgnoredSource(given, isAdd, matcher, this.#command.location, linter);
    }
    let source = given;
    let includePatterns: readonly string[] = [];
    let requiredPaths: readonly string[] = [];
    try {
      if (this.#parents) {
        const pivot = given.indexOf("/./");
        source = pivot < 0 ? "/" : given.slice(0, pivot);
        const pattern = normalizePath("/", pivot < 0 ? given : given.slice(pivot + 3), this.#os, false);
        includePatterns = [pattern.replace(/^\//, "")];
        if (!hasWildcards(source) && !hasWildcards(pattern)) {
          requiredPaths = [normalizePath("/", joinPath(source, pattern), this.#os, false)];
        }
      }
      source = normalizePath("/", source, this.#os, false);
    } catch (error) {
      throw wrapError(error, "removing drive letter");
    }
    this.#push(from, source, {
      followSymlinks: true,
      copyDirContents: true,
      attemptUnpack: this.#command.kind === "add" ? (this.#command.unpack ?? true) : false,
      allowWildcard: true,
      allowEmptyWildcard: true,
      includePatterns,
      requiredPaths,
    });
  }

  #addContent(content: SourceContent): void {
    let path: string;
    try {
      path = withoutDrive(content.path, this.#os);
    } catch (error) {
      throw wrapError(error, "removing drive letter");
    }
    const file = State.scratch().file([{ kind: "mkfile", path, mode: 0o644, data: encodeText(content.data) }], {
      customName: "[internal] preparing inline document",
      platform: this.#stage.platform,
    });
    this.#push(file, toSlash(path, this.#os), {});
  }

  #finish(name: string, stepName: string): void {
    const stage = this.#stage;
    const options: OpOptions = {
      customName: stepName,
      location: { file: this.#conversion.sourceFile, lines: this.#command.location },
      ignoreCache: stage.ignoreCache,
    };
    const { link, chmod } = this.#command;
    if (!this.#conversion.client.supports(Cap.mergeOp) || !link || chmod !== "") {
      stage.state = stage.state.file(this.#actions, options);
      return;
    }
    // Both ops stand for one step, so the second name must not count.
    const id = crypto.randomUUID();
    stage.commandIndex--;
    const groupName = this.#name(name);
    stage.commandIndex--;
    const copied = State.scratch().file(this.#actions, {
      ...options,
      platform: stage.platform,
      progressGroup: { id, name: groupName, weak: true },
    });
    const merged = State.merge([stage.state, copied], {
      ...options,
      customName: this.#name(`LINK ${name}`),
      progressGroup: { id, name: groupName, weak: false },
    });
    stage.state = stage.state.withOutput(merged.output);
  }
}

function destination(stage: StageState, text: string, os: string): string {
  let path: string;
  try {
    path = withoutDrive(text, os, true);
  } catch (error) {
    throw wrapError(error, "removing drive letter");
  }
  if (toSlash(path, os).startsWith("/")) return normalizePath("/", path, os, true);
  // "" and "." mean the working directory, into which things are put.
  if (path === "." || path === "") path = "./";
  return normalizePath(stage.state.settings.dir, path, os, true);
}

function parseMode(chmod: string): number | string | undefined {
  if (chmod === "") return undefined;
  const problem = () =>
    new FrontendError(`invalid chmod parameter: '${chmod}'. it should be octal string and between 0 and 07777`);
  const octal = tryParseUint(chmod, 8, 32);
  if (typeof octal === "bigint") {
    if (octal > 0o7777n) throw problem();
    return Number(octal);
  }
  if (/^[0-9]/.test(chmod)) throw problem();
  if (tryParseSymbolicMode(chmod) === undefined) throw new FrontendError("invalid syntax");
  return chmod;
}

function hasWildcards(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if ("*?[".includes(text[at]!)) return true;
  }
  return false;
}
