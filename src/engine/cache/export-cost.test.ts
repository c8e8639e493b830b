import assert from "node:assert/strict";
import { test } from "node:test";
import { worthExporting } from "./export-cost.ts";

test("a step is worth exporting when it takes longer than writing and fetching its layer", () => {
  const choices = [
    { tookMs: 10, sizeBytes: 0 },
    { tookMs: 30, sizeBytes: 0 },
    { tookMs: 1000, sizeBytes: 100_000_000 },
    { tookMs: 5000, sizeBytes: 100_000_000 },
  ].map((cost) => worthExporting(cost).isWorth);
  assert.deepEqual(choices, [false, true, false, true]);
  assert.equal(
    worthExporting({ tookMs: 1234, sizeBytes: 60_000_000 }).reason,
    "1.2 s to make, about 2.6 s to write and fetch 60.0 MB",
  );
});
