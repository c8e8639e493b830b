// containerd's content service over the blobs of build records: read-only. Counterpart: moby/buildkit control/control.go Register.

import { BuildError, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { content } from "../../formats/proto/index.ts";
import type { ServiceImplementation } from "../../system/rpc/index.ts";
import type { BuildHistory } from "../history/index.ts";
import { blobInfo, readBlob } from "../session/index.ts";

/** Answers what is read of records' logs, errors and provenance; all that would change anything is unimplemented. */
export function contentService(history: BuildHistory): ServiceImplementation<typeof content.Content> {
  const find = (digest: string): string => {
    const found = isDigest(digest) ? history.blob(digest as Digest) : undefined;
    if (found !== undefined) return found.path;
    throw new BuildError(`content ${digest.slice(0, 100)}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound" });
  };
  return {
    info: async ({ digest }) => ({ info: await blobInfo(find(digest), digest) }),
    async *read(request) {
      yield* readBlob(find(request.digest), request);
    },
  };
}
