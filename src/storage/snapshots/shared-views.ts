// Read-only trees shared by everybody who asks for the same list of layers; made once, undone when the last share comes back.

import type { MountedView } from "./snapshotter.ts";

interface Tree {
  readonly path: string;
  undo(): Promise<void>;
}

export class SharedViews {
  readonly #trees = new Map<string, { shares: number; readonly tree: Promise<Tree> }>();

  /** A share of the tree called `key`, made by `make` when nobody has it. */
  async take(key: string, make: () => Promise<Tree>): Promise<MountedView> {
    let entry = this.#trees.get(key);
    if (entry === undefined) {
      entry = { shares: 0, tree: make() };
      this.#trees.set(key, entry);
    }
    const held = entry;
    held.shares++;
    const giveBack = async (): Promise<void> => {
      if (--held.shares > 0) return;
      // Whoever asks from now on gets a new one.
      if (this.#trees.get(key) === held) this.#trees.delete(key);
      const tree = await held.tree.catch(() => undefined);
      await tree?.undo();
    };
    let tree: Tree;
    try {
      tree = await held.tree;
    } catch (error) {
      await giveBack();
      throw error;
    }
    let open = true;
    return {
      path: tree.path,
      [Symbol.asyncDispose]: async () => {
        if (!open) return;
        open = false;
        await giveBack();
      },
    };
  }

  /** Undoes all, whoever still holds a share. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const [key, { tree }] of this.#trees) {
      this.#trees.delete(key);
      await (await tree.catch(() => undefined))?.undo();
    }
  }
}
