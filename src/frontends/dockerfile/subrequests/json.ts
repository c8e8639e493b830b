// Answers of subrequests as Go's json.MarshalIndent writes them.

import type { LineSpan, SourceMapFile } from "../../../graph/llb/index.ts";
import type { pb } from "../../../formats/proto/index.ts";

/** JSON indented by two blanks, with Go's extra escapes. */
export function indentedJson(value: unknown): string {
  return JSON.stringify(value, wellFormed, 2).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function wellFormed(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed() : value;
}

/** A source file with the definition that loads it, in the members' wire order; empty members are left out. */
export function sourceInfoJson(file: SourceMapFile): unknown {
  return {
    filename: file.filename,
    data: Buffer.from(file.data).toString("base64"),
    ...(file.definition === undefined ? {} : { definition: definitionJson(file.definition) }),
    language: file.language,
  };
}

function definitionJson(definition: pb.Definition): unknown {
  const metadata = Object.entries(definition.metadata).map(([digest, entry]) => [
    digest,
    {
      ...(Object.keys(entry.description).length === 0 ? {} : { description: sorted(entry.description) }),
      ...(Object.keys(entry.caps).length === 0 ? {} : { caps: sorted(entry.caps) }),
    },
  ]);
  const locations = Object.keys(definition.Source?.locations ?? {}).map((digest) => [digest, {}]);
  return {
    def: definition.def.map((bytes) => Buffer.from(bytes).toString("base64")),
    metadata: sorted(Object.fromEntries(metadata) as Record<string, unknown>),
    Source: { locations: sorted(Object.fromEntries(locations) as Record<string, unknown>) },
  };
}

function sorted(map: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A `location` member with its ranges; nothing for no lines. */
export function locationJson(lines: readonly LineSpan[]): { location?: unknown } {
  return lines.length === 0 ? {} : { location: { ranges: rangesJson(lines) } };
}

/** Line ranges; zeros are left out. */
export function rangesJson(lines: readonly LineSpan[]): unknown {
  const position = (line: number) => (line === 0 ? {} : { line });
  return lines.map(({ start, end }) => ({ start: position(start), end: position(end) }));
}
