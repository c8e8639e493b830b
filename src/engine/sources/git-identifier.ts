// A git repository as LLB names it: `git://host/path#ref:subdir` and `git.*` attributes; and the cache key of a commit, the very
// string of BuildKit. Whatever enters a command line of git is checked here.
// Counterpart: moby/buildkit source/git/identifier.go, source.go shaToCacheKey.

import { BuildError, redact } from "../../base/index.ts";

export interface GitIdentifier {
  /** A URL of http, https, ssh or git, or `user@host:path`. */
  readonly remote: string;
  /** As the user wrote it; empty for the default branch. */
  readonly ref: string;
  /** Beginning of the commit's or tag's hash that the ref must have; empty for any. */
  readonly checksum: string;
  readonly subdir: string;
  readonly keepGitDir: boolean;
  readonly authTokenSecret: string;
  readonly authHeaderSecret: string;
  /** Lines of a known_hosts file; empty when the client gave none. */
  readonly knownSshHosts: string;
  /** Id of the agent to use; empty for none. */
  readonly sshAgent: string;
  readonly skipSubmodules: boolean;
  /** Files have the commit's time instead of that of the checkout. */
  readonly commitTimes: boolean;
  readonly fetchByCommit: boolean;
}

/** What a ref is now. */
export interface GitResolved {
  /** Full name, or the commit when that was asked for. */
  readonly ref: string;
  /** Hash of a commit, or of an annotated tag. */
  readonly hash: string;
  /** The commit of an annotated tag. */
  readonly tagged: string | undefined;
}

/** @throws INVALID_LLB, INVALID_GIT_REF; UNSUPPORTED for signatures and bundles. */
export function parseGitIdentifier(identifier: string, attrs: Readonly<Record<string, string>>): GitIdentifier {
  const unsupported = Object.keys(attrs).find((key) => key.startsWith("git.sig.") || key.endsWith("bundle"));
  if (unsupported !== undefined) {
    throw new BuildError(`${unsupported} of a git source is not supported by this builder`, {
      code: "UNSUPPORTED",
      status: "Unimplemented",
    });
  }
  const body = identifier.replace(/^git:\/\//, "");
  const hash = body.indexOf("#");
  const fragment = hash < 0 ? "" : body.slice(hash + 1);
  const colon = fragment.indexOf(":");
  const ref = colon < 0 ? fragment : fragment.slice(0, colon);
  const written = attrs["git.fullurl"] ?? (hash < 0 ? body : body.slice(0, hash));
  const id: GitIdentifier = {
    remote: isTransport(written) ? written : `https://${written}`,
    ref,
    checksum: attrs["git.checksum"] ?? "",
    subdir: colon < 0 ? "" : fragment.slice(colon + 1),
    keepGitDir: attrs["git.keepgitdir"] === "true",
    authTokenSecret: attrs["git.authtokensecret"] ?? "",
    authHeaderSecret: attrs["git.authheadersecret"] ?? "",
    knownSshHosts: attrs["git.knownsshhosts"] ?? "",
    sshAgent: attrs["git.mountsshsock"] ?? "",
    skipSubmodules: attrs["git.skipsubmodules"] === "true",
    commitTimes: attrs["git.mtime"] === "commit",
    fetchByCommit: attrs["git.fetchbycommit"] === "true",
  };
  check(id);
  return id;
}

function check({ remote, ref, checksum }: GitIdentifier): void {
  checkRef(ref);
  // oxlint-disable-next-line no-control-regex -- exactly these are refused
  if (/[\u0000-\u0020\u007f]/.test(remote) || remote.startsWith("-")) {
    throw new BuildError(`invalid git remote ${JSON.stringify(redact(remote))}`, {
      code: "INVALID_LLB",
      status: "InvalidArgument",
    });
  }
  if (checksum !== "" && !/^[a-fA-F0-9]+$/.test(checksum)) {
    throw new BuildError(`invalid checksum ${checksum} for Git URL, expected hex commit hash`, {
      code: "INVALID_LLB",
      status: "InvalidArgument",
    });
  }
}

/** Refuses what git could take for an option or a pattern. @throws INVALID_GIT_REF. */
export function checkRef(ref: string): void {
  // oxlint-disable-next-line no-control-regex -- names that git itself refuses: git-check-ref-format(1)
  if (!ref.startsWith("-") && !/[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{/.test(ref)) return;
  throw new BuildError(`invalid git ref ${JSON.stringify(ref)}`, {
    code: "INVALID_GIT_REF",
    status: "InvalidArgument",
  });
}

/** Whether a text is a whole hash: SHA-1 or SHA-256. */
export function isCommit(text: string): boolean {
  return /^([a-f0-9]{40}|[a-f0-9]{64})$/.test(text);
}

/** BuildKit's cache key of a checkout. */
export function gitCacheKey(id: GitIdentifier, { ref, hash, tagged }: GitResolved): string {
  const base = isCommit(ref) ? ref : tagged !== undefined && !id.keepGitDir ? tagged : hash;
  return [
    base,
    id.keepGitDir ? `.git${ref === "" ? "" : `#${ref}`}` : "",
    id.subdir === "" ? "" : `:${id.subdir}`,
    id.skipSubmodules ? "(skip-submodules)" : "",
    id.commitTimes ? "(mtime=commit)" : "",
  ].join("");
}

/** `host` or `host:port` of a URL; undefined for `user@host:path`. */
export function gitHost(remote: string): string | undefined {
  return URL.canParse(remote) ? new URL(remote).host : undefined;
}

function isTransport(text: string): boolean {
  return /^(https?|ssh|git):\/\//i.test(text) || /^[a-zA-Z0-9_][a-zA-Z0-9_-]*@[a-zA-Z0-9.-]+:/.test(text);
}
