// Source ops: what a build starts from. Everything but the identifier is an attribute, and every attribute is hashed.
// Counterpart: moby/buildkit client/llb/source.go.

import { create } from "@bufbuild/protobuf";
import { pb } from "../../formats/proto/index.ts";
import { Cap } from "./caps.ts";
import { State } from "./state.ts";
import type { MarshalledVertex, Marshaller, OpOptions } from "./vertex.ts";
import { Vertex, VertexOutput } from "./vertex.ts";

/** Reads a source, known by its identifier (`scheme://…`) and attributes. */
export class SourceVertex extends Vertex {
  readonly identifier: string;
  readonly attrs: Readonly<Record<string, string>>;

  constructor(
    identifier: string,
    attrs: Readonly<Record<string, string>>,
    caps: readonly string[],
    options: OpOptions,
  ) {
    super(options);
    this.identifier = identifier;
    this.attrs = attrs;
    for (const cap of caps) this.caps.add(cap);
  }

  override inputs(): readonly [] {
    return [];
  }

  override marshal(marshaller: Marshaller): MarshalledVertex {
    const attrs = { ...this.attrs };
    if (this.identifier.startsWith("local://") && attrs["local.session"] === undefined) {
      attrs["local.unique"] = marshaller.localUniqueId;
      this.caps.add(Cap.sourceLocalUnique);
    }
    const op = create(pb.OpSchema);
    op.op = { case: "source", value: create(pb.SourceOpSchema, { identifier: this.identifier, attrs }) };
    const hasPlatform = /^(docker-image|oci-layout):\/\//.test(this.identifier);
    return this.finish(op, hasPlatform ? (this.options.platform ?? marshaller.platform) : undefined);
  }

  /** A state on this source. */
  state(): State {
    return State.of(new VertexOutput(this, undefined, this.options.platform));
  }
}

/** How an image reference is resolved: from the store or the registry, always the registry, or the store first. */
export type ResolveMode = "default" | "pull" | "local";

/** An image; `ref` is a normalised reference with tag or digest. */
export function imageSource(ref: string, options: OpOptions & { readonly resolveMode?: ResolveMode } = {}): State {
  const { resolveMode = "default", ...rest } = options;
  const attrs: Record<string, string> = {};
  const caps: string[] = [Cap.sourceImage];
  if (resolveMode !== "default") attrs["image.resolvemode"] = resolveMode;
  if (resolveMode === "pull") caps.push(Cap.sourceImageResolveMode);
  return new SourceVertex(`docker-image://${ref}`, attrs, caps, rest).state();
}

export interface LocalSourceOptions extends OpOptions {
  readonly sessionId?: string;
  readonly followPaths?: readonly string[];
  readonly includePatterns?: readonly string[];
  readonly excludePatterns?: readonly string[];
  readonly sharedKeyHint?: string;
  readonly differ?: "none" | "metadata";
}

/** A folder of the client, by the name under which its session offers it. */
export function localSource(name: string, options: LocalSourceOptions): State {
  const attrs: Record<string, string> = {};
  const caps: string[] = [Cap.sourceLocal];
  const add = (key: string, value: string | undefined, cap: string) => {
    if (value === undefined || value === "") return;
    attrs[key] = value;
    caps.push(cap);
  };
  add("local.session", options.sessionId, Cap.sourceLocalSessionId);
  add("local.includepattern", jsonList(options.includePatterns), Cap.sourceLocalIncludePatterns);
  add("local.followpaths", jsonList(options.followPaths), Cap.sourceLocalFollowPaths);
  add("local.excludepatterns", jsonList(options.excludePatterns), Cap.sourceLocalExcludePatterns);
  add("local.sharedkeyhint", options.sharedKeyHint, Cap.sourceLocalSharedKeyHint);
  if (options.differ !== undefined) attrs["local.differ"] = options.differ;
  return new SourceVertex(`local://${name}`, attrs, caps, options).state();
}

/** A file from the web. */
export function httpSource(
  url: string,
  options: OpOptions & { readonly filename?: string; readonly checksum?: string },
): State {
  const attrs: Record<string, string> = {};
  const caps: string[] = [Cap.sourceHttp];
  if (options.checksum) {
    attrs["http.checksum"] = options.checksum;
    caps.push(Cap.sourceHttpChecksum);
  }
  if (options.filename) attrs["http.filename"] = options.filename;
  return new SourceVertex(url, attrs, caps, options).state();
}

/** An image of an OCI layout that the session offers; `ref` has a digest. */
export function ociLayoutSource(
  ref: string,
  options: OpOptions & { readonly sessionId?: string; readonly storeId?: string },
): State {
  const attrs: Record<string, string> = {};
  if (options.sessionId) attrs["oci.session"] = options.sessionId;
  if (options.storeId) attrs["oci.store"] = options.storeId;
  return new SourceVertex(`oci-layout://${ref}`, attrs, [Cap.sourceOciLayout], options).state();
}

/** JSON as Go writes it: `<`, `>`, `&` and the two line separators are escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function jsonList(list: readonly string[] | undefined): string | undefined {
  return list === undefined || list.length === 0 ? undefined : goJson(list.map(replaceIllFormed));
}

/** Go's JSON writes U+FFFD for every invalid byte; such bytes are lone surrogates here. */
export function replaceIllFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}
