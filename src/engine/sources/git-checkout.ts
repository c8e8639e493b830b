// From the shared repository to a folder of files: as a plain tree or with a `.git` of its own, with submodules, or only a folder of
// it. Links of the repository are never followed. Counterpart: moby/buildkit source/git/source.go checkout.
// Differs: without keep-git-dir, the `.git` files of submodules are left out: they point to places of the builder.

import {
  copyFileSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join, posix } from "node:path";
import { BuildError, redact } from "../../base/index.ts";
import type { GitIdentifier, GitResolved } from "./git-identifier.ts";
import { isCommit } from "./git-identifier.ts";
import { remoteFailed } from "./git-process.ts";
import { formatOf } from "./git-repository.ts";
import type { GitRepository } from "./git-repository.ts";

export interface CheckoutOptions {
  readonly id: GitIdentifier;
  readonly resolved: GitResolved;
  /** An empty folder to fill. */
  readonly target: string;
  /** An empty folder for the time of the checkout. */
  readonly scratch: string;
}

/** Fills the target. @throws GIT_FAILED, INVALID_SUBDIR. */
export async function checkOut(
  repository: GitRepository,
  { id, resolved, target, scratch }: CheckoutOptions,
  signal: AbortSignal,
): Promise<void> {
  const subdir = posix.join("/", id.subdir).slice(1).replace(/\/$/, "");
  const tree = subdir === "" ? target : mkdtempSync(join(target, "checkout-"));
  const keep = id.keepGitDir && subdir === "";
  const gitDir = keep ? join(tree, ".git") : join(scratch, "git");
  const { git } = repository;
  const at = { gitDir, workTree: tree };
  try {
    if (keep) await cloneInto(repository, { id, resolved, at }, signal);
    else {
      await git.run(["init", "--quiet", "--template=", formatOf(resolved.hash)], at, signal);
      mkdirSync(join(gitDir, "objects/info"), { recursive: true });
      writeFileSync(join(gitDir, "objects/info/alternates"), `${join(repository.path, "objects")}\n`);
      const shallow = join(repository.path, "shallow");
      if (existsSync(shallow)) copyFileSync(shallow, join(gitDir, "shallow"));
      await git.run(["read-tree", "--reset", "-u", `${resolved.hash}^{commit}`], at, signal);
    }
    if (!id.skipSubmodules && existsSync(join(tree, ".gitmodules"))) {
      await git.run(["submodule", "update", "--init", "--recursive", "--depth=1"], at, signal);
      if (!keep) removeGitFiles(tree);
    }
  } catch (error) {
    throw remoteFailed("failed to checkout remote", id.remote, error);
  }
  if (subdir !== "") liftUp(tree, subdir, target);
  if (id.commitTimes) {
    const commit = (await repository.commitObject(resolved.hash, signal)).toString();
    setTimes(target, Number(/^committer .*> (\d+) [+-]\d{4}$/m.exec(commit)?.[1] ?? 0));
  }
}

interface CloneOptions {
  readonly id: GitIdentifier;
  readonly resolved: GitResolved;
  readonly at: { readonly gitDir: string; readonly workTree: string };
}

/** A repository of its own that holds the one commit, its head detached. */
async function cloneInto(
  repository: GitRepository,
  { id, resolved, at }: CloneOptions,
  signal: AbortSignal,
): Promise<void> {
  const { git } = repository;
  const { ref, hash } = resolved;
  await git.run(["init", "--quiet", formatOf(hash)], at, signal);
  const name = await repository.expose(hash, signal);
  const refspec = isCommit(ref) ? name : `${name}:${ref}`;
  const fetch = ["fetch", "--quiet", "--update-head-ok", "--depth=1", "--no-tags"];
  // By protocol, not by path: git then takes no shortcuts with links and files.
  await git.run([...fetch, "--", `file://${repository.path}`, refspec], { ...at, local: true }, signal);
  await git.run(["checkout", "--quiet", "--detach", "FETCH_HEAD"], at, signal);
  await git.run(["remote", "add", "origin", redact(id.remote)], at, signal);
  await git.run(["reflog", "expire", "--all", "--expire=now"], at, signal);
  rmSync(join(at.gitDir, "FETCH_HEAD"), { force: true });
}

/** Makes the content of a folder of the tree that of the target. @throws INVALID_SUBDIR. */
function liftUp(tree: string, subdir: string, target: string): void {
  let path = tree;
  for (const part of subdir.split("/")) {
    path = join(path, part);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) continue;
    const what = stat === undefined ? "the repository has no" : "not a folder:";
    throw new BuildError(`invalid subdir ${subdir}: ${what} ${path.slice(tree.length + 1)}`, {
      code: "INVALID_SUBDIR",
      status: "InvalidArgument",
      hint: "the part after the colon of #REF:DIR is a folder of the repository; links are not followed",
    });
  }
  for (const name of readdirSync(path, { encoding: "buffer" })) {
    renameSync(inside(Buffer.from(path), name), inside(Buffer.from(target), name));
  }
  rmSync(tree, { recursive: true, force: true });
}

/** Git itself never checks out anything of this name: these are of submodules. */
function removeGitFiles(tree: string): void {
  walk(Buffer.from(tree), (path, isFolder) => {
    if (!isFolder && path.subarray(-5).toString("latin1") === "/.git") unlinkSync(path);
  });
}

function setTimes(tree: string, seconds: number): void {
  walk(Buffer.from(tree), (path) => lutimesSync(path, seconds, seconds));
  lutimesSync(tree, seconds, seconds);
}

/** Visits everything below a folder, folders after what is in them. Names are bytes. */
function walk(dir: Buffer, visit: (path: Buffer, isFolder: boolean) => void): void {
  for (const entry of readdirSync(dir, { withFileTypes: true, encoding: "buffer" })) {
    const path = inside(dir, entry.name);
    if (entry.isDirectory()) walk(path, visit);
    visit(path, entry.isDirectory());
  }
}

function inside(dir: Buffer, name: Buffer): Buffer {
  return Buffer.concat([dir, Buffer.from("/"), name]);
}
