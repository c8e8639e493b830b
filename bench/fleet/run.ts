// Prints the tables of docs/fleet.md: `npm run bench -- fleet`.

import { simulate } from "./simulate.ts";
import type { Fleet, Load } from "./simulate.ts";

/** Times of the six-service CI job of docs/caching.md, a service each: cold, from a cache elsewhere, from the node's own. */
const BUILD = { coldS: 90, sharedS: 25, warmS: 8 };
const BUILDS = 40_000;

const percent = (share: number) => `${Math.round(share * 100)} %`;
const seconds = (value: number) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));

function row(fleet: Fleet, load: Load): string[] {
  const outcome = simulate(fleet, load, { builds: BUILDS, seed: 1 });
  return [
    String(load.buildsPerHour),
    String(fleet.nodes),
    fleet.placement,
    fleet.sharedCache ? "yes" : "no",
    percent(outcome.warm),
    percent(outcome.shared),
    percent(outcome.busy),
    outcome.busy > 0.97 ? "grows" : seconds(outcome.waitS.p95),
    outcome.busy > 0.97 ? "grows" : `${seconds(outcome.totalS.median)} / ${seconds(outcome.totalS.p95)}`,
  ];
}

const HEADER = [
  "builds/h",
  "nodes",
  "placement",
  "shared cache",
  "warm",
  "shared",
  "busy",
  "wait p95 (s)",
  "total median / p95 (s)",
];

export function fleetTable(): string {
  const rows: string[][] = [];
  for (const [buildsPerHour, repositories, sizes] of [
    [200, 60, [2]],
    [1000, 300, [4, 8]],
    [5000, 1000, [16, 32]],
  ] as const) {
    for (const nodes of sizes) {
      for (const [placement, sharedCache] of [
        ["any", false],
        ["any", true],
        ["affine", false],
        ["affine", true],
      ] as const) {
        const fleet: Fleet = { nodes, slots: 4, cachedRepositories: 40, sharedCache, placement };
        rows.push(row(fleet, { ...BUILD, buildsPerHour, repositories, skew: 0.8 }));
      }
    }
  }
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(HEADER), line(HEADER.map(() => "---")), ...rows.map(line)].join("\n");
}
