// What crosses between the main thread, which has the connections, and the thread that reads and writes folders.

import type { ReceiverOptions } from "./remote-receiver.ts";

export type ToSync =
  | { readonly kind: "receive"; readonly id: number; readonly options: ReceiverOptions }
  | { readonly kind: "send"; readonly id: number; readonly folder: string }
  /** Packets of the peer's, each after its length in four bytes. */
  | { readonly kind: "packets"; readonly id: number; readonly bytes: Uint8Array }
  /** So many bytes of packets for the peer are sent. */
  | { readonly kind: "sent"; readonly id: number; readonly bytes: number }
  | { readonly kind: "stop"; readonly id: number };

export type FromSync =
  | {
      readonly kind: "taken";
      readonly id: number;
      /** So many bytes of the peer's packets are dealt with. */
      readonly bytes: number;
      /** Packets for the peer, as in {@link ToSync}. */
      readonly answers: Uint8Array;
      /** Both sides have said their last word. */
      readonly finished: boolean;
      /** Of a folder that was received, once it is whole: names what it holds. */
      readonly version: string | undefined;
    }
  | { readonly kind: "stopped"; readonly id: number }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly message: string;
      readonly code: string;
      readonly status: string | undefined;
    };

/** Packets as one piece, each after its length in four bytes: a piece that can be handed over whole, where each alone would be copied. */
export function packPackets(packets: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  let size = 0;
  for (const packet of packets) size += 4 + packet.byteLength;
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const packet of packets) {
    bytes.writeUInt32LE(packet.byteLength, at);
    bytes.set(packet, at + 4);
    at += 4 + packet.byteLength;
  }
  return bytes;
}

/** Views of the packets in a piece. */
export function* unpackPackets(piece: Uint8Array): Generator<Buffer> {
  const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32LE(at);
    yield bytes.subarray(at + 4, at + 4 + size);
    at += 4 + size;
  }
}
