// How layers say "deleted": a file `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` hides all that its directory held.
// Spec: OCI image-spec v1.1 layer.md#whiteouts; names that begin with `.wh..wh.` are AUFS' own and never unpacked.

import type { ByteString } from "../../base/index.ts";

const PREFIX = ".wh.";
const RESERVED = ".wh..wh.";
export const OPAQUE_NAME = ".wh..wh..opq";

export type Whiteout =
  | { readonly kind: "none" }
  /** `name` of the same directory is deleted. */
  | { readonly kind: "whiteout"; readonly name: ByteString }
  /** Everything below the directory is hidden. */
  | { readonly kind: "opaque" }
  /** Bookkeeping of another builder: to be left out. */
  | { readonly kind: "reserved" };

/** What the last element of an archive's path means. */
export function whiteoutOf(name: ByteString): Whiteout {
  if (!name.startsWith(PREFIX)) return { kind: "none" };
  if (name === OPAQUE_NAME) return { kind: "opaque" };
  if (name.startsWith(RESERVED) || name === PREFIX) return { kind: "reserved" };
  return { kind: "whiteout", name: name.slice(PREFIX.length) };
}

/** The name in an archive that deletes `name`. */
export function whiteoutName(name: ByteString): ByteString {
  return PREFIX + name;
}
