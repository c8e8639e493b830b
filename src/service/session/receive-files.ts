// The receiving end of an output that is a folder. What comes lands in a folder of its own first, as no peer's word may lead out of it,
// and is then copied to where the user wants it by the rules of local outputs: nothing there is followed, folders merge.
// Counterpart: moby/buildkit session/filesync syncTargetDiffCopy.

import { mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyTrees } from "../../engine/exporters/index.ts";
import { decodePacket, encodeFin, PacketType } from "../../formats/fsutil/index.ts";
import { FolderSync } from "./remote-sync.ts";
import type { PacketCall } from "./send-files.ts";

export interface ReceiveFilesOptions {
  /** Where the files go; made where it is not there. */
  readonly target: string;
  /** Removes what the builder does not send. */
  readonly deleteOthers: boolean;
  readonly signal: AbortSignal;
}

/** Resolves when the folder is whole. @throws SYNC_REFUSED, SYNC_FAILED, system errors; `signal.reason`. */
export async function receiveFiles(call: PacketCall, options: ReceiveFilesOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "slipway-output-"));
  mkdirSync(join(folder, "files"));
  const gone = new AbortController();
  // Once the builder knows that all is here, it gives the call up; its own last word may be lost with that.
  let ended = false;
  const onAbort = () => ended || gone.abort(options.signal.reason);
  options.signal.addEventListener("abort", onAbort, { once: true });
  try {
    await using receivers = new FolderSync();
    await receivers.receive(
      {
        batches: untilFin(call.batches, {
          hasAll: () => ended,
          onFin: () => (ended = true),
        }),
        send: (message) => {
          if (decodePacket(message).type === PacketType.fin) ended = true;
          return call.send(message);
        },
        end: () => undefined,
      },
      {
        folder: join(folder, "files"),
        listFile: join(folder, "list"),
        trustMetadata: true,
        signal: gone.signal,
      },
    );
    copyTrees({
      target: options.target,
      trees: [{ path: join(folder, "files"), folder: "", epochSeconds: null }],
      deleteOthers: options.deleteOthers,
    });
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    await rm(folder, { recursive: true, force: true });
  }
}

interface FinWatch {
  readonly hasAll: () => boolean;
  readonly onFin: () => void;
}

/** BuildKit's sender gives the call up after its last word, which must not count as a failure. */
async function* untilFin(
  batches: AsyncGenerator<Uint8Array[]>,
  { hasAll, onFin }: FinWatch,
): AsyncGenerator<Uint8Array[]> {
  try {
    for await (const batch of batches) {
      const last = decodePacket(batch.at(-1)!).type === PacketType.fin;
      if (last) onFin();
      yield batch;
      if (last) return;
    }
  } catch (error) {
    if (!hasAll()) throw error;
    yield [encodeFin()];
  }
}
