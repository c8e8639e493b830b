// Content stores of clients, found again while layers of theirs are wanted: a layer that nobody needed yet is fetched when it is.
// Counterpart: moby/buildkit source/containerimage/ocilayout.go.

import type { BlobProvider } from "../../distribution/index.ts";
import type { SessionBlobs } from "../ports/index.ts";

/** Stores of sessions that are gone answer with errors; the oldest are forgotten. */
const KEPT = 256;

export class SessionStores {
  readonly #stores = new Map<string, SessionBlobs>();

  add(store: SessionBlobs): void {
    const key = keyOf(store.remote);
    this.#stores.delete(key);
    this.#stores.set(key, store);
    for (const old of this.#stores.keys()) {
      if (this.#stores.size <= KEPT) break;
      this.#stores.delete(old);
    }
  }

  find(remote: SessionBlobs["remote"]): SessionBlobs | undefined {
    return this.#stores.get(keyOf(remote));
  }
}

/** The blobs of a client's store. */
export function sessionBlobs(store: SessionBlobs): BlobProvider {
  return { sources: 1, open: ({ digest }, _source, signal) => store.read(digest, 0, signal) };
}

function keyOf({ sessionId, storeId }: SessionBlobs["remote"]): string {
  return JSON.stringify([sessionId, storeId]);
}
