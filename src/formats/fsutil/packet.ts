// The packets of file sync, read and written by hand: contents of files go through here. The sender lists entries, numbered from 0 in
// order, and ends the list with a packet that has none; the receiver asks for contents by number; contents end with an empty packet;
// FIN answers FIN. Counterpart: tonistiigi/fsutil types/wire.proto, send.go, receive.go.

import { decodeStat, encodeStatBody } from "./stat.ts";
import type { FileStat } from "./stat.ts";
import { WireReader, WireWriter } from "./wire.ts";

export const PacketType = { stat: 0, request: 1, data: 2, fin: 3, error: 4 } as const;

export interface DecodedPacket {
  readonly type: number;
  /** Absent in the packet that ends the list of entries. */
  readonly stat: FileStat | undefined;
  readonly id: number;
  /** A view of the message. */
  readonly data: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** @throws RangeError for bytes that are no packet. */
export function decodePacket(bytes: Uint8Array): DecodedPacket {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = new WireReader(buffer);
  let type = 0;
  let stat: FileStat | undefined;
  let id = 0;
  let data: Buffer = NOTHING;
  while (!reader.done) {
    const tag = reader.varint();
    if (tag === 0x08) type = reader.varint();
    else if (tag === 0x12) stat = decodeStat(reader.message());
    else if (tag === 0x18) id = reader.varint();
    else if (tag === 0x22) data = reader.bytes();
    else reader.skip(tag);
  }
  return { type, stat, id, data };
}

/** The packet of an entry; without one, the packet that ends the list. */
export function encodeStat(stat?: FileStat): Uint8Array {
  const writer = new WireWriter();
  if (stat !== undefined) writer.bytes(0x12, encodeStatBody(stat));
  return writer.finish();
}

export function encodeRequest(id: number): Uint8Array {
  const writer = new WireWriter();
  writer.number(0x08, PacketType.request);
  writer.number(0x18, id);
  return writer.finish();
}

/** Contents of the entry `id`; none ends them. */
export function encodeData(id: number, data: Uint8Array = NOTHING): Uint8Array {
  const writer = new WireWriter();
  writer.number(0x08, PacketType.data);
  writer.number(0x18, id);
  if (data.byteLength > 0) writer.bytes(0x22, data);
  return writer.finish();
}

export function encodeFin(): Uint8Array {
  return Uint8Array.of(0x08, PacketType.fin);
}

export function encodeError(text: string): Uint8Array {
  const writer = new WireWriter();
  writer.number(0x08, PacketType.error);
  writer.bytes(0x22, Buffer.from(text));
  return writer.finish();
}
