// Whole builds of growing size; the time of the smallest build there is, which is start-up, is taken off.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { best, run } from "../measure.ts";
import { fittedExponent } from "../harness/statistics.ts";
import type { Lab } from "../harness/types.ts";
import { context, manyFiles } from "../workloads/contexts.ts";
import type { Curve } from "./types.ts";

/** COPY of more and more files, unseen. */
export function fileCurve(lab: Lab): Promise<Curve> {
  const sizes = lab.isQuick ? [100, 200] : [2000, 8000, 32_000, 128_000];
  return curve(lab, "files", "COPY of new files", "files", sizes, (name, size) =>
    context(lab, name, "FROM scratch\nCOPY . /\n", (dir) => manyFiles(join(dir, "data"), size)),
  );
}

/** An image of more and more layers, made and exported. */
export function layerCurve(lab: Lab): Promise<Curve> {
  const sizes = lab.isQuick ? [5, 10] : [16, 48, 120, 360];
  return curve(lab, "layers", "image of many layers, made and exported", "layers", sizes, (name, size) =>
    context(lab, name, `FROM scratch\n${Array.from({ length: size }, (_, at) => `COPY f /${at}\n`).join("")}`, (dir) =>
      writeFileSync(join(dir, "f"), name),
    ),
  );
}

async function curve(
  lab: Lab,
  id: string,
  title: string,
  unit: string,
  sizes: readonly number[],
  contextOf: (name: string, size: number) => string,
): Promise<Curve> {
  const root = join(lab.folder, "scaling-root");
  const build = (dir: string) =>
    run([
      lab.slipway,
      "build",
      "--root",
      root,
      "--progress",
      "quiet",
      "--no-cache",
      "--provenance=false",
      "-t",
      "bench/scaling",
      dir,
    ]);
  const empty = context(lab, "scaling-empty", "FROM scratch\nCOPY Dockerfile /\n");
  build(empty);
  const startMs = best(lab.isQuick ? 1 : 3, () => build(empty)).wallMs;
  const points = sizes.map((size) => {
    const dir = contextOf(`scaling-${id}-${size}`, size);
    return { size, cost: Math.max(1, best(lab.isQuick ? 1 : 3, () => build(dir)).wallMs - startMs) };
  });
  return { id, title, unit, points, exponent: fittedExponent(points) };
}
