// Refs: results as lists of layers. An immutable ref is a value; a mutable one is a directory being filled, that becomes the
// top layer of a new ref when committed. Counterpart: moby/buildkit cache/refs.go.

import type { ActiveSnapshot, MountedView } from "../snapshots/index.ts";
import type { LayerId, RefType } from "./rows.ts";

/** An immutable result. Two refs with the same id are the same files. */
export interface Ref {
  readonly id: string;
  /** Bottom first; empty for scratch. */
  readonly layers: readonly LayerId[];
}

/** How `du` shows a ref. */
export interface RefInfo {
  readonly description: string;
  /** Defaults to "regular". */
  readonly type?: RefType;
}

/** A directory on top of a parent, writable until committed or disposed. */
export interface MutableRef extends AsyncDisposable {
  /** Parent and changes as one tree. */
  readonly path: string;
  /** Makes the changes a layer; the directory is gone from `path` afterwards. */
  commit(info: RefInfo): Promise<Ref>;
}

export type { ActiveSnapshot, MountedView };
