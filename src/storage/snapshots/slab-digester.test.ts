// Slabs are hashed in their order, given out again only when they are, and as many as there may be; a layer that ends early leaves nothing waiting.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { digestOf } from "../../base/index.ts";
import { SlabDigester } from "./slab-digester.ts";

const slabBytes = 64 * 1024;

async function digested(data: Buffer): Promise<{ digest: string; slabs: number; sizeBytes: number }> {
  using digester = new SlabDigester(slabBytes);
  const slabs = new Set<Buffer>();
  for (let at = 0; at < data.length; at += slabBytes) {
    const slab = await digester.slab();
    slabs.add(slab);
    digester.update(slab, data.copy(slab, 0, at, at + slabBytes));
  }
  return { digest: await digester.digest(), slabs: slabs.size, sizeBytes: digester.sizeBytes };
}

void test("any size, with two slabs at most", async () => {
  for (const size of [0, 5, slabBytes - 1, slabBytes, slabBytes + 1, 40 * slabBytes, 40 * slabBytes + 77]) {
    const data = randomBytes(size);
    const { digest, slabs, sizeBytes } = await digested(data);
    assert.deepEqual([digest, sizeBytes], [digestOf(data), size]);
    assert.ok(slabs <= Math.min(2, Math.ceil(size / slabBytes)), `${slabs} slabs for ${size} bytes`);
  }
});

void test("many at once", async () => {
  const all = Array.from({ length: 12 }, () => randomBytes(9 * slabBytes));
  const made = await Promise.all(all.map(digested));
  assert.deepEqual(
    made.map(({ digest }) => digest),
    all.map((data) => digestOf(data)),
  );
});

void test("disposed while it hashes: no more slabs, and no digest", async () => {
  const digester = new SlabDigester(slabBytes);
  for (let at = 0; at < 2; at++) digester.update(await digester.slab(), slabBytes);
  digester[Symbol.dispose]();
  await assert.rejects(digester.digest(), /one thing at a time/);
});
