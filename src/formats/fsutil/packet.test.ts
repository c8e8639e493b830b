// The hand codec against the generated one, and bytes that are no packets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { wire } from "../proto/index.ts";
import {
  comparePaths,
  decodePacket,
  encodeData,
  encodeError,
  encodeFin,
  encodeRequest,
  encodeStat,
  goMode,
  unixMode,
} from "./index.ts";

const stats = fc.record({
  path: fc.stringMatching(/^[a-z/]{0,20}$/),
  mode: fc.integer({ min: 0, max: 0xffffffff }),
  uid: fc.integer({ min: 0, max: 0xffffffff }),
  gid: fc.nat(),
  size: fc.integer({ min: 0, max: 2 ** 52 }),
  mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  linkname: fc.stringMatching(/^[a-z/]{0,20}$/),
  devmajor: fc.nat(),
  devminor: fc.nat(),
  xattrs: fc.option(
    fc.uint8Array().map((value) => new Map([["user.a", value]])),
    { nil: undefined },
  ),
});

void test("packets are those of the generated codec, both ways", () => {
  fc.assert(
    fc.property(stats, (stat) => {
      const message = create(wire.PacketSchema, {
        stat: {
          ...stat,
          size: BigInt(stat.size),
          modTime: stat.mtimeNs,
          devmajor: BigInt(stat.devmajor),
          devminor: BigInt(stat.devminor),
          xattrs: Object.fromEntries(stat.xattrs ?? []),
        },
      });
      assert.ok(equals(wire.PacketSchema, fromBinary(wire.PacketSchema, encodeStat(stat)), message));
      assert.deepEqual(decodePacket(toBinary(wire.PacketSchema, message)).stat, { ...stat });
    }),
  );
  const request = create(wire.PacketSchema, { type: 1, ID: 300 });
  assert.deepEqual(Buffer.from(encodeRequest(300)), Buffer.from(toBinary(wire.PacketSchema, request)));
  const data = create(wire.PacketSchema, { type: 2, ID: 7, data: Buffer.from("abc") });
  assert.deepEqual(Buffer.from(encodeData(7, Buffer.from("abc"))), Buffer.from(toBinary(wire.PacketSchema, data)));
  assert.equal(decodePacket(encodeData(7, Buffer.from("abc"))).data.toString(), "abc");
  assert.equal(fromBinary(wire.PacketSchema, encodeFin()).type, 3);
  assert.equal(decodePacket(encodeError("no")).data.toString(), "no");
  assert.equal(decodePacket(encodeStat()).stat, undefined);
});

void test("bytes that are no packet are refused, fields that are not known are left out", () => {
  for (const hex of ["12", "12ff01", "1205", "0880", "2210ab", "ffffffffffffffffffffff", "0b"]) {
    assert.throws(() => decodePacket(Buffer.from(hex, "hex")), RangeError, hex);
  }
  assert.equal(decodePacket(Buffer.from("9a0603616263180b", "hex")).id, 11);
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        decodePacket(bytes);
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    }),
  );
});

void test("modes both ways; a slash sorts first", () => {
  for (const mode of [0o100644, 0o40755, 0o120777, 0o104755, 0o42775, 0o41777, 0o20600, 0o60600, 0o10644, 0o140777]) {
    assert.equal(unixMode(goMode(mode)), mode, mode.toString(8));
  }
  assert.equal(goMode(0o40755), 0x800001ed);
  assert.equal(unixMode(0x00080000), undefined);
  assert.deepEqual(["a-b", "a/c", "a", "a.b", "b"].sort(comparePaths), ["a", "a/c", "a-b", "a.b", "b"]);
});
