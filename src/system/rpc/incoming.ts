// The messages of one direction of a call, as they come. Back pressure reaches the peer: nothing is read ahead of who iterates,
// but for what one chunk holds.

import type { Http2Stream } from "node:http2";
import { MessageReader } from "./message-reader.ts";

/** Batches of the messages that arrived together. Leaving the iteration early leaves the stream open for answers. */
export async function* messageBatches(stream: Http2Stream, maxBytes: number): AsyncGenerator<Uint8Array[]> {
  const reader = new MessageReader(maxBytes);
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const messages = reader.read(chunk);
    if (messages.length > 0) yield messages;
  }
  // A stream that was reset is an error of its own; the peer's word alone never ends inside a message.
  if (!reader.atBoundary && !stream.aborted) throw new Error("the stream ended inside a message");
}

export async function* flatten(batches: AsyncIterable<Uint8Array[]>): AsyncGenerator<Uint8Array> {
  for await (const batch of batches) yield* batch;
}
