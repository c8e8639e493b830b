// Where vertexes come from in the user's files: what an error's excerpt is cut from.

import type { SourceSpan } from "../../base/index.ts";
import type { pb } from "../../formats/proto/index.ts";

/** Source maps of every definition of a build, by vertex digest. */
export class SourceMaps {
  readonly #maps = new Set<pb.Source>();
  readonly #users = new Map<string, readonly string[]>();

  /** `users` says which vertexes read each one. */
  add(source: pb.Source, users: ReadonlyMap<string, readonly string[]>): void {
    this.#maps.add(source);
    for (const [vertex, list] of users) this.#users.set(vertex, list);
  }

  /** Spans of the vertex, the most specific first; of the step that reads it where it has none; empty when nothing is known. */
  of(vertex: string): SourceSpan[] {
    const own = this.#own(vertex);
    if (own.length > 0) return own;
    for (const user of this.#users.get(vertex) ?? []) {
      const spans = this.#own(user);
      if (spans.length > 0) return spans;
    }
    return [];
  }

  #own(vertex: string): SourceSpan[] {
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
