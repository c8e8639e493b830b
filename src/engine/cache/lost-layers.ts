// Layers that turned out to be gone when somebody needed them, although a cache said that they could be had. The builds that needed
// them forget them and run the steps that make them: a damaged cache costs time, never a build.

import type { Digest } from "../../base/index.ts";
import { isBuildError } from "../../base/index.ts";
import type { LayerBlob, LayerId } from "../../storage/refs/index.ts";

export interface LostLayer {
  readonly layer: LayerId;
  readonly blobs: readonly Digest[];
  readonly reason: string;
}

const ALWAYS = new Set(["LAYER_GONE", "DIFF_ID_MISMATCH", "BLOB_DAMAGED"]);
const NEVER = new Set(["DISK_FULL", "STATE_UNWRITABLE", "CANCELED"]);

/** Collects what the store reports; each build looks at what came since it began. */
export class LostLayers {
  readonly #lost: LostLayer[] = [];

  /** How much was reported so far: where a build's part begins. */
  get mark(): number {
    return this.#lost.length;
  }

  since(mark: number): readonly LostLayer[] {
    return this.#lost.slice(mark);
  }

  /** Notes a layer that could not be had. One that only a registry's image has is not ours to make again. */
  note(layer: LayerId, blobs: readonly LayerBlob[], error: unknown): void {
    const code = isBuildError(error) ? error.code : "";
    if (NEVER.has(code)) return;
    const isCached = blobs.some(({ remote }) => remote?.includes('"cache":true'));
    if (!isCached && !ALWAYS.has(code)) return;
    this.#lost.push({
      layer,
      blobs: blobs.map(({ descriptor }) => descriptor.digest),
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}
