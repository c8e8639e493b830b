// A whole graph as a definition: ops in depth-first order, inputs first, each digest once, and a terminal op that points at
// the result. Counterpart: moby/buildkit client/llb State.Marshal.

import { create, fromBinary } from "@bufbuild/protobuf";
import { BuildError, digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { pb } from "../../formats/proto/index.ts";
import { Cap } from "./caps.ts";
import { encodeCanonical } from "./encode.ts";
import type { State } from "./state.ts";
import type { MarshalledVertex, SourceLocation, SourceMapFile, Vertex } from "./vertex.ts";
import { Marshaller } from "./vertex.ts";

/** The definition of a state; scratch gives an empty one. @throws INVALID_UTF8 */
export function marshalState(state: State, options: ConstructorParameters<typeof Marshaller>[0] = {}): pb.Definition {
  const definition = create(pb.DefinitionSchema);
  if (state.output === undefined) return definition;
  const marshaller = new Marshaller(options);
  const locations = new LocationCollector();
  const listed = new Set<Digest>();
  for (const vertex of inputsFirst(state.output.vertex())) {
    const marshalled = marshaller.marshal(vertex);
    addMetadata(definition, marshalled);
    locations.add(marshalled);
    if (listed.has(marshalled.digest)) continue;
    listed.add(marshalled.digest);
    definition.def.push(marshalled.bytes);
  }
  addTerminal(definition, state.output.toInput(marshaller));
  definition.Source = locations.finish();
  return definition;
}

/** Every vertex below `top` and itself, inputs before what reads them; no recursion, since chains can be long. */
function* inputsFirst(top: Vertex): Generator<Vertex> {
  const seen = new Set<Vertex>();
  const stack: { vertex: Vertex; inputs: readonly Vertex[]; next: number }[] = [];
  const push = (vertex: Vertex) => {
    if (seen.has(vertex)) return;
    seen.add(vertex);
    stack.push({ vertex, inputs: vertex.inputs().map((input) => input.vertex()), next: 0 });
  };
  push(top);
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const input = frame.inputs[frame.next++];
    if (input !== undefined) push(input);
    else {
      stack.pop();
      yield frame.vertex;
    }
  }
}

// The same op may be reached as several vertexes: the later description wins.
function addMetadata(definition: pb.Definition, { digest, metadata }: MarshalledVertex): void {
  const known = definition.metadata[digest];
  if (known === undefined) {
    definition.metadata[digest] = metadata;
    return;
  }
  if (metadata.ignoreCache) known.ignoreCache = true;
  Object.assign(known.description, metadata.description);
  Object.assign(known.caps, metadata.caps);
  if (metadata.exportCache !== undefined) known.exportCache = metadata.exportCache;
  if (metadata.progressGroup !== undefined) known.progressGroup = metadata.progressGroup;
  if (metadata.linuxResources !== undefined) known.linuxResources = metadata.linuxResources;
}

function addTerminal(definition: pb.Definition, input: pb.Input): void {
  const bytes = encodeCanonical(pb.OpSchema, create(pb.OpSchema, { inputs: [input] }));
  definition.def.push(bytes);
  const caps: Record<string, boolean> = { [Cap.constraints]: true, [Cap.platform]: true };
  for (const metadata of Object.values(definition.metadata)) {
    if (metadata.ignoreCache) caps[Cap.metaIgnoreCache] = true;
    if (Object.keys(metadata.description).length > 0) caps[Cap.metaDescription] = true;
    if (metadata.exportCache !== undefined) caps[Cap.metaExportCache] = true;
  }
  definition.metadata[digestOf(bytes)] = create(pb.OpMetadataSchema, { caps });
}

class LocationCollector {
  readonly #files: SourceMapFile[] = [];
  readonly #locations = new Map<Digest, SourceLocation[]>();

  add({ digest, locations }: MarshalledVertex): void {
    for (const { file } of locations) if (this.#indexOf(file) < 0) this.#files.push(file);
    const known = this.#locations.get(digest);
    if (known === undefined) this.#locations.set(digest, [...locations]);
    else known.push(...locations);
  }

  // The result of another build may bring along the very file that this one comes from.
  #indexOf(file: SourceMapFile): number {
    const known = this.#files.indexOf(file);
    return known >= 0 ? known : this.#files.findIndex((other) => isSameFile(other, file));
  }

