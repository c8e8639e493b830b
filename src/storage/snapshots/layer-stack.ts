// Look-ups in a stack of layer directories as overlayfs would answer them, without a mount: whiteouts and opaque folders
// count, links are followed inside the stack only.

import { type BigIntStats, readlinkSync } from "node:fs";
import { type ByteString, byteString, fsPath } from "../../base/index.ts";
import { isOpaque, isWhiteout, kindOf, S_IFDIR, S_IFLNK, tryLstat } from "./overlay-form.ts";

export interface StackEntry {
  /** Path in the stack, without links. */
  readonly path: ByteString;
  /** Where the topmost layer that has it keeps it. */
  readonly source: ByteString;
  readonly stat: BigIntStats;
}

const MAX_LINKS = 40;

export class LayerStack {
  readonly #top: readonly ByteString[];

  /** @param dirs layer directories, bottom first */
  constructor(dirs: readonly string[]) {
    this.#top = dirs.map(byteString).toReversed();
  }

  /** What is at `path`; links on the way are followed, a last one only when `follow` says so. */
  lookup(path: ByteString, follow = false): StackEntry | undefined {
    let links = 0;
    let rest = path.split("/").filter((part) => part !== "" && part !== ".");
    let dirs = this.#top;
    const done: { name: ByteString; dirs: readonly ByteString[] }[] = [];
    let entry = this.#root();
    while (rest.length > 0) {
      const name = rest[0]!;
      rest = rest.slice(1);
      if (name === "..") {
        done.pop();
        dirs = done.at(-1)?.dirs ?? this.#top;
        entry = done.length === 0 ? this.#root() : first(done.map((step) => step.name).join("/"), dirs);
        continue;
      }
      const found = step(dirs, name);
      if (found === undefined) return undefined;
      const inner = [...done.map((item) => item.name), name].join("/");
      if (found.kind === "dirs") {
        dirs = found.dirs;
        done.push({ name, dirs });
        entry = first(inner, dirs);
        continue;
      }
      entry = { path: inner, source: found.source, stat: found.stat };
      if (kindOf(found.stat) === S_IFLNK && (rest.length > 0 || follow)) {
        if (++links > MAX_LINKS) return undefined;
        const target = readlinkSync(fsPath(found.source), "latin1");
        if (target.startsWith("/")) {
          done.length = 0;
          dirs = this.#top;
          entry = this.#root();
        }
        rest = [...target.split("/").filter((part) => part !== "" && part !== "."), ...rest];
        continue;
      }
      if (rest.length > 0) return undefined;
    }
    return entry;
  }

  #root(): StackEntry | undefined {
    return first("", this.#top);
  }
}

type Step =
  | { readonly kind: "dirs"; readonly dirs: readonly ByteString[] }
  | { readonly kind: "other"; readonly source: ByteString; readonly stat: BigIntStats };

function step(dirs: readonly ByteString[], name: ByteString): Step | undefined {
  const merged: ByteString[] = [];
  for (const dir of dirs) {
    const source = `${dir}/${name}`;
    const stat = tryLstat(source);
    if (stat === undefined) continue;
    if (isWhiteout(stat)) break;
    if (kindOf(stat) !== S_IFDIR) {
      if (merged.length === 0) return { kind: "other", source, stat };
      break;
    }
    merged.push(source);
    if (isOpaque(source)) break;
  }
  return merged.length === 0 ? undefined : { kind: "dirs", dirs: merged };
}

function first(path: ByteString, dirs: readonly ByteString[]): StackEntry | undefined {
  const source = dirs[0];
  const stat = source === undefined ? undefined : tryLstat(source);
  return source === undefined || stat === undefined ? undefined : { path, source, stat };
}
