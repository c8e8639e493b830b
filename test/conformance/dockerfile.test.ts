// Replays the packed vectors: for the same Dockerfile and options, BuildKit's own frontend gave these ops, image configs,
// errors and warnings, and so must this one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runFrontendCase } from "./harness/frontend-case.ts";
import { openPacked } from "./harness/packed.ts";
import { runPiece } from "./harness/pieces.ts";

const vectors = openPacked();

for (const [area, load] of vectors.areas) {
  void test(`Dockerfile vectors: ${area}`, async () => {
    const failures: string[] = [];
    const cases = load();
    assert.ok(cases.length > 0);
    for (const one of cases) {
      const difference = await runFrontendCase(one, vectors.images);
      if (difference !== "") failures.push(`${one.name}: ${difference}`);
    }
    assert.deepEqual(failures, []);
  });
}

for (const [piece, load] of vectors.pieces) {
  void test(`pieces: ${piece}`, async () => {
    const failures: string[] = [];
    for (const one of load()) {
      const difference = await runPiece(piece, one);
      if (difference !== "") failures.push(`${one.id}: ${difference}`);
    }
    assert.deepEqual(failures, []);
  });
}