  finish(): pb.Source {
    const source = create(pb.SourceSchema);
    for (const file of this.#files) {
      const info = create(pb.SourceInfoSchema, { filename: file.filename, language: file.language, data: file.data });
      if (file.definition !== undefined) info.definition = file.definition;
      source.infos.push(info);
    }
    for (const [digest, locations] of this.#locations) {
      source.locations[digest] = create(pb.LocationsSchema, {
        locations: locations.map((location) =>
          create(pb.LocationSchema, {
            sourceIndex: this.#indexOf(location.file),
            ranges: location.lines.map((line) => lineRange(line.start, line.end)),
          }),
        ),
      });
    }
    return source;
  }
}

function isSameFile(a: SourceMapFile, b: SourceMapFile): boolean {
  return a.filename === b.filename && a.language === b.language && Buffer.compare(a.data, b.data) === 0;
}

function lineRange(start: number, end: number): pb.Range {
  return create(pb.RangeSchema, {
    start: create(pb.PositionSchema, { line: start }),
    end: create(pb.PositionSchema, { line: end }),
  });
}

/** One op of a decoded definition. */
export interface DecodedOp {
  readonly digest: Digest;
  readonly op: pb.Op;
  /** The exact bytes that the digest is of. */
  readonly bytes: Uint8Array;
  readonly metadata: pb.OpMetadata;
}

export interface DecodedDefinition {
  /** In definition order, without the terminal op: inputs come before what reads them. */
  readonly ops: readonly DecodedOp[];
  /** The result; undefined for scratch. */
  readonly head: { readonly digest: Digest; readonly index: number } | undefined;
  /** The op without a kind that names the result; undefined for scratch. */
  readonly terminal: DecodedOp | undefined;
  readonly sourceMap: pb.Source | undefined;
}

/**
 * Decodes a definition from anyone. Digests are recomputed from the bytes.
 * @throws INVALID_DEFINITION when an op cannot be decoded, an input is not defined before its use, an index is out of range
 *   for the op, or the terminal op is missing.
 */
export function decodeDefinition(definition: pb.Definition): DecodedDefinition {
  const sourceMap = definition.Source;
  if (definition.def.length === 0) return { ops: [], head: undefined, terminal: undefined, sourceMap };
  const decoded = definition.def.map((bytes) => ({ bytes, digest: digestOf(bytes), op: decodeOp(bytes) }));
  const terminal = { ...decoded.pop()!, metadata: create(pb.OpMetadataSchema) };
  terminal.metadata = definition.metadata[terminal.digest] ?? terminal.metadata;
  const [head] = terminal.op.inputs;
  if (head === undefined || terminal.op.op.case !== undefined) throw invalid("the last op must only name the result");
  const ops: DecodedOp[] = [];
  const known = new Set<string>();
  for (const { bytes, digest, op } of decoded) {
    if (known.has(digest)) continue;
    for (const input of op.inputs) checkInput(known, input);
    known.add(digest);
    ops.push({ digest, op, bytes, metadata: definition.metadata[digest] ?? create(pb.OpMetadataSchema) });
  }
  checkInput(known, head);
  return { ops, head: { digest: head.digest as Digest, index: Number(head.index) }, terminal, sourceMap };
}

function checkInput(known: ReadonlySet<string>, input: pb.Input): void {
  if (!known.has(input.digest)) throw invalid(`input ${JSON.stringify(input.digest)} is not defined before its use`);
  if (input.index < 0n || input.index > 0x7fffffffn) throw invalid(`input index ${input.index} is out of range`);
}

function decodeOp(bytes: Uint8Array): pb.Op {
  try {
    return fromBinary(pb.OpSchema, bytes);
  } catch (cause) {
    throw new BuildError("invalid definition: an op cannot be decoded", {
      code: "INVALID_DEFINITION",
      status: "InvalidArgument",
      cause,
    });
  }
}

function invalid(reason: string): BuildError {
  return new BuildError(`invalid definition: ${reason}`, { code: "INVALID_DEFINITION", status: "InvalidArgument" });
}
