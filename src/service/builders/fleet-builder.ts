// Several nodes as one builder: each platform is built by a node that has it, all at once, and what was pushed is joined into one index.
// Counterpart: docker/buildx build/build.go, builder/node.go.

import { clone } from "@bufbuild/protobuf";
import { createHash, randomBytes } from "node:crypto";
import { BuildError, parseDigest } from "../../base/index.ts";
import { DockerCredentials, RegistryClient } from "../../distribution/index.ts";
import type { SessionPort } from "../../engine/index.ts";
import {
  encodeIndex,
  mediaTypes,
  parseIndex,
  parseReference,
  referenceName,
  tryParseReference,
  tagNameOnly,
  withDigest,
} from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import { control } from "../../formats/proto/index.ts";
import type {
  Builder,
  BuildRecord,
  BuildRecords,
  Converted,
  ExporterResponse,
  PruneOptions,
  SolveOptions,
  UsageRecord,
} from "./builder.ts";
import type { RemoteBuilder } from "./remote-builder.ts";

export interface FleetNode {
  readonly builder: RemoteBuilder;
  /** Fixed ones first: they are preferred. */
  readonly platforms: readonly string[];
}

/**
 * Nodes of a request, each with the platforms that it builds; the first node takes what nobody has. Among nodes that are as good as each
 * other, `affinity` decides, always in the same way: what is built again finds its cache.
 */
export function assignPlatforms(
  platforms: readonly string[],
  nodes: readonly FleetNode[],
  affinity: string,
): Map<FleetNode, string[]> {
  const assigned = new Map<FleetNode, string[]>();
  for (const platform of platforms) {
    // The node that comes to it earliest in its own list: it was named for it, or is of that kind.
    const ranked = nodes
      .map((node, at) => ({ node, rank: node.platforms.indexOf(platform), weight: weightOf(affinity, at) }))
      .filter(({ rank }) => rank >= 0)
      .toSorted((one, two) => one.rank - two.rank || (one.weight < two.weight ? 1 : -1));
    const node = ranked[0]?.node ?? nodes[0]!;
    assigned.set(node, [...(assigned.get(node) ?? []), platform]);
  }
  return assigned;
}

/** Rendezvous hashing: a node that comes or goes moves its own share alone. */
function weightOf(affinity: string, node: number): string {
  return createHash("sha256").update(`${node} ${affinity}`).digest("hex");
}

/** What tells a project from others, on whatever machine it is built. */
function affinityOf({ FrontendAttrs: attributes, Exporters }: control.SolveRequest): string {
  const names = Exporters.flatMap(({ Attrs }) => (Attrs["name"] ?? "").split(",")).filter((name) => name !== "");
  const image = names[0] === undefined ? undefined : tryParseReference(names[0]);
  const place = attributes["vcs:source"] ?? attributes["context"];
  return place ?? (image === undefined ? (attributes["filename"] ?? "") : referenceName(image));
}

/** Dispose to close the connections of all nodes. */
export class FleetBuilder implements Builder {
  readonly driver = "remote";
  readonly name: string;
  readonly location: string;
  readonly history: FleetHistory;
  readonly #nodes: readonly FleetNode[];

  /** @param nodes at least one */
  constructor(name: string, nodes: readonly FleetNode[]) {
    this.name = name;
    this.location = nodes.map(({ builder }) => builder.location).join(", ");
    this.history = new FleetHistory(nodes);
    this.#nodes = nodes;
  }

  async solve(request: control.SolveRequest, session: SessionPort, options: SolveOptions): Promise<ExporterResponse> {
    const parts = this.#split(request);
    const [only] = parts;
    if (parts.length === 1) return await only!.node.builder.solve(request, session, options);
    this.#refuse(request);
    const controller = new AbortController();
    const signal = AbortSignal.any([options.signal, controller.signal]);
    const responses = await Promise.all(
      parts.map(async ({ node, platforms }) => {
        try {
          return await node.builder.solve(partOf(request, platforms), session, { ...options, signal });
        } catch (error) {
          // What the others make can't be joined any more.
          controller.abort(error);
          throw error;
        }
      }),
    );
    return await joined(request, responses, options.signal);
  }

  async convert(request: control.SolveRequest, session: SessionPort, options: SolveOptions): Promise<Converted> {
    const [first, ...others] = this.#split(request);
    if (others.length === 0) return await first!.node.builder.convert(request, session, options);
    throw new BuildError(`builder ${this.name}: a target that others start from can't be spread over several nodes`, {
      code: "BUILDER_LACKS",
      status: "Unimplemented",
      hint: "build it for one node's platforms, or give one node all platforms with slipway create --append --platform",
    });
  }

