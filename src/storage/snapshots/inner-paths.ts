// Paths inside a root that may hold any symlinks: each directory is resolved by the kernel as if the root were `/`, and the
// real path is remembered until something that is on the way may have been replaced.
// Spec: openat2(2) RESOLVE_IN_ROOT.

import * as fs from "node:fs";
import { type ByteString, errnoOf, fsPath } from "../../base/index.ts";
import { openIn } from "../../system/linux/index.ts";

export class InnerPaths implements Disposable {
  /** The root itself, as an absolute real path. */
  readonly root: ByteString;
  /** Directories that `makeDir` had to make, in that order, as paths inside. */
  readonly implied: ByteString[] = [];
  readonly #fd: number;
  readonly #known = new Map<ByteString, ByteString>();

  constructor(root: ByteString) {
    this.#fd = fs.openSync(fsPath(root), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    this.root = fs.readlinkSync(`/proc/self/fd/${this.#fd}`, "latin1");
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.#fd);
  }

  /** Real path of a path inside that is known to have no links. */
  real(inner: ByteString): ByteString {
    return inner === "" ? this.root : `${this.root}/${inner}`;
  }

  /** Path inside of a real path. */
  inner(real: ByteString): ByteString {
    return real.slice(this.root.length + 1);
  }

  /** Must be called after a symlink or directory has been removed or replaced. */
  forget(): void {
    this.#known.clear();
  }

  /** Real path of a directory inside; undefined when it is not there or is no directory. */
  find(dir: ByteString): ByteString | undefined {
    if (dir === "") return this.root;
    const known = this.#known.get(dir);
    if (known !== undefined) return known;
    let fd: number;
    try {
      fd = openIn(this.#fd, fsPath(dir));
    } catch (error) {
      const code = errnoOf(error);
      if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENAMETOOLONG") return undefined;
      throw error;
    }
    try {
      const real = fs.readlinkSync(`/proc/self/fd/${fd}`, "latin1");
      if (this.#known.size > 100_000) this.#known.clear();
      this.#known.set(dir, real);
      return real;
    } finally {
      fs.closeSync(fd);
    }
  }

  /** The same, but missing directories are made (0755, ours); undefined when something else is in the way. */
  makeDir(dir: ByteString): ByteString | undefined {
    const found = this.find(dir);
    if (found !== undefined) return found;
    const slash = dir.lastIndexOf("/");
    const parent = this.makeDir(slash < 0 ? "" : dir.slice(0, slash));
    if (parent === undefined) return undefined;
    const real = `${parent}/${dir.slice(slash + 1)}`;
    try {
      fs.mkdirSync(fsPath(real), 0o755);
      fs.chmodSync(fsPath(real), 0o755);
      this.implied.push(this.inner(real));
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      return undefined;
    }
    this.#known.set(dir, real);
    return real;
  }
}
