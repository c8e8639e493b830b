// The benchmark's arithmetic and its report: what it says must follow from the samples.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ownDisk } from "../bench/harness/own-disk.ts";
import { isHopeless } from "../bench/harness/rounds.ts";
import { markdown, standingOf } from "../bench/harness/report.ts";
import { page } from "../bench/harness/page.ts";
import { fittedExponent, median } from "../bench/harness/statistics.ts";
import { readSteps } from "../bench/harness/steps.ts";
import type { Peer, Report, Sample, WorkloadResult } from "../bench/harness/types.ts";

const sample = (wallMs: number, cpuMs?: number): Sample => ({
  wallMs,
  cpuMs,
  peakBytes: undefined,
  writtenBytes: undefined,
});

const result = (peers: Record<string, number[]>, target?: WorkloadResult["target"]): WorkloadResult => ({
  id: "w",
  title: "a <workload> | with odd signs",
  target,
  peers: Object.entries(peers).map(([peer, walls]) => ({
    peer,
    title: peer,
    samples: walls.map((ms) => sample(ms, 2 * ms)),
  })),
  limit: undefined,
});

test("medians and exponents", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.throws(() => median([]), RangeError);
  const points = [1, 10, 100].map((size) => ({ size, cost: 3 * size ** 1.5 }));
  assert.ok(Math.abs(fittedExponent(points) - 1.5) < 1e-9);
});

test("the ratio is to the fastest peer that is not ours; our daemon stands in where nobody else can do it", () => {
  const standing = standingOf(
    result({ slipway: [50, 70, 60], "slipway-daemon": [10], fast: [100], slow: [300] }, { ratio: 0.7 }),
  );
  assert.equal(standing.ratio, 0.6);
  assert.equal(standing.cpuRatio, 0.6);
  assert.equal(standing.fastest?.peer, "fast");
  assert.equal(standing.isMet, true);
  assert.equal(standingOf(result({ slipway: [90], fast: [100] }, { ratio: 0.7 })).isMet, false);
  assert.equal(standingOf(result({ slipway: [50], "slipway-daemon": [100], fast: [] }, { ratio: 0.7 })).ratio, 0.5);
  assert.equal(standingOf(result({ slipway: [], fast: [100] }, { ratio: 0.7 })).isMet, undefined);
  assert.equal(standingOf(result({ slipway: [79] }, { ms: 80 })).isMet, true);
});

test("a peer that is far from the fastest is not asked again once that takes long; ours always are", () => {
  const walls = {
    slipway: [90_000],
    "slipway-daemon": [90_000],
    fast: [9000, 11_000],
    slow: [24_000],
    near: [22_000],
    new: [],
  };
  const samples = new Map(Object.entries(walls).map(([id, ms]) => [{ id } as Peer, ms.map((each) => sample(each))]));
  const hopeless = [...samples.keys()].filter((peer) => isHopeless(peer, samples)).map(({ id }) => id);
  assert.deepEqual(hopeless, ["slow"]);
  const quick = new Map([
    [{ id: "fast" } as Peer, [sample(100)]],
    [{ id: "slow" } as Peer, [sample(900)]],
  ]);
  assert.ok([...quick.keys()].every((peer) => !isHopeless(peer, quick)));
});

test("report and page say it, with names that are not theirs to write", () => {
  const report: Report = {
    machine: { processors: 2, model: "<b>", memoryBytes: 2 ** 34, kernel: "6", loads: [1, 2], date: "2026-11-26" },
    rounds: 3,
    workloads: [result({ slipway: [90], fast: [100] }, { ratio: 0.7 })],
    missingPeers: [{ title: "other", why: "not here" }],
    curves: [{ id: "c", title: "steps", unit: "steps", points: [{ size: 1000, cost: 20 }], exponent: 1.11 }],
  };
  const text = markdown(report);
  assert.match(
    text,
    /\| a <workload> \\\| with odd signs \| 90 ms \*1 \| fast 100 ms \*1 \| 0\.90 \(0\.90\) \| ≤ 0\.7 \| \*\*missed\*\* \|/,
  );
  assert.match(text, /- other: not here/);
  assert.match(text, /\| steps \| 1,000 steps: 20 ms \| 1\.11 \| \*\*missed\*\* \|/);
  const html = page(report);
  assert.ok(html.includes("a &lt;workload&gt;") && html.includes("missed") && !html.includes("<b>"));
});

test("steps are read from a progress log, one span each", () => {
  const line = (vertex: object) => JSON.stringify({ vertexes: [vertex] });
  const log = [
    "noise",
    line({ digest: "b", name: "second", started: "2026-01-01T00:00:01Z", completed: "2026-01-01T00:00:03Z" }),
    line({ digest: "a", name: "first", started: "2026-01-01T00:00:00Z" }),
    line({ digest: "a", name: "first", started: "2026-01-01T00:00:00Z", completed: "2026-01-01T00:00:02Z" }),
  ].join("\n");
  assert.deepEqual(readSteps(log), [
    { name: "first", fromMs: 0, toMs: 2000 },
    { name: "second", fromMs: 1000, toMs: 3000 },
  ]);
});

for (const isOwn of [true, false])
  test(`what is discarded gives back its space and leaves nothing, ${isOwn ? "on a disk of its own" : "without the programs for one"}`, (context) => {
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-disk-"));
    const path = process.env["PATH"];
    context.after(() => {
      process.env["PATH"] = path;
      rmSync(folder, { recursive: true, force: true });
    });
    if (!isOwn) process.env["PATH"] = folder;
    const told: string[] = [];
    {
      using disk = ownDisk(folder, (line) => told.push(line));
      assert.equal(disk.isOwn, told.length === 0, told.join());
      if (isOwn) context.diagnostic(disk.isOwn ? "a disk of its own" : told.join());
      else assert.match(told.join(), /no file system of its own .*mkfs\.ext4/);
      const tree = join(folder, "tree");
      mkdirSync(tree);
      writeFileSync(join(tree, "small"), "x");
      writeFileSync(join(tree, "large"), Buffer.alloc(32 << 20));
      const free = () => Number(statfsSync(folder, { bigint: true }).bfree) * statfsSync(folder).bsize;
      const before = free();
      disk.discard(tree);
      disk.discard(tree);
      assert.ok(!existsSync(tree));
      if (disk.isOwn) assert.ok(free() - before >= 32 << 20);
    }
    assert.deepEqual(readdirSync(folder), []);
    assert.ok(!existsSync(`${folder}.disk`));
  });
