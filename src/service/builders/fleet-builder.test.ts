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
  for (const [platforms, nodes, expected] of cases) assert.deepEqual([...assignPlatforms(platforms, nodes)], expected);
});
