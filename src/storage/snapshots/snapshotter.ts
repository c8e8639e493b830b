// The port for layer directories: made from the layers below, committed by one rename, shown as one tree, removed.
// A layer directory never changes once committed; whoever gets a path to one only reads.
// Crash rule: what is not committed lies under a name with its maker's process id, which `repair` clears away.

/** Name of a layer's folder: letters, digits, `-` and `_`. */
export type LayerId = string;

/** A writable tree on top of layers. Disposing removes it unless it has been committed. */
export interface ActiveSnapshot extends AsyncDisposable {
  readonly id: string;
  /** The merged tree. */
  readonly path: string;
  /** Where the changes are kept; only for looking at. */
  readonly upper: string;
}

/** A read-only tree of layers; shared by all that ask for the same list. Disposing gives back one share. */
export interface MountedView extends AsyncDisposable {
  readonly path: string;
}

/** A new directory that is to become a layer without layers below: what blobs are unpacked into. */
export interface StagedDirectory extends AsyncDisposable {
  readonly fsDir: string;
  /** Makes it layer `layer`; one that is there already wins and this one is dropped. */
  commit(layer: LayerId): Promise<void>;
}

export interface Snapshotter extends AsyncDisposable {
  readonly kind: "overlay" | "copy";
  /** A writable tree on `layers` (bottom first). */
  prepare(layers: readonly LayerId[], options?: { signal?: AbortSignal | undefined }): Promise<ActiveSnapshot>;
  /** A read-only tree of `layers`; an empty list is an empty tree. */
  view(layers: readonly LayerId[], options?: { signal?: AbortSignal | undefined }): Promise<MountedView>;
  /** Makes the changes a layer; `layer` defaults to a new random id. The snapshot's path is gone afterwards. */
  commit(
    active: ActiveSnapshot,
    options?: { layer?: LayerId | undefined; signal?: AbortSignal | undefined },
  ): Promise<{ layer: LayerId; sizeBytes: number }>;
  stage(): Promise<StagedDirectory>;
  /** Deletes a layer; one that is not there is fine. Views of it must have been given back. */
  remove(layer: LayerId): Promise<void>;
  list(): Promise<LayerId[]>;
  has(layer: LayerId): boolean;
  /** The layer's directory in overlay form. */
  fsDir(layer: LayerId): string;
  /** Bytes on disk. */
  usage(layer: LayerId): Promise<number>;
  /** Removes what processes that are no more have left; `liveOwners` are the ids of those that live. */
  repair(liveOwners: readonly string[]): Promise<void>;
}

/** Runs the room's jobs: a WorkerPool, or `directJobs`. */
export interface JobRunner {
  run<I, O>(job: string, input: I, options?: { signal?: AbortSignal | undefined }): Promise<O>;
}
