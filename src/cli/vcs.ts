// What the context's git repository tells of a build: commit, remote, and where in it the folders lie, for provenance and history; as
// labels of the image where that is asked for. Counterpart: docker/buildx build/git.go, util/gitutil.

import { existsSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { runToEnd } from "../system/process/index.ts";
import type { BuildInputs } from "./build-inputs.ts";
import { goBool } from "./flags.ts";

const CREDENTIALS = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i;

export interface VcsOptions {
  readonly inputs: BuildInputs;
  /** `--file`; empty when absent. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Told when a repository is there and can't be read. */
  readonly warn: (text: string) => void;
}

/** The attributes; none outside of repositories, and where there is no git. */
export async function vcsAttributes({ inputs, file, env, cwd, warn }: VcsOptions): Promise<Map<string, string>> {
  const attributes = new Map<string, string>();
  const labels = env["BUILDX_GIT_LABELS"] ?? "";
  const hasLabels = labels === "full" || goBool(labels) === true;
  const hasInfo = goBool(env["BUILDX_GIT_INFO"] ?? "") ?? true;
  const dir = inputs.contextDir;
  if (dir === undefined || (!hasLabels && !hasInfo)) return attributes;
  // Most builds outside of repositories need not start git to learn it.
  if (env["GIT_DIR"] === undefined && !isInRepository(dir)) return attributes;

  const git = (...args: string[]) => ask(args, dir, env);
  const [root, head, url] = await Promise.all([
    git("rev-parse", "--show-toplevel"),
    git("show", "--format=%H", "HEAD", "--quiet", "--"),
    remoteUrl(git),
  ]);
  if (!root) {
    const reason = root === undefined ? "git was not found in the system" : "git can't read the repository";
    if (existsSync(join(dir, ".git"))) warn(`current commit information was not captured by the build: ${reason}`);
    return attributes;
  }
  if (head) {
    const isDirty = goBool(env["BUILDX_GIT_CHECK_DIRTY"] ?? "") === true && (await git("status", "--porcelain")) !== "";
    const revision = isDirty ? `${head}-dirty` : head;
    if (hasLabels) attributes.set("label:org.opencontainers.image.revision", revision);
    if (hasInfo) attributes.set("vcs:revision", revision);
  }
  if (url !== "") {
    if (hasLabels) attributes.set("label:org.opencontainers.image.source", url);
    if (hasInfo) attributes.set("vcs:source", url);
  }
  const within = (path: string) => {
    const way = relative(root, path);
    return way.startsWith("..") || isAbsolute(way) ? undefined : way || ".";
  };
  const dockerfile = within(file === "" || file === "-" ? join(dir, "Dockerfile") : resolve(cwd, file));
  if (hasLabels && dockerfile !== undefined) attributes.set("label:com.docker.image.source.entrypoint", dockerfile);
  if (!hasInfo) return attributes;
  for (const [key, local] of inputs.dirs) {
    const place = within(realpathSync(local));
    if (place !== undefined) attributes.set(`vcs:localdir:${key}`, place);
  }
  return attributes;
}

function isInRepository(dir: string): boolean {
  for (let at = realpathSync(dir); ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return true;
    if (at === dirname(at)) return false;
  }
}

/** The remote that the branch follows, else `origin`, else `upstream`. */
async function remoteUrl(git: (...args: string[]) => Promise<string | undefined>): Promise<string> {
  const branch = await git("symbolic-ref", "-q", "--short", "HEAD");
  const followed = branch ? await git("config", `branch.${branch}.remote`) : "";
  for (const remote of [followed, "origin", "upstream"]) {
    const url = remote ? await git("remote", "get-url", remote) : "";
    if (url) return url.replace(CREDENTIALS, "$1");
  }
  return "";
}

/** What git says; empty when it fails, undefined where there is none. */
async function ask(args: readonly string[], dir: string, env: VcsOptions["env"]): Promise<string | undefined> {
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  try {
    const { exitCode, stdout } = await runToEnd(["git", ...args], { cwd: dir, env: Object.fromEntries(given) });
    return exitCode === 0 ? stdout.toString().trim() : "";
  } catch {
    return undefined;
  }
}
