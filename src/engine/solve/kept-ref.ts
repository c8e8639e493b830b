// The layers of an image that was built here, found by its manifest: FROM of a kept image needs no blob.

import type { Digest } from "../../base/index.ts";
import { isIndexType, parseIndex } from "../../formats/oci/index.ts";
import type { Ref } from "../../storage/refs/index.ts";
import type { Store } from "../store/index.ts";

/** A leased ref, or undefined when no kept image has this manifest. */
export function keptRef(store: Store, manifest: Digest): Ref | undefined {
  for (const image of store.images.list()) {
    if (image.digest !== manifest && !image.blobs.includes(manifest)) continue;
    const index = isIndexType(image.mediaType) ? parseIndex(store.content.read(image.digest)) : undefined;
    const position = index === undefined ? 0 : index.manifests.findIndex((each) => each.digest === manifest);
    const id = image.refs[position];
    const ref = id === undefined ? undefined : store.refs.load(id);
    if (ref !== undefined) return ref;
  }
  return undefined;
}
