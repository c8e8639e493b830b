import assert from "node:assert/strict";
import { test } from "node:test";
import { assignPlatforms } from "./fleet-builder.ts";
import type { FleetNode } from "./fleet-builder.ts";

const node = (...platforms: string[]) => ({ platforms }) as unknown as FleetNode;
const amd = node("linux/amd64", "linux/386");
const arm = node("linux/arm64", "linux/arm/v7");
const emulating = node("linux/amd64", "linux/arm64", "linux/s390x");

test("platforms go to the node that has them first in its list", () => {
  const cases: [string[], FleetNode[], [FleetNode, string[]][]][] = [
    [["linux/amd64", "linux/arm64"], [amd, arm], [[amd, ["linux/amd64"]], [arm, ["linux/arm64"]]]], // prettier-ignore
    [["linux/arm64", "linux/amd64"], [emulating, arm], [[arm, ["linux/arm64"]], [emulating, ["linux/amd64"]]]], // prettier-ignore
    [["linux/s390x", "linux/386"], [amd, emulating], [[emulating, ["linux/s390x"]], [amd, ["linux/386"]]]], // prettier-ignore
    // Nobody has it: the first node may still manage, as it does with steps that only copy.
    [["linux/riscv64"], [arm, amd], [[arm, ["linux/riscv64"]]]],
  ];
  for (const [platforms, nodes, expected] of cases)
    assert.deepEqual([...assignPlatforms(platforms, nodes, "project")], expected);
});

test("equal nodes share projects, and a project stays with its node", () => {
  const nodes = [node("linux/amd64"), node("linux/amd64"), node("linux/amd64"), node("linux/amd64")];
  const of = (project: number, all: readonly FleetNode[]) =>
    all.indexOf([...assignPlatforms(["linux/amd64"], all, `project ${project}`).keys()][0]!);
  const counts = [0, 0, 0, 0];
  let moved = 0;
  for (let project = 0; project < 1000; project++) {
    const place = of(project, nodes);
    assert.equal(of(project, nodes), place);
    counts[place]!++;
    // A node more takes its own share from the others, and moves nothing between them.
    const then = of(project, [...nodes, node("linux/amd64")]);
    if (then !== place) assert.equal(then, 4);
    if (then !== place) moved++;
  }
  for (const count of counts) assert.ok(count > 180 && count < 320, String(counts));
  assert.ok(moved > 120 && moved < 280, String(moved));
});
