// What an unpacked layer can only learn from the layers below: the metadata of folders that it names merely as parents, where
// such a folder is really a link, and files that it links to without holding them.

import * as fs from "node:fs";
import { BuildError, byteString, errnoOf, fsPath, textOf } from "../../base/index.ts";
import { copyFile } from "./copy-file.ts";
import { LayerStack } from "./layer-stack.ts";
import { copyMetadata, kindOf, S_IFDIR, S_IFLNK, S_IFREG, tryLstat } from "./overlay-form.ts";
import type { DeferredLink } from "./unpack-layer.ts";

export interface SettleLayerInput {
  readonly fsDir: string;
  readonly impliedDirs: readonly string[];
  readonly deferredLinks?: readonly DeferredLink[] | undefined;
  /** Directories of the layers below, bottom first. */
  readonly lowerDirs: readonly string[];
}

/** @throws LAYER_INVALID when a link's target is in no layer. */
export function settleLayer(input: SettleLayerInput): void {
  if (input.impliedDirs.length === 0 && !input.deferredLinks?.length) return;
  new Settler(input).run();
}

class Settler {
  readonly #input: SettleLayerInput;
  readonly #root: string;
  readonly #stack: LayerStack;
  readonly #moved = new Map<string, string>();
  /** Directories whose metadata is the lower layers'; set last, as moving things in changes times. */
  readonly #borrowed = new Set<string>();

  constructor(input: SettleLayerInput) {
    this.#input = input;
    this.#root = byteString(input.fsDir);
    this.#stack = new LayerStack(input.lowerDirs);
  }

  run(): void {
    for (const dir of this.#input.impliedDirs) this.#implied(dir);
    for (const link of this.#input.deferredLinks ?? []) this.#link(link);
    for (const dir of [...this.#borrowed].toReversed()) {
      const below = this.#stack.lookup(dir);
      const own = tryLstat(`${this.#root}/${dir}`);
      if (below === undefined || own === undefined || kindOf(below.stat) !== S_IFDIR || kindOf(own) !== S_IFDIR)
        continue;
      copyMetadata(below.source, below.stat, `${this.#root}/${dir}`);
    }
  }

  #implied(original: string): void {
    const dir = this.#now(original);
    const below = this.#stack.lookup(dir);
    if (below === undefined) return;
    if (kindOf(below.stat) !== S_IFLNK) {
      this.#borrowed.add(dir);
      return;
    }
    const target = this.#stack.lookup(dir, true);
    if (target === undefined || kindOf(target.stat) !== S_IFDIR || target.path === dir) return;
    this.#makeBorrowed(target.path);
    this.#merge(`${this.#root}/${dir}`, `${this.#root}/${target.path}`);
    this.#moved.set(dir, target.path);
  }

  /** Where a path of the layer is after the moves so far. */
  #now(path: string): string {
    const slash = path.lastIndexOf("/");
    const at = slash < 0 ? path : `${this.#now(path.slice(0, slash))}${path.slice(slash)}`;
    const trimmed = at.startsWith("/") ? at.slice(1) : at;
    return this.#moved.get(trimmed) ?? trimmed;
  }

  #makeBorrowed(dir: string): void {
    if (dir === "") return;
    const slash = dir.lastIndexOf("/");
    if (slash > 0) this.#makeBorrowed(dir.slice(0, slash));
    try {
      fs.mkdirSync(fsPath(`${this.#root}/${dir}`));
      this.#borrowed.add(dir);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
  }

  #merge(from: string, to: string): void {
    for (const name of fs.readdirSync(fsPath(from), "latin1")) {
      const [source, target] = [`${from}/${name}`, `${to}/${name}`];
      const [one, two] = [tryLstat(source), tryLstat(target)];
      if (two === undefined) fs.renameSync(fsPath(source), fsPath(target));
      else if (one !== undefined && kindOf(one) === S_IFDIR && kindOf(two) === S_IFDIR) this.#merge(source, target);
      else if (kindOf(two) !== S_IFDIR) fs.renameSync(fsPath(source), fsPath(target));
    }
    fs.rmdirSync(fsPath(from));
  }

  #link({ path, target }: DeferredLink): void {
    const below = this.#stack.lookup(target);
    if (below === undefined || kindOf(below.stat) === S_IFDIR) {
      throw new BuildError(`a layer links ${textOf(path)} to ${textOf(target)}, which is in no layer`, {
        code: "LAYER_INVALID",
        status: "InvalidArgument",
      });
    }
    const slash = below.path.lastIndexOf("/");
    if (slash > 0) this.#makeBorrowed(below.path.slice(0, slash));
    const own = `${this.#root}/${below.path}`;
    if (tryLstat(own) === undefined) {
      if (kindOf(below.stat) === S_IFREG) copyFile(below.source, own);
      else if (kindOf(below.stat) === S_IFLNK)
        fs.symlinkSync(fsPath(fs.readlinkSync(fsPath(below.source), "latin1")), fsPath(own));
      else return;
      copyMetadata(below.source, below.stat, own);
    }
    const linkSlash = path.lastIndexOf("/");
    const parent = linkSlash < 0 ? "" : `${this.#now(path.slice(0, linkSlash))}/`;
    fs.linkSync(fsPath(own), fsPath(`${this.#root}/${parent}${path.slice(linkSlash + 1)}`));
  }
}
