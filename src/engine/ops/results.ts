// What flows along the edges of a build: layers of the store, or a local folder that was never copied.

import type { Ref } from "../../storage/refs/index.ts";
import type { SourceSpec } from "../sources/index.ts";

/** A user's folder as the build sees it. */
export interface LocalFolder {
  /** Name of the local source: "context", "dockerfile", ... */
  readonly name: string;
  readonly source: SourceSpec;
  /** Lets go of the folder; called once. */
  readonly release?: () => void;
}

export type EngineResult =
  | { readonly kind: "ref"; readonly ref: Ref }
  | { readonly kind: "local"; readonly folder: LocalFolder };
