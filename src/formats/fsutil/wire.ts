// Protobuf's wire format, as little of it as the hot messages need. Spec: protobuf.dev encoding.

import type { ByteString } from "../../base/index.ts";

export class WireReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** An unsigned number; exact up to 2^53. @throws RangeError at the end of the bytes. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#at >= this.#end) throw torn();
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw torn();
  }

  /** A signed 64-bit number. */
  int64(): bigint {
    let low = 0;
    let high = 0n;
    for (let count = 0; count < 10; count++) {
      if (this.#at >= this.#end) throw torn();
      const byte = this.#bytes[this.#at++]!;
      if (count < 7) low += (byte & 0x7f) * 2 ** (7 * count);
      else high |= BigInt(byte & 0x7f) << BigInt(7 * count);
      if (byte < 0x80) return BigInt.asIntN(64, BigInt(low) | high);
    }
    throw torn();
  }

  /** A view of a length-delimited field. */
  bytes(): Buffer {
    const size = this.varint();
    const from = this.#at;
    if (size > this.#end - from) throw torn();
    this.#at = from + size;
    return this.#bytes.subarray(from, from + size);
  }

  text(): ByteString {
    const size = this.varint();
    const from = this.#at;
    if (size > this.#end - from) throw torn();
    this.#at = from + size;
    return this.#bytes.toString("latin1", from, from + size);
  }

  message(): WireReader {
    const size = this.varint();
    const from = this.#at;
    if (size > this.#end - from) throw torn();
    this.#at = from + size;
    return new WireReader(this.#bytes, from, from + size);
  }

  /** Leaves out the value of a field that is not known. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        this.#at += 8;
        break;
      case 2:
        this.bytes();
        return;
      case 5:
        this.#at += 4;
        break;
      default:
        throw torn();
    }
    if (this.#at > this.#end) throw torn();
  }
}

/** Fields that are zero or empty are left out, as proto3 does. */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(128);
  #at = 0;

  number(tag: number, value: number): void {
    if (value === 0) return;
    this.#need(20);
    this.#varint(tag);
    this.#varint(value);
  }

  bigint(tag: number, value: bigint): void {
    if (value === 0n) return;
    this.#need(20);
    this.#varint(tag);
    for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
      if (rest < 0x80n) {
        this.#bytes[this.#at++] = Number(rest);
        return;
      }
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
    }
  }

  text(tag: number, value: ByteString): void {
    if (value === "") return;
    this.#need(value.length + 20);
    this.#varint(tag);
    this.#varint(value.length);
    this.#at += this.#bytes.write(value, this.#at, "latin1");
  }

  bytes(tag: number, value: Uint8Array): void {
    this.#need(value.byteLength + 20);
    this.#varint(tag);
    this.#varint(value.byteLength);
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }

  #need(size: number): void {
    if (this.#at + size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + size));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

function torn(): RangeError {
  return new RangeError("a message ends early or is none");
}