  async diskUsage({ filters }: { readonly filters: readonly string[] }): Promise<UsageRecord[]> {
    return (await Promise.all(this.#nodes.map(({ builder }) => builder.diskUsage({ filters })))).flat();
  }

  async prune(options: PruneOptions, onRecord: (record: UsageRecord) => void, signal: AbortSignal): Promise<void> {
    await Promise.all(this.#nodes.map(({ builder }) => builder.prune(options, onRecord, signal)));
  }

  cacheMounts(): ReturnType<Builder["cacheMounts"]> {
    return this.#first.cacheMounts();
  }

  removeCacheMounts(): ReturnType<Builder["removeCacheMounts"]> {
    return this.#first.removeCacheMounts();
  }

  transferCacheMounts(): ReturnType<Builder["transferCacheMounts"]> {
    return this.#first.transferCacheMounts();
  }

  images(): ReturnType<Builder["images"]> {
    return this.#first.images();
  }

  inspectImage(): ReturnType<Builder["inspectImage"]> {
    return this.#first.inspectImage();
  }

  removeImage(): ReturnType<Builder["removeImage"]> {
    return this.#first.removeImage();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map(({ builder }) => builder[Symbol.asyncDispose]()));
  }

  /** Says in its own words what builders elsewhere have not. */
  get #first(): RemoteBuilder {
    return this.#nodes[0]!.builder;
  }

  #split(request: control.SolveRequest): { node: FleetNode; platforms: string[] }[] {
    const platforms = (request.FrontendAttrs["platform"] ?? "").split(",").filter((each) => each !== "");
    const affinity = affinityOf(request);
    if (platforms.length === 0) {
      // Each has its own platform to build for.
      const own = this.#nodes[0]!.platforms[0] ?? "";
      const [node] = [...assignPlatforms([own], this.#nodes, affinity).keys()];
      return [{ node: node!, platforms }];
    }
    return [...assignPlatforms(platforms, this.#nodes, affinity)].map(([node, own]) => ({ node, platforms: own }));
  }

  /** Archives and kept images are of one builder. @throws BUILDER_LACKS. */
  #refuse({ Exporters }: control.SolveRequest): void {
    for (const { Type, Attrs } of Exporters) {
      const isPushed = Type === "image" && Attrs["push"] === "true";
      if (isPushed || (Type === "local" && Attrs["mode"] !== "delete")) continue;
      throw new BuildError(`builder ${this.name}: output type=${Type} can't be joined from several nodes`, {
        code: "BUILDER_LACKS",
        status: "Unimplemented",
        hint: "push it (--push), write it to a folder (-o DIR), or build one node's platforms",
      });
    }
  }
}

function partOf(request: control.SolveRequest, platforms: readonly string[]): control.SolveRequest {
  const part = clone(control.SolveRequestSchema, request);
  part.Ref = randomBytes(15).toString("hex").slice(0, 25);
  part.FrontendAttrs["platform"] = platforms.join(",");
  // An index each, so that there is one to join, and a folder for each platform.
  part.FrontendAttrs["multi-platform"] = "true";
  for (const { Type, Attrs } of part.Exporters) {
    if (Type !== "image") continue;
    Attrs["push-by-digest"] = "true";
    const names = (Attrs["name"] ?? "").split(",").filter((name) => name !== "");
    Attrs["name"] = [...new Set(names.map((name) => referenceName(parseReference(name))))].join(",");
  }
  return part;
}

async function joined(
  { Exporters }: control.SolveRequest,
  responses: readonly ExporterResponse[],
  signal: AbortSignal,
): Promise<ExporterResponse> {
  const [first = {}] = responses;
  const image = Exporters.find(({ Type }) => Type === "image");
  const names = (image?.Attrs["name"] ?? "").split(",").filter((name) => name !== "");
  if (image === undefined || names.length === 0) return first;
  await using registries = new RegistryClient({ credentials: new DockerCredentials() });
  let result: Descriptor | undefined;
  for (const name of names) {
    const ref = tagNameOnly(parseReference(name));
    const manifests: Descriptor[] = [];
    for (const response of responses) {
      const digest = response["containerimage.digest"] ?? "";
      const { bytes } = await registries.manifest(
        withDigest(parseReference(referenceName(ref)), parseDigest(digest)),
        signal,
      );
      manifests.push(...parseIndex(bytes).manifests);
    }
    const bytes = encodeIndex({ mediaType: mediaTypes.ociIndex, manifests });
    result = await registries.pusher().manifest(ref, mediaTypes.ociIndex, bytes, signal);
  }
  return {
    ...first,
    "image.name": names.join(","),
    "containerimage.digest": result!.digest,
    "containerimage.descriptor": Buffer.from(JSON.stringify(result)).toString("base64"),
  };
}

/** Records of all nodes as one list. */
export class FleetHistory implements BuildRecords {
  readonly #nodes: readonly FleetNode[];
  readonly #owners = new Map<string, FleetNode>();

  constructor(nodes: readonly FleetNode[]) {
    this.#nodes = nodes;
  }

  async list(options: { readonly ref?: string; readonly filters?: readonly string[] }): Promise<BuildRecord[]> {
    const lists = await Promise.all(
      this.#nodes.map(async (node) => {
        const records = await node.builder.history.list(options);
        for (const { record } of records) this.#owners.set(record.Ref, node);
        return records;
      }),
    );
    return lists
      .flat()
      .toSorted((one, two) => Number((two.record.CreatedAt?.seconds ?? 0n) - (one.record.CreatedAt?.seconds ?? 0n)));
  }

  async logs(ref: string, onStatus: (status: control.StatusResponse) => void, signal: AbortSignal): Promise<void> {
    await (await this.#owner(ref)).builder.history.logs(ref, onStatus, signal);
  }

  async blob(digest: string): Promise<Uint8Array> {
    let failure: unknown;
    for (const { builder } of this.#nodes) {
      try {
        return await builder.history.blob(digest);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async remove(ref: string): Promise<void> {
    await (await this.#owner(ref)).builder.history.remove(ref);
  }

  async #owner(ref: string): Promise<FleetNode> {
    if (!this.#owners.has(ref)) await this.list({ ref });
    const found = this.#owners.get(ref);
    if (found !== undefined) return found;
    throw new BuildError(`no such job ${ref}`, { code: "BUILD_UNKNOWN", status: "NotFound" });
  }
}
