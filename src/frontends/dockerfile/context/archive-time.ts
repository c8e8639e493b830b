// The time of an archive: that of its youngest file. Counterpart: archiveMaxTimeFromRef of dockerfile2llb/epoch.go.

import { Readable } from "node:stream";
import { decompress, detectCompression, TarReader } from "../../../formats/archive/index.ts";

/** Seconds since 1970 of the youngest regular file; undefined when the bytes are no archive that can be read here. */
export async function latestFileTime(data: Uint8Array, signal: AbortSignal): Promise<bigint | undefined> {
  const compression = detectCompression(data);
  // Differs: BuildKit reads bzip2 and xz archives too.
  if (compression === "bzip2" || compression === "xz") return undefined;
  let latest: bigint | undefined;
  const reader = new TarReader({
    entry: ({ type, mtimeNs }) => {
      const seconds = mtimeNs / 1_000_000_000n;
      if (type === "file" && (latest === undefined || seconds > latest)) latest = seconds;
    },
    data: () => {},
    end: () => {},
  });
  try {
    for await (const chunk of decompress(Readable.from([Buffer.from(data)]), compression)) {
      signal.throwIfAborted();
      reader.push(chunk);
    }
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  return latest;
}
