// The bare repository that all builds of one remote share: commits are fetched into it once, as shallow as the server allows, under
// refs of our own (by hash, so that no two names stand in each other's way). Whoever uses it holds its lock.
// Counterpart: moby/buildkit source/git/source.go mountRemote, tryRemoteFetch.

import { createHash } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, redact } from "../../base/index.ts";
import { GitFailure, remoteFailed } from "./git-process.ts";
import type { Git } from "./git-process.ts";
import { isCommit } from "./git-identifier.ts";
import type { GitResolved } from "./git-identifier.ts";

/** Makes an empty bare repository. */
export async function initRepository(git: Git, path: string, hash: string, signal: AbortSignal): Promise<void> {
  await git.run(["init", "--quiet", "--bare", "--template=", formatOf(hash), path], {}, signal);
}

/** The option of `git init` for a repository that holds a hash. */
export function formatOf(hash: string): string {
  return `--object-format=${hash.length === 64 ? "sha256" : "sha1"}`;
}

export class GitRepository {
  readonly git: Git;
  readonly path: string;
  readonly #remote: string;
  readonly #lockFd: number;

  /** `folder` is held by the caller. */
  constructor(git: Git, folder: { readonly path: string; readonly lockFd: number }, remote: string) {
    this.git = git;
    this.path = folder.path;
    this.#lockFd = folder.lockFd;
    this.#remote = remote;
  }

  /** Makes sure that the commit (or tag) is here, with its files. @throws GIT_FAILED, COMMIT_NOT_FOUND. */
  async ensure({ ref, hash }: GitResolved, signal: AbortSignal): Promise<void> {
    if (await this.has(hash, signal)) return;
    // A killed git leaves it; the lock on the repository says that nobody is at work.
    rmSync(join(this.path, "shallow.lock"), { force: true });
    try {
      if (!isCommit(ref)) {
        await this.#fetch(["--depth=1", "--no-tags", "--force"], [`${ref}:refs/slipway/named/${short(ref)}`], signal);
        // The ref may have moved on since it was looked up.
        if (await this.has(hash, signal)) return;
      }
      if (await this.#fetchHash(hash, signal)) return;
      for (const from of ["heads", "tags", ""]) {
        const names = from === "" ? "+refs/*:refs/slipway/all/*" : `+refs/${from}/*:refs/slipway/${from}/*`;
        const unshallow = existsSync(join(this.path, "shallow")) ? ["--unshallow"] : [];
        await this.#fetch(["--no-tags", "--prune", ...unshallow], [names], signal);
        if (await this.has(hash, signal)) return;
      }
    } catch (error) {
      throw remoteFailed("failed to fetch remote", this.#remote, error);
    }
    throw new BuildError(`commit ${hash} can not be found in ${redact(this.#remote)}`, {
      code: "COMMIT_NOT_FOUND",
      status: "NotFound",
      hint: "check the hash; a commit that no branch or tag of the repository reaches can't always be fetched",
    });
  }

  /** Whether the commit, or the tag's commit, is here. */
  async has(hash: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#try(["cat-file", "-e", `${hash}^{commit}`], signal)) !== undefined;
  }

  /** The commit that a hash of a commit or tag means. */
  async commitOf(hash: string, signal: AbortSignal): Promise<string> {
    return (await this.#run(["rev-parse", "--verify", "--quiet", `${hash}^{commit}`], signal)).toString().trim();
  }

  /** The commit's own bytes. */
  async commitObject(hash: string, signal: AbortSignal): Promise<Buffer> {
    return this.#run(["cat-file", "commit", await this.commitOf(hash, signal)], signal);
  }

  /** Gives a hash a name, so that it can be fetched from here. */
  async expose(hash: string, signal: AbortSignal): Promise<string> {
    const name = `refs/slipway/hash/${hash}`;
    await this.#run(["update-ref", name, hash], signal);
    return name;
  }

  /** False where the server does not give single commits. */
  async #fetchHash(hash: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#fetch(["--depth=1", "--no-tags", "--force"], [`${hash}:refs/slipway/hash/${hash}`], signal);
      return await this.has(hash, signal);
    } catch (error) {
      if (error instanceof GitFailure && /not our ref|unadvertised object|not allow request/i.test(error.stderr))
        return false;
      throw error;
    }
  }

  async #fetch(options: readonly string[], refspecs: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      await this.#run(["fetch", "--progress", ...options, "--", this.#remote, ...refspecs], signal);
    } catch (error) {
      // Servers that are plain files know no shallow fetch.
      const isShallow = error instanceof GitFailure && /--depth|shallow/.test(error.stderr);
      if (!isShallow || !options.includes("--depth=1")) throw error;
      await this.#run(
        ["fetch", "--progress", ...options.filter((each) => each !== "--depth=1"), "--", this.#remote, ...refspecs],
        signal,
      );
    }
  }

  #run(args: readonly string[], signal: AbortSignal): Promise<Buffer> {
    return this.git.run(args, { gitDir: this.path, holds: this.#lockFd }, signal);
  }

  async #try(args: readonly string[], signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      return await this.git.run(args, { gitDir: this.path, quiet: true }, signal);
    } catch (error) {
      if (error instanceof GitFailure) return undefined;
      throw error;
    }
  }
}

function short(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
