// Files into and out of a container, as tar. Not yet.

import { BuildError } from "../../base/index.ts";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";

export function copyOut(
  _record: ContainerRecord,
  _store: ContainerStore,
  _path: string,
  _options: { readonly followLink: boolean },
): AsyncIterable<Uint8Array> {
  throw notYet();
}

export function copyIn(
  _record: ContainerRecord,
  _store: ContainerStore,
  _path: string,
  _tar: AsyncIterable<Uint8Array>,
  _options: { readonly archive: boolean },
): Promise<void> {
  throw notYet();
}

function notYet(): BuildError {
  return new BuildError("copying is not done yet", { code: "NOT_YET", status: "Unimplemented" });
}
