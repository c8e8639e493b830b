// Where vertexes come from in the user's files: what an error's excerpt is cut from.

import type { SourceSpan } from "../../base/index.ts";
import type { pb } from "../../formats/proto/index.ts";

/** Source maps of every definition of a build, by vertex digest. */
export class SourceMaps {
  readonly #maps = new Set<pb.Source>();

  add(source: pb.Source): void {
    this.#maps.add(source);
  }

  /** Spans of the vertex, the most specific first; empty when nothing is known of it. */
  of(vertex: string): SourceSpan[] {
    const spans: SourceSpan[] = [];
    for (const source of this.#maps) {
      for (const location of source.locations[vertex]?.locations ?? []) {
        const info = source.infos[location.sourceIndex];
        if (info === undefined) continue;
        spans.push({
          filename: info.filename,
          language: info.language,
          text: info.data,
          ranges: location.ranges.map((range) => ({ start: range.start?.line ?? 0, end: range.end?.line ?? 0 })),
        });
      }
    }
    return spans;
  }
}
