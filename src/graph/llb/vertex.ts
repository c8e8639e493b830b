// Vertexes and their outputs: the lazy graph behind a State. A vertex is marshalled once for each Marshaller, because what it
// becomes can depend on the server's capabilities, and because some outputs (the main context) are only decided at the end.
// Counterpart: moby/buildkit client/llb {state,marshal,sourcemap}.go.

import { create } from "@bufbuild/protobuf";
import { digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { pb } from "../../formats/proto/index.ts";
import { encodeCanonical } from "./encode.ts";
import type { Platform } from "./platform.ts";
import { defaultPlatform, platformToPb } from "./platform.ts";

/** A text whose lines ops come from; `definition` is the one that loads the file. */
export interface SourceMapFile {
  readonly filename: string;
  readonly language: string;
  readonly data: Uint8Array;
  readonly definition: pb.Definition | undefined;
}

/** Lines of a source file, 1-based and inclusive. */
export interface SourceLocation {
  readonly file: SourceMapFile;
  readonly lines: readonly LineSpan[];
}

export interface LineSpan {
  readonly start: number;
  readonly end: number;
}

/** What any op can be given besides its own arguments; none of it but `platform` is part of a digest. */
export interface OpOptions {
  readonly platform?: Platform | undefined;
  /** The step's name in progress; sets the description `llb.customname`. */
  readonly customName?: string | undefined;
  readonly description?: Readonly<Record<string, string>> | undefined;
  readonly ignoreCache?: boolean | undefined;
  readonly location?: SourceLocation | undefined;
  readonly progressGroup?: { readonly id: string; readonly name: string; readonly weak: boolean } | undefined;
  readonly linuxResources?: pb.LinuxResources | undefined;
}

/** One result of a vertex, to be used as an input; `undefined` in its place means scratch. */
export interface Output {
  readonly platform: Platform | undefined;
  vertex(): Vertex;
  toInput(marshaller: Marshaller): pb.Input;
}

/** What a vertex becomes. */
export interface MarshalledVertex {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly metadata: pb.OpMetadata;
  readonly locations: readonly SourceLocation[];
}

/** Settings of one marshalling, and the vertexes marshalled so far. */
export class Marshaller {
  readonly platform: Platform;
  /** Whether the server has a capability; undefined when the server's capabilities are not known. */
  readonly supports: ((cap: string) => boolean) | undefined;
  /** Stands in for the session in local sources without one. */
  readonly localUniqueId: string;
  readonly #done = new Map<Vertex, MarshalledVertex>();

  constructor(options: {
    platform?: Platform | undefined;
    supports?: ((cap: string) => boolean) | undefined;
    localUniqueId?: string | undefined;
  }) {
    this.platform = options.platform ?? defaultPlatform();
    this.supports = options.supports;
    this.localUniqueId = options.localUniqueId ?? crypto.randomUUID();
  }

  marshal(vertex: Vertex): MarshalledVertex {
    let done = this.#done.get(vertex);
    if (done === undefined) {
      done = vertex.marshal(this);
      this.#done.set(vertex, done);
    }
    return done;
  }
}

/** A step of the graph. */
export abstract class Vertex {
  readonly options: OpOptions;
  protected readonly caps = new Set<string>();

  constructor(options: OpOptions) {
    this.options = options;
  }

  /** The outputs this vertex reads, in the order in which a definition lists them. */
  abstract inputs(): readonly Output[];

  /** Use {@link Marshaller.marshal}, which remembers. */
  abstract marshal(marshaller: Marshaller): MarshalledVertex;

  /** Finishes an op: constraints, platform where the kind of op has one, metadata. */
  protected finish(op: pb.Op, platform: Platform | undefined): MarshalledVertex {
    op.constraints = create(pb.WorkerConstraintsSchema);
    if (platform !== undefined) op.platform = platformToPb(platform);
    const bytes = encodeCanonical(pb.OpSchema, op);
    return {
      digest: digestOf(bytes),
      bytes,
      metadata: this.#metadata(),
      locations: this.options.location === undefined ? [] : [this.options.location],
    };
  }

  #metadata(): pb.OpMetadata {
    const { customName, description, ignoreCache, progressGroup, linuxResources } = this.options;
    const metadata = create(pb.OpMetadataSchema, { ignoreCache: ignoreCache ?? false });
    metadata.description = { ...description };
    if (customName !== undefined) metadata.description["llb.customname"] = customName;
    for (const cap of this.caps) metadata.caps[cap] = true;
    if (progressGroup !== undefined) metadata.progressGroup = create(pb.ProgressGroupSchema, progressGroup);
    if (linuxResources !== undefined) metadata.linuxResources = linuxResources;
    return metadata;
  }
}

/** The usual output: a fixed or computed index of a vertex. */
export class VertexOutput implements Output {
  readonly #vertex: Vertex;
  readonly #index: () => number;
  readonly platform: Platform | undefined;

  constructor(vertex: Vertex, index: () => number = () => 0, platform?: Platform) {
    this.#vertex = vertex;
    this.#index = index;
    this.platform = platform;
  }

  vertex(): Vertex {
    return this.#vertex;
  }

  toInput(marshaller: Marshaller): pb.Input {
    const { digest } = marshaller.marshal(this.#vertex);
    return create(pb.InputSchema, { digest, index: BigInt(this.#index()) });
  }
}

/** An output that is decided later, but before anything is marshalled. */
export class DeferredOutput implements Output {
  readonly platform = undefined;
  readonly #resolve: () => Output;
  #resolved: Output | undefined;

  /** `resolve` is called once, when the output is first needed. */
  constructor(resolve: () => Output) {
    this.#resolve = resolve;
  }

  get target(): Output {
    return (this.#resolved ??= this.#resolve());
  }

  vertex(): Vertex {
    return this.target.vertex();
  }

  toInput(marshaller: Marshaller): pb.Input {
    return this.target.toInput(marshaller);
  }
}

/** Collects inputs of an op, each (digest, index) pair once. */
export class InputList {
  readonly inputs: pb.Input[] = [];
  readonly #seen = new Map<string, number>();

  /** The index of the input in the op's list. */
  add(input: pb.Input): number {
    const key = `${input.digest} ${input.index}`;
    let index = this.#seen.get(key);
    if (index === undefined) {
      index = this.inputs.push(input) - 1;
      this.#seen.set(key, index);
    }
    return index;
  }
}
