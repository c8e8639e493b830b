// containerd's content service over the blobs of build records: read-only. Counterpart: moby/buildkit control/control.go Register.

import { createReadStream } from "node:fs";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BuildError, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { content } from "../../formats/proto/index.ts";
import type { ServiceImplementation } from "../../system/rpc/index.ts";
import type { BuildHistory } from "../history/index.ts";

const CHUNK = 1024 * 1024;

export function contentService(history: BuildHistory): ServiceImplementation<typeof content.Content> {
  const find = (digest: string) => {
    const found = isDigest(digest) ? history.blob(digest as Digest) : undefined;
    if (found !== undefined) return found;
    throw new BuildError(`content ${digest.slice(0, 100)}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound" });
  };
  return {
    // oxlint-disable-next-line typescript/require-await -- what it refuses, it rejects
    info: async ({ digest }) => {
      const { size, mtimeMs } = find(digest);
      const time = timestampFromMs(Math.floor(mtimeMs));
      return { info: { digest, size: BigInt(size), createdAt: time, updatedAt: time } };
    },
    async *read({ digest, offset, size }, { signal }) {
      const { path, size: whole } = find(digest);
      const start = Number(offset);
      const end = size > 0n ? Math.min(whole, start + Number(size)) : whole;
      if (start < 0 || start > whole)
        throw new BuildError(`offset ${start} of ${whole} bytes`, { code: "INVALID_REQUEST", status: "OutOfRange" });
      if (start === end) return;
      let at = start;
      for await (const data of createReadStream(path, { start, end: end - 1, highWaterMark: CHUNK, signal })) {
        yield { offset: BigInt(at), data: data as Buffer };
        at += (data as Buffer).length;
      }
    },
  };
}
