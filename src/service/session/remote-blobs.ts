// A content store of the client's, reached over its session: OCI layouts, and folders of exported caches.
// Counterpart: moby/buildkit session/content.

import { BuildError, raceAbort } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { SessionBlobs } from "../../engine/index.ts";
import { content } from "../../formats/proto/index.ts";
import { Metadata, RpcError, StatusCode } from "../../system/rpc/index.ts";
import type { SessionConnection } from "./remote-connection.ts";

const STORE_HEADER = "buildkit-attachable-store-id";
const CHUNK = 1024 * 1024;

export class RemoteBlobs implements SessionBlobs {
  readonly remote: SessionBlobs["remote"];
  readonly #connection: SessionConnection;
  readonly #metadata: Metadata;

  /** @param storeId "oci:NAME", "local:FOLDER" or "export" */
  constructor(connection: SessionConnection, storeId: string) {
    this.#connection = connection;
    this.remote = { sessionId: connection.id, storeId };
    this.#metadata = new Metadata({ [STORE_HEADER]: storeId });
  }

  async size(digest: Digest, signal?: AbortSignal): Promise<number | undefined> {
    try {
      const { info } = await this.#client.info({ digest }, { metadata: this.#metadata, signal });
      return info === undefined ? undefined : Number(info.size);
    } catch (error) {
      if (error instanceof RpcError && error.code === StatusCode.NOT_FOUND) return undefined;
      throw this.#explained(error, digest);
    }
  }

  async *read(digest: Digest, offset: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      const request = { digest, offset: BigInt(offset) };
      for await (const { data } of this.#client.read(request, { metadata: this.#metadata, signal })) yield data;
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#explained(error, digest);
    }
  }

  async write(
    blob: { readonly digest: Digest; readonly size: number },
    bytes: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { digest } = blob;
    const ref = `slipway-${digest}`;
    const total = BigInt(blob.size);
    // Each request waits for the answer to the one before, as containerd's own client does.
    const next: { current: PromiseWithResolvers<void> } = { current: Promise.withResolvers() };
    const requests = async function* () {
      yield { action: content.WriteAction.STAT, ref, total, expected: digest };
      await next.current.promise;
      let offset = 0n;
      for await (const chunk of bytes) {
        for (let at = 0; at < chunk.byteLength; at += CHUNK) {
          next.current = Promise.withResolvers();
          const data = chunk.subarray(at, at + CHUNK);
          yield { action: content.WriteAction.WRITE, ref, total, expected: digest, offset, data };
          offset += BigInt(data.byteLength);
          await next.current.promise;
        }
      }
      next.current = Promise.withResolvers();
      yield { action: content.WriteAction.COMMIT, ref, total, expected: digest, offset };
    };
    try {
      const answers = this.#client.write(requests(), { metadata: this.#metadata, signal });
      const done = (async () => {
        for await (const _answer of answers) next.current.resolve();
      })();
      await raceAbort(done, signal);
    } catch (error) {
      next.current.promise.catch(() => undefined);
      next.current.reject(error);
      if (error instanceof RpcError && error.code === StatusCode.ALREADY_EXISTS) return;
      throw this.#explained(error, digest);
    }
  }

  get #client() {
    return this.#connection.client(content.Content);
  }

  #explained(error: unknown, digest: Digest): unknown {
    if (!(error instanceof RpcError)) return error;
    const { storeId } = this.remote;
    const isMissing = error.code === StatusCode.NOT_FOUND;
    return new BuildError(`blob ${digest} of the client's store ${storeId}: ${error.message}`, {
      code: isMissing ? "BLOB_NOT_FOUND" : "SESSION_STORE_FAILED",
      status: error.status,
      cause: error,
    });
  }
}
