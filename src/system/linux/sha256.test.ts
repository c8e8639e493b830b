// The hash on other threads is the one that node:crypto makes, in any pieces, several at once, and its memory is given back.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { backgroundSha256 } from "./sha256.ts";

void test("the same as node:crypto, in any pieces and side by side", async () => {
  const data = randomBytes((3 << 20) + 77);
  const wanted = createHash("sha256").update(data).digest();
  const made = await Promise.all(
    [1 << 20, 333_333, 4 << 20, 1 << 16].map(async (size) => {
      using hash = backgroundSha256();
      assert.ok(hash !== undefined, "this Node offers its OpenSSL");
      for (let at = 0; at < data.length; at += size) await hash.update(data.subarray(at, at + size));
      return hash.digest();
    }),
  );
  for (const each of made) assert.deepEqual(each, wanted);
  using empty = backgroundSha256();
  assert.deepEqual(empty?.digest(), createHash("sha256").digest());
});

void test("one thing at a time; what is disposed meanwhile ends in peace", async () => {
  const data = randomBytes(8 << 20);
  const hash = backgroundSha256()!;
  const first = hash.update(data);
  await assert.rejects(hash.update(data), /one thing at a time/);
  assert.throws(() => hash.digest(), /one thing at a time/);
  hash[Symbol.dispose]();
  await first;
  assert.throws(() => hash.digest(), /one thing at a time/);
});

void test("memory is given back", () => {
  const round = (): void => {
    using hash = backgroundSha256();
    assert.ok(hash !== undefined);
  };
  for (let at = 0; at < 10_000; at++) round();
  const before = process.memoryUsage.rss();
  for (let at = 0; at < 400_000; at++) round();
  // Kept, they were more than twice that.
  assert.ok(process.memoryUsage.rss() - before < 30e6, `${process.memoryUsage.rss() - before} bytes`);
});
