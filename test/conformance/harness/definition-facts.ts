// Definitions in the vectors' JSON spelling.

import { toJson } from "@bufbuild/protobuf";
import { digestOf } from "../../../src/base/index.ts";
import { pb } from "../../../src/formats/proto/index.ts";
import { decodeDefinition } from "../../../src/graph/llb/index.ts";

export { decodeDefinition };

/** A definition as `llb` has it. */
export function llbFacts(definition: pb.Definition): unknown {
  const { ops, head, sourceMap } = decodeDefinition(definition);
  const groups = new Map<string, string>();
  const terminal = definition.def.at(-1);
  const terminalDigest = terminal === undefined ? "" : digestOf(terminal);
  const terminalMetadata = definition.metadata[terminalDigest];
  return {
    head: head?.digest ?? "",
    ops: ops.map(({ digest, op, bytes, metadata }) => ({
      digest,
      kind: op.op.case,
      inputs: op.inputs.map((input) => ({ digest: input.digest, index: Number(input.index) })),
      op: toJson(pb.OpSchema, op, { useProtoFieldName: true }),
      metadata: metadataFacts(metadata, groups),
      raw: Buffer.from(bytes).toString("base64"),
    })),
    ...(head === undefined
      ? {}
      : {
          terminal: {
            digest: terminalDigest,
            inputs: [{ digest: head.digest, index: head.index }],
            metadata: terminalMetadata === undefined ? {} : metadataFacts(terminalMetadata, groups),
            raw: Buffer.from(terminal!).toString("base64"),
          },
        }),
    ...(sourceMap === undefined ? {} : { sourceMap: sourceMapFacts(sourceMap) }),
  };
}

function metadataFacts(metadata: pb.OpMetadata, groups: Map<string, string>): unknown {
  const { progressGroup, linuxResources, description } = metadata;
  return {
    ...(Object.keys(description).length === 0 ? {} : { description }),
    caps: Object.keys(metadata.caps).sort(),
    ...(metadata.ignoreCache ? { ignoreCache: true } : {}),
    ...(progressGroup === undefined ? {} : { progressGroup: groupFacts(progressGroup, groups) }),
    ...(linuxResources === undefined ? {} : { linuxResources: toJson(pb.LinuxResourcesSchema, linuxResources) }),
  };
}

// Group ids are random; they are numbered in order of appearance.
function groupFacts(group: pb.ProgressGroup, groups: Map<string, string>): unknown {
  if (!groups.has(group.id)) groups.set(group.id, `pg${groups.size}`);
  return { id: groups.get(group.id), name: group.name, weak: group.weak };
}

function sourceMapFacts(source: pb.Source): unknown {
  return {
    infos: source.infos.map((info) => ({
      filename: info.filename,
      language: info.language,
      dataSha256: digestOf(info.data),
      definitionHead: info.definition === undefined ? "" : (decodeDefinition(info.definition).head?.digest ?? ""),
    })),
    locations: Object.fromEntries(
      Object.entries(source.locations)
        .filter(([, { locations }]) => locations.length > 0)
        .map(([digest, { locations }]) => [
          digest,
          locations.map((location) => ({
            sourceIndex: location.sourceIndex,
            lines: joinLines(
              location.ranges.map((range) => ({ start: range.start?.line ?? 0, end: range.end?.line ?? 0 })),
            ),
          })),
        ]),
    ),
  };
}

/** Line ranges as text, neighbours joined: `3` or `3-5`. */
export function joinLines(ranges: readonly { readonly start: number; readonly end: number }[]): string[] {
  const joined: { start: number; end: number }[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    if (last !== undefined && range.start === last.end + 1) last.end = range.end;
    else joined.push({ ...range });
  }
  return joined.map(({ start, end }) => (start === end ? `${start}` : `${start}-${end}`));
}
