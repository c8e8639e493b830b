// The sending end of file sync on a client: a folder's entries, then the contents that the receiver asks for. It runs on the main thread,
// where a worker would only come later: a client has little else to do, and yields often enough for its display and the session's
// health checks. Counterpart: moby/buildkit session/filesync.

import { setImmediate as turn } from "node:timers/promises";
import { messageOf } from "../../base/index.ts";
import { encodeError } from "../../formats/fsutil/index.ts";
import type { LocalFilter } from "../../engine/sources/index.ts";
import { FolderSender } from "./remote-sender.ts";

/** Both ends of a call look like this. */
export interface PacketCall {
  readonly batches: AsyncGenerator<Uint8Array[]>;
  send(message: Uint8Array): void | Promise<void>;
}

export interface SendFilesOptions {
  readonly filter: LocalFilter;
  /** Owners are sent as root's: a build's context has none of its own. */
  readonly asRoot: boolean;
  readonly signal: AbortSignal;
}

/** Work between turns of the event loop. */
const SLICE_MS = 20;

/**
 * Sends the folder; resolves when the receiver has all it wants. What can't be read is told to the receiver too.
 * @throws as node's fs; SYNC_REFUSED; SYNC_FAILED with the receiver's complaint.
 */
export async function sendFiles(call: PacketCall, root: string, options: SendFilesOptions): Promise<void> {
  const sender = new FolderSender(root, options);
  let wake = Promise.withResolvers<void>();
  let failure: unknown;
  const listening = (async () => {
    for await (const batch of call.batches) {
      for (const message of batch) sender.receive(message);
      wake.resolve();
      if (sender.finished) return;
    }
    throw new Error("the receiver left before it had all files");
  })().catch((error: unknown) => {
    failure = error;
    wake.resolve();
  });
  try {
    let sliceEnd = performance.now() + SLICE_MS;
    while (!sender.finished) {
      if (failure !== undefined) throw failure;
      const packet = sender.next();
      if (packet === undefined) {
        await wake.promise;
        wake = Promise.withResolvers();
        continue;
      }
      const sent = call.send(packet);
      if (sent !== undefined) await sent;
      if (performance.now() < sliceEnd) continue;
      await turn();
      options.signal.throwIfAborted();
      sliceEnd = performance.now() + SLICE_MS;
    }
    await call.send(FolderSender.fin);
    await listening;
  } catch (error) {
    if (error !== failure) await call.send(encodeError(messageOf(error)));
    throw error;
  } finally {
    sender.dispose();
  }
}
