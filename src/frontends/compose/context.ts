// What loading one file shares with loading those that it leads to.

import type { ComposeHost } from "./host.ts";
import type { Path } from "./pattern.ts";
import type { ComposeMap } from "./value.ts";

/** Loads files on behalf of `include` and `extends`. */
export interface Loader {
  /** Files of one include as a whole document. */
  model(files: readonly ComposeFile[], context: LoadContext): ComposeMap;
  /** One file alone; its includes and extensions are not followed. */
  plain(file: ComposeFile, context: LoadContext): LoadedFile;
}

/** What a file says, and what its last document resets. */
export interface LoadedFile {
  readonly document: ComposeMap;
  readonly resets: readonly Path[];
}

/** A file whose content may already be known. */
export interface ComposeFile {
  /** Shown in messages; relative paths start at the host's cwd. */
  readonly name: string;
  readonly data?: Uint8Array;
}

/** What is the same for all files that one file leads to. */
export interface LoadContext {
  readonly host: ComposeHost;
  readonly environment: ReadonlyMap<string, string>;
  /** Where paths of included files start. */
  readonly folder: string;
  /** Where files that are named start. */
  readonly loaderFolder: string;
  /** Files that led here. */
  readonly included: readonly string[];
  /** The loader itself, for those that lead to other files. */
  readonly loader: Loader;
  /** How many files may still be read. */
  readonly budget: { left: number };
  readonly onField?: (path: string, file: string) => void;
  readonly literal?: boolean;
}
