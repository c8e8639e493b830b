// Git URLs as build contexts and ADD sources write them: `https://host/repo.git#ref:subdir`, `git@host:repo`, query options.
// Counterpart: moby/buildkit frontend/dockerfile/dfgitutil, util/gitutil.

import { joinPath } from "../../../formats/patterns/index.ts";
import { quote } from "../go/format.ts";
import { tryParseBool } from "../go/parse.ts";
import { cut } from "../go/text.ts";
import { parseQuery, tryParseUrl, urlWithoutOptions } from "../go/url.ts";
import type { GoUrl } from "../go/url.ts";
import { FrontendError } from "../source-error.ts";

export interface GitRef {
  /** The repository, without query and fragment. */
  readonly remote: string;
  /** The last path element without `.git`. */
  readonly shortName: string;
  readonly ref: string;
  readonly checksum: string;
  readonly subDir: string;
  /** `github.com/…` without a scheme, which could be a path as well. */
  readonly indistinguishableFromLocal: boolean;
  readonly unencryptedTcp: boolean;
  readonly keepGitDir: boolean | undefined;
  readonly submodules: boolean | undefined;
  readonly mtime: string;
  readonly fetchByCommit: boolean;
}

/** Host, path and scheme of a remote. */
export interface Remote {
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query: ReadonlyMap<string, readonly string[]>;
  readonly fragment: string;
  readonly text: string;
}

/** What a text is: a git URL, none, or one with wrong options (`error`). */
export type GitRefResult =
  | { readonly kind: "git"; readonly ref: GitRef }
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "bad"; readonly error: FrontendError };

/** Recognises a git URL. */
export function parseGitRef(text: string): GitRefResult {
  if (text.startsWith("./") || text.startsWith("../")) return { kind: "none", reason: "invalid argument" };
  const isShort = text.startsWith("github.com/");
  const remote = isShort ? shortRemote(text) : parseRemote(text);
  if (remote === undefined) return { kind: "none", reason: protocolProblem(text) };
  const isHttp = remote.scheme === "http" || remote.scheme === "https";
  if (!isShort && isHttp && !remote.path.endsWith(".git")) return { kind: "none", reason: "invalid argument" };
  const repository = isShort ? remote.text.slice(remote.text.indexOf("://") + 3) : remote.text;
  const fragment = cut(remote.fragment, ":");
  const start: GitRef = {
    remote: repository,
    shortName: repository.slice(repository.lastIndexOf("/") + 1).replace(/\.git$/, ""),
    ref: fragment.before,
    checksum: "",
    subDir: joinPath("/", fragment.after).slice(1),
    indistinguishableFromLocal: isShort,
    unencryptedTcp: remote.scheme === "http" || remote.scheme === "git",
    keepGitDir: undefined,
    submodules: undefined,
    mtime: "",
    fetchByCommit: false,
  };
  try {
    return { kind: "git", ref: withQuery(start, remote.query) };
  } catch (error) {
    if (error instanceof FrontendError) return { kind: "bad", error };
    throw error;
  }
}

function protocolProblem(text: string): string {
  const scheme = /^([a-zA-Z0-9]+):\/\//.exec(text)?.[1]?.toLowerCase();
  return scheme === undefined ? "unknown protocol" : `${scheme}: invalid protocol`;
}

function shortRemote(text: string): Remote | undefined {
  const url = tryParseUrl(text);
  if (url === undefined) return undefined;
  const remote = remoteOfUrl(url);
  return { ...remote, scheme: "https", text: `https://${remote.text}` };
}

function remoteOfUrl(url: GoUrl): Remote {
  return {
    scheme: url.scheme,
    host: url.host,
    path: url.path,
    query: parseQuery(url.rawQuery) ?? new Map(),
    fragment: url.fragment,
    text: urlWithoutOptions(url),
  };
}

export function parseRemote(text: string): Remote | undefined {
  const scheme = /^([a-zA-Z0-9]+):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    if (!["http", "https", "ssh", "git"].includes(scheme)) return undefined;
    const url = tryParseUrl(text);
    return url === undefined ? undefined : remoteOfUrl(url);
  }
  const scp = /^([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):([^\n]*)$/.exec(text);
  if (scp === null) return undefined;
  const hash = cut(scp[3]!, "#");
  const { before: path, after: rawQuery } = cut(hash.before, "?");
  return {
    scheme: "ssh",
    host: scp[2]!,
    path,
    query: parseQuery(rawQuery) ?? new Map(),
    fragment: hash.after,
    text: `${scp[1]}@${scp[2]}:${path}`,
  };
}

function withQuery(start: GitRef, query: Remote["query"]): GitRef {
  const ref = { ...start };
  let tag = "";
  let branch = "";
  for (const [key, values] of query) {
    if (values.length > 1) throw new FrontendError(`query ${quote(key)} has multiple values`);
    const value = values[0] ?? "";
    const isFlag = key === "submodules" || key === "keep-git-dir" || key === "fetch-by-commit";
    if (value === "" && !isFlag) throw new FrontendError(`query ${quote(key)} has no value`);
    switch (key) {
      case "ref":
        ref.ref = agreed("ref", ref.ref, value);
        break;
      case "tag":
        tag = value;
        break;
      case "branch":
        branch = value;
        break;
      case "subdir":
        ref.subDir = agreed("subdir", ref.subDir, value);
        break;
      case "checksum":
      case "commit":
        ref.checksum = value;
        break;
      case "keep-git-dir":
        ref.keepGitDir = flagValue(key, value);
        break;
      case "submodules":
        ref.submodules = flagValue(key, value);
        break;
      case "fetch-by-commit":
        ref.fetchByCommit = flagValue(key, value);
        break;
      case "mtime":
        if (value !== "checkout" && value !== "commit") {
          throw new FrontendError(`invalid mtime value: ${quote(value)} (must be "checkout" or "commit")`);
        }
        ref.mtime = value;
        break;
      default:
        throw new FrontendError(`unexpected query ${quote(key)}`);
    }
  }
  if (tag !== "") ref.ref = agreed("ref", ref.ref, tag.startsWith("refs/tags/") ? tag : `refs/tags/${tag}`);
  if (branch !== "") {
    if (tag !== "") throw new FrontendError("branch conflicts with tag");
    ref.ref = agreed("ref", ref.ref, branch.startsWith("refs/heads/") ? branch : `refs/heads/${branch}`);
  }
  return ref;
}

function agreed(what: string, known: string, value: string): string {
  if (known !== "" && known !== value) {
    throw new FrontendError(`${what} conflicts: ${quote(known)} vs ${quote(value)}`);
  }
  return value;
}

function flagValue(key: string, value: string): boolean {
  const parsed = value === "" ? true : tryParseBool(value);
  if (parsed === undefined) throw new FrontendError(`invalid ${key} value: ${quote(value)}`);
  return parsed;
}
