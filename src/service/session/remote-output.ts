// Where exporters write when the client is elsewhere: archives go to it as a stream; folders and layouts are made here first, and then
// sent. Counterpart: moby/buildkit session/filesync CopyFileWriter, CopyToCaller.

import { Writable } from "node:stream";
import { encodeBytesMessage, Metadata, settle } from "../../system/rpc/index.ts";
import type { ClientCall } from "../../system/rpc/index.ts";
import type { SessionConnection } from "./remote-connection.ts";

export const EXPORTER_HEADER = "buildkit-attachable-exporter-id";
/** Go's gRPC takes messages of up to 4 MiB. */
const MAX_CHUNK = 1024 * 1024;

/** The call on the wire that takes files and folders to the client; spelled out, as in `remote-session.ts`. */
export const FILE_SEND = "/moby.filesync.v1.FileSend/DiffCopy";

/** A stream into the client's file or pipe. The call starts with the first byte. */
export class RemoteFile {
  readonly stream: Writable;
  readonly #start: () => ClientCall;
  #call: ClientCall | undefined;

  constructor(connection: SessionConnection, exporter: number, signal: AbortSignal) {
    this.#start = () =>
      (this.#call ??= connection.channel.call(FILE_SEND, {
        metadata: new Metadata({ [EXPORTER_HEADER]: String(exporter) }),
        signal,
      }));
    this.stream = new Writable({
      highWaterMark: 4 * MAX_CHUNK,
      write: (chunk: Uint8Array, _encoding, callback) => {
        void settle(this.#send(chunk), callback);
      },
    });
  }

  /** Tells the client that the file is whole, and waits for its word. @throws what the client says. */
  async finish(): Promise<void> {
    const call = this.#start();
    call.end();
    await call.trailers;
  }

  async #send(chunk: Uint8Array): Promise<void> {
    const call = this.#start();
    for (let at = 0; at < chunk.byteLength; at += MAX_CHUNK) {
      try {
        await call.send(encodeBytesMessage(chunk.subarray(at, at + MAX_CHUNK)));
      } catch (error) {
        // The client has ended the call: why is in its trailers.
        await call.trailers;
        throw error;
      }
    }
  }
}
