// Whether a file op's actions are so little work that a worker thread would take longer to start than they take.

import { byteString, type ByteString } from "../../base/index.ts";
import { isQuickFolder, openSourceTree, type SourceSpec, type SourceTree } from "../sources/index.ts";
import { cleanPath, type CopyAction, type FileActionsInput } from "./file-actions.ts";
import { resolveInside } from "./file-paths.ts";
import { resolveWildcards } from "./file-wildcards.ts";

/** Copied in a fifth of the time that a thread takes to start. */
const MAX_ENTRIES = 200;
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The sources' trees, opened, where all that the actions write is a few small files; undefined where it is more, or can't be told.
 *
 * @param cacheDir where digests of local files are remembered: a folder of many files is not listed to find out
 */
export function smallActions(input: FileActionsInput, cacheDir: string): Map<number, SourceTree> | undefined {
  const trees = new Map<number, SourceTree>();
  const left = { entries: MAX_ENTRIES, bytes: MAX_BYTES };
  try {
    const areSmall = input.actions.every((action) => {
      switch (action.kind) {
        case "mkdir":
        case "symlink":
          return true;
        case "mkfile":
          return (left.bytes -= action.data.length) >= 0;
        case "rm":
          return false;
        case "copy": {
          const tree = trees.get(action.source) ?? openQuick(input.sources[action.source], cacheDir);
          if (tree === undefined || action.attemptUnpack === true) return false;
          trees.set(action.source, tree);
          return isSmallCopy(tree, action, left);
        }
      }
    });
    return areSmall ? trees : undefined;
  } catch {
    // Whoever does the work meets it again, and says so.
    return undefined;
  }
}

function openQuick(source: SourceSpec | undefined, cacheDir: string): SourceTree | undefined {
  if (source === undefined || (source.local !== undefined && !isQuickFolder(cacheDir, source))) return undefined;
  return openSourceTree(source);
}

interface Left {
  entries: number;
  bytes: number;
}

function isSmallCopy(tree: SourceTree, action: CopyAction, left: Left): boolean {
  const follow = action.followSymlink ?? false;
  const src = cleanPath(action.src);
  const matches = action.allowWildcard === true ? resolveWildcards(tree, src, follow) : [src];
  return matches.every((match) => isSmallTree(tree, resolveInside(tree, byteString(match), follow), left));
}

/** Patterns are not looked at: they only leave things out. */
function isSmallTree(tree: SourceTree, path: ByteString, left: Left): boolean {
  const stat = tree.stat(path);
  if (stat === undefined) return false;
  left.entries -= 1;
  if (stat.isFile()) left.bytes -= Number(stat.size);
  if (left.entries < 0 || left.bytes < 0) return false;
  if (!stat.isDirectory()) return true;
  const entries = tree.list(path);
  return (
    entries.length <= left.entries &&
    entries.every(({ name }) => isSmallTree(tree, path === "" ? name : `${path}/${name}`, left))
  );
}
