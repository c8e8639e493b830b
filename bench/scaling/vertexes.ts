// The solver alone over growing graphs, cold and then again from its cache: ops do nothing, keys and results are kept in memory.

import { digestOf } from "../../src/base/index.ts";
import { MemoryKeyStorage, Solver } from "../../src/graph/solver/index.ts";
import type { Edge, ResultStore, Vertex } from "../../src/graph/solver/index.ts";
import { fittedExponent } from "../harness/statistics.ts";
import type { Lab } from "../harness/types.ts";
import type { Curve } from "./types.ts";

const WIDTH = 50;

/** Rows of vertexes, each reading two of the row before; one vertex reads the last row. */
export async function vertexCurve(lab: Lab): Promise<Curve> {
  const sizes = lab.isQuick ? [500, 1000] : [1000, 10_000, 100_000];
  const points: { size: number; cost: number }[] = [];
  for (const size of sizes) points.push({ size, cost: await solveTwice(size) });
  return {
    id: "vertexes",
    title: "graph of vertexes, solved and solved again",
    unit: "vertexes",
    points,
    exponent: fittedExponent(points),
  };
}

async function solveTwice(size: number): Promise<number> {
  const kept = new Set<string>();
  const results: ResultStore<string> = {
    save: (result) => {
      kept.add(result);
      return result;
    },
    load: (id) => Promise.resolve(kept.has(id) ? id : undefined),
    exists: (id) => kept.has(id),
    release: () => Promise.resolve(),
  };
  const solver = new Solver<string>({
    storage: new MemoryKeyStorage(),
    results,
    parallelism: 8,
    now: () => 0,
    resolveOp: (vertex) => ({
      cacheMap: () => Promise.resolve({ digest: vertex.digest, persistent: true, deps: vertex.inputs.map(() => ({})) }),
      exec: () => Promise.resolve([vertex.digest]),
    }),
  });
  const goal = graph(size);
  const started = process.hrtime.bigint();
  for (const _ of [1, 2]) {
    await using job = solver.job({ vertex: () => {}, log: () => {}, status: () => {}, warn: () => {} });
    const { result } = await job.build(goal);
    if (result !== goal.vertex.digest) throw new Error(`the solver gave ${result}`);
  }
  return Number(process.hrtime.bigint() - started) / 1e6;
}

function graph(size: number): Edge {
  const vertex = (name: string, inputs: readonly Edge[]): Edge => {
    const made: Vertex = {
      digest: digestOf(name),
      name,
      inputs,
      options: { ignoreCache: false, description: {} },
      sys: undefined,
    };
    return { vertex: made, index: 0 };
  };
  let row: Edge[] = Array.from({ length: WIDTH }, (_, at) => vertex(`0.${at}`, []));
  for (let depth = 1; depth * WIDTH < size; depth++)
    row = row.map((_, at) => vertex(`${depth}.${at}`, [row[at]!, row[(at + 1) % WIDTH]!]));
  return vertex("goal", row);
}
