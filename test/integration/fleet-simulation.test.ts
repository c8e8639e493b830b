// The simulation against what queueing theory and common sense say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "../../bench/fleet/simulate.ts";
import type { Fleet, Load } from "../../bench/fleet/simulate.ts";

const load: Load = { buildsPerHour: 600, repositories: 100, skew: 0.8, coldS: 60, sharedS: 20, warmS: 5 };
const fleet: Fleet = { nodes: 4, slots: 4, cachedRepositories: 20, sharedCache: false, placement: "any" };
const run = (more: Partial<Fleet> = {}, other: Partial<Load> = {}) =>
  simulate({ ...fleet, ...more }, { ...load, ...other }, { builds: 20_000, seed: 7 });

test("without caches the slots are as busy as what is offered says", () => {
  const { busy, warm } = run({ cachedRepositories: 0 });
  assert.equal(warm, 0);
  // 600 builds of 60 s in an hour are 10 slots of 16.
  assert.ok(Math.abs(busy - 10 / 16) < 0.02, String(busy));
});

test("more nodes wait less; placement by project hits more; a shared cache helps the rest", () => {
  const few = run({ nodes: 3, cachedRepositories: 0 });
  const many = run({ nodes: 6, cachedRepositories: 0 });
  assert.ok(few.waitS.p95 > many.waitS.p95);
  const any = run();
  const affine = run({ placement: "affine" });
  assert.ok(affine.warm > any.warm + 0.2, `${affine.warm} ${any.warm}`);
  const shared = run({ sharedCache: true });
  assert.ok(shared.shared > 0.3 && shared.totalS.p95 < any.totalS.p95);
});

test("a node that keeps all repositories is warm from their second build on", () => {
  const { warm } = run({ nodes: 1, slots: 64, cachedRepositories: 100 });
  assert.equal(warm, 1);
});

test("the same seed, the same outcome", () => assert.deepEqual(run(), run()));
