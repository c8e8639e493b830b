// A byte stream inside a call: Control.Session carries the client's own gRPC server this way, and ssh forwarding an agent's socket.
// Each message is a BytesMessage, one `bytes` field numbered 1, coded by hand: everything a build sends passes through here.
// Counterpart: moby/buildkit session/grpchijack.

import { Duplex } from "node:stream";
import { RpcError, StatusCode } from "./status.ts";

/** What both ends of a call have. */
interface TunnelCall {
  readonly batches: AsyncGenerator<Uint8Array[]>;
  send(message: Uint8Array): void | Promise<void>;
}

/** Joined writes stay below what a peer with Go's default limit of 4 MiB takes. */
const MAX_DATA_BYTES = 512 * 1024;

export interface TunnelOptions {
  /** Called once nothing more will be written: where a client call is to be half-closed. */
  readonly onFinish?: () => void;
  /** Called when the duplex is gone. */
  readonly onClose?: (error: Error | null) => void;
}

/** A duplex over a call's messages. It ends when the peer's messages end. */
export function tunnelOver(call: TunnelCall, options: TunnelOptions = {}): Duplex {
  const batches = call.batches;
  let reading = false;
  const pump = async () => {
    if (reading) return;
    reading = true;
    try {
      for (;;) {
        const { value, done } = await batches.next();
        if (done) {
          duplex.push(null);
          return;
        }
        let more = true;
        for (const message of value) {
          const data = decodeBytesMessage(message);
          if (data.length > 0) more = duplex.push(data);
        }
        if (!more) break;
      }
      reading = false;
    } catch (error) {
      duplex.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const send = async (chunks: readonly Uint8Array[]) => {
    for (const chunk of chunks) {
      for (let offset = 0; offset < chunk.length; offset += MAX_DATA_BYTES) {
        await call.send(encodeBytesMessage(chunk.subarray(offset, offset + MAX_DATA_BYTES)));
      }
    }
  };
  const duplex = new Duplex({
    readableHighWaterMark: 1 << 20,
    writableHighWaterMark: 1 << 20,
    read: () => void pump(),
    write: (chunk: Uint8Array, _encoding, callback) => void settle(send([chunk]), callback),
    writev: (chunks, callback) => {
      const joined = Buffer.concat(chunks.map(({ chunk }) => chunk as Uint8Array));
      void settle(send([joined]), callback);
    },
    final: (callback) => {
      options.onFinish?.();
      callback();
    },
    destroy: (error, callback) => {
      options.onClose?.(error);
      callback(error);
    },
  });
  return duplex;
}

/** Ends a write of a node stream as `sent` ends. */
export async function settle(sent: Promise<void>, callback: (error?: Error | null) => void): Promise<void> {
  let failure: Error | null = null;
  try {
    await sent;
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  callback(failure);
}

export function encodeBytesMessage(data: Uint8Array): Uint8Array {
  const header: number[] = [0x0a];
  let length = data.length;
  for (; length > 0x7f; length >>>= 7) header.push((length & 0x7f) | 0x80);
  header.push(length);
  const message = Buffer.allocUnsafe(header.length + data.length);
  message.set(header);
  message.set(data, header.length);
  return message;
}

/** The data of a BytesMessage; a view of `message`. @throws RpcError when it is none. */
export function decodeBytesMessage(message: Uint8Array): Uint8Array {
  if (message.length === 0) return message;
  let offset = 1;
  let length = 0;
  let shift = 0;
  for (; offset < message.length && shift < 35; shift += 7) {
    const byte = message[offset++]!;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) {
      // Nobody sends another field, or the field twice.
      if (message[0] === 0x0a && offset + length === message.length) return message.subarray(offset);
      break;
    }
  }
  throw new RpcError(StatusCode.INVALID_ARGUMENT, "malformed BytesMessage");
}
