// Cost against size: files of a context, layers of an image, vertexes of a graph, records of a cache. Each is measured over sizes that
// differ by more than a factor of ten, and an exponent fitted; it should stay at or below 1.1.

import type { Lab } from "../harness/types.ts";
import { fileCurve, layerCurve } from "./builds.ts";
import { recordCurve } from "./records.ts";
import type { Curve } from "./types.ts";
import { vertexCurve } from "./vertexes.ts";

/** Measures all, telling each point. */
export async function curves(lab: Lab, tell: (line: string) => void): Promise<Curve[]> {
  const all: Curve[] = [];
  for (const measure of [fileCurve, layerCurve, vertexCurve, recordCurve]) {
    const curve = await measure(lab);
    tell(`scaling, ${curve.title}: exponent ${curve.exponent.toFixed(2)}`);
    all.push(curve);
  }
  return all;
}
