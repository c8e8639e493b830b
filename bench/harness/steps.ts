// The steps of a build and when each ran, from the lines that `--progress rawjson` writes. Counterpart: BuildKit's client.SolveStatus as JSON.

import type { Step } from "./types.ts";

interface Line {
  readonly vertexes?: readonly {
    readonly digest: string;
    readonly name: string;
    readonly started?: string;
    readonly completed?: string;
  }[];
}

/** In the order of their starts. Lines that are no JSON are passed over. */
export function readSteps(log: string): Step[] {
  const spans = new Map<string, { name: string; from: number; to: number }>();
  for (const line of log.split("\n").filter((each) => each.startsWith("{"))) {
    for (const { digest, name, started, completed } of (JSON.parse(line) as Line).vertexes ?? []) {
      if (started === undefined || completed === undefined) continue;
      const [from, to] = [Date.parse(started), Date.parse(completed)];
      const known = spans.get(digest);
      spans.set(digest, { name, from: Math.min(from, known?.from ?? from), to: Math.max(to, known?.to ?? to) });
    }
  }
  const all = [...spans.values()].sort((one, other) => one.from - other.from);
  const zero = all[0]?.from ?? 0;
  return all.map(({ name, from, to }) => ({ name, fromMs: from - zero, toMs: to - zero }));
}
