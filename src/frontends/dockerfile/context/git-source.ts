// Git repositories as sources of a build. Counterpart: moby/buildkit client/llb Git.

import { joinPath } from "../../../formats/patterns/index.ts";
import { Cap, SourceVertex } from "../../../graph/llb/index.ts";
import type { OpOptions, State } from "../../../graph/llb/index.ts";
import { parseRemote } from "./git-ref.ts";
import type { Remote } from "./git-ref.ts";

export interface GitSourceOptions extends OpOptions {
  readonly ref?: string;
  readonly subDir?: string;
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly skipSubmodules?: boolean;
  readonly mtime?: string;
  readonly fetchByCommit?: boolean;
}

/** A git repository as a source; a remote without scheme is taken as https. */
export function gitSource(remoteText: string, options: GitSourceOptions): State {
  const remote = parseRemote(remoteText) ?? parseRemote(`https://${remoteText}`);
  const attrs: Record<string, string> = {};
  const caps: string[] = [];
  const add = (key: string, value: string | undefined, cap?: string) => {
    if (value === undefined || value === "") return;
    attrs[key] = value;
    if (cap !== undefined) caps.push(cap);
  };
  add("git.keepgitdir", options.keepGitDir ? "true" : "", Cap.sourceGitKeepDir);
  add("git.fullurl", remote?.text ?? remoteText, Cap.sourceGitFullUrl);
  add("git.authtokensecret", "GIT_AUTH_TOKEN");
  add("git.authheadersecret", "GIT_AUTH_HEADER");
  if (remote?.scheme === "ssh") {
    caps.push(Cap.sourceGitKnownSshHosts);
    add("git.mountsshsock", "default", Cap.sourceGitMountSshSock);
  }
  add("git.checksum", options.checksum, Cap.sourceGitChecksum);
  add("git.skipsubmodules", options.skipSubmodules ? "true" : "", Cap.sourceGitSkipSubmodules);
  add("git.mtime", options.mtime, Cap.sourceGitMtime);
  add("git.fetchbycommit", options.fetchByCommit ? "true" : "", Cap.sourceGitFetchByCommit);
  caps.push(Cap.sourceGit);
  return new SourceVertex(`git://${identifier(remote, remoteText, options)}`, attrs, caps, options).state();
}

function identifier(remote: Remote | undefined, text: string, { ref = "", subDir = "" }: GitSourceOptions): string {
  if (remote === undefined) return text;
  const fragment = ref === "" && subDir === "" ? "" : `#${ref}${subDir === "" ? "" : `:${subDir}`}`;
  return `${remote.host}${joinPath("/", remote.path)}${fragment}`;
}
