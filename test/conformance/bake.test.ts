// Replays the packed bake vectors: what `bake --print` and `--list` of the real buildx printed for the same files, and where its
// errors point.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runBakeCase } from "./harness/bake-case.ts";
import { openPacked } from "./harness/packed.ts";

const cases = openPacked().bakes?.() ?? [];
const areas = Map.groupBy(cases, ({ area }) => area);

void test("there are bake vectors", () => assert.ok(areas.size > 0));

for (const [area, all] of areas) {
  void test(`bake vectors: ${area}`, async () => {
    const failures: string[] = [];
    for (const one of all) {
      const difference = await runBakeCase(one);
      if (difference !== "") failures.push(`${one.name}: ${difference}`);
    }
    assert.deepEqual(failures, []);
  });
}
