// The gateway that the vectors were made against: all capabilities, one worker, local sources read from the case's files,
// image configs from a table. It records what the frontend does.

import { fromBinary } from "@bufbuild/protobuf";
import type { Digest } from "../../../src/base/index.ts";
import { digestOf } from "../../../src/base/index.ts";
import { onlyMatcher, parsePlatform, parseReference, referenceName } from "../../../src/formats/oci/index.ts";
import { joinPath } from "../../../src/formats/patterns/index.ts";
import { pb } from "../../../src/formats/proto/index.ts";
import { dockerfileFrontend } from "../../../src/frontends/dockerfile/index.ts";
import type {
  FrontendResult,
  GatewayClient,
  GatewayRef,
  GatewayWarning,
  ResolvedImage,
  ResolveImageOptions,
  SourceMetadata,
} from "../../../src/frontends/gateway/index.ts";
import { decodeDefinition } from "./definition-facts.ts";
import type { CaseOptions, FrontendCase, Json } from "./case.ts";

interface Images {
  readonly [ref: string]: Json;
}

interface ImageEntry {
  readonly digest: string;
  readonly kind: "index" | "manifest";
  readonly configs: { readonly [platform: string]: Json };
}

export class StubGateway implements GatewayClient {
  readonly options: Record<string, string>;
  readonly sessionId: string;
  readonly workerPlatforms;
  readonly inputs: Readonly<Record<string, pb.Definition>>;
  readonly warnings: GatewayWarning[] = [];
  /** Definitions solved on the way. */
  readonly solved: pb.Definition[] = [];
  readonly forwards: { frontend: string; source: string; cmdline: string }[] = [];
  readonly #case: FrontendCase;
  readonly #images: Images;

  constructor(one: FrontendCase, images: Images, extra: Readonly<Record<string, string>> = {}) {
    const { options } = one;
    this.options = { ...options.frontendOpts, ...extra };
    this.sessionId = options.sessionID;
    this.workerPlatforms = options.workerPlatforms.map(parsePlatform);
    this.inputs = Object.fromEntries(
      Object.entries(options.inputs ?? {}).map(([name, base64]) => [
        name,
        fromBinary(pb.DefinitionSchema, Buffer.from(base64, "base64")),
      ]),
    );
    this.#case = one;
    this.#images = images;
  }

  supports(cap: string): boolean {
    return !(this.#case.options.disabledLLBCaps ?? []).includes(cap);
  }

  async resolveImageConfig(ref: string, options: ResolveImageOptions): Promise<ResolvedImage> {
    const entry = this.#findImage(ref, options.ociStore !== undefined);
    if (entry === undefined) throw new Error(`${ref}: not found`);
    const config = chooseConfig(entry, options);
    if (config === undefined) throw new Error("no match for platform in manifest: not found");
    return { ref, digest: entry.digest as Digest, config: new TextEncoder().encode(JSON.stringify(config)) };
  }

  #findImage(ref: string, anyRepository: boolean): ImageEntry | undefined {
    if (Object.hasOwn(this.#images, ref)) return this.#images[ref] as unknown as ImageEntry;
    const parsed = parseReference(ref);
    if (parsed.digest === undefined) return undefined;
    for (const [key, entry] of Object.entries(this.#images) as [string, Json][]) {
      const image = entry as unknown as ImageEntry;
      const isSameRepository = anyRepository || referenceName(parseReference(key)) === referenceName(parsed);
      if (image.digest === parsed.digest && isSameRepository) return image;
    }
    return undefined;
  }

  async resolveSourceMetadata(op: pb.SourceOp): Promise<SourceMetadata> {
    const found = this.#case.options.sourceMetadata?.[op.identifier];
    const { gitCommitObject, httpLastModified } = found ?? {};
    return {
      ...(gitCommitObject === undefined ? {} : { gitCommitObject: Buffer.from(gitCommitObject) }),
      ...(httpLastModified === undefined
        ? {}
        : { httpLastModified: BigInt(Math.floor(Date.parse(httpLastModified) / 1000)) }),
    };
  }

  async solve(definition: pb.Definition): Promise<GatewayRef> {
    this.solved.push(definition);
    const folder = this.#folderOf(definition);
    return {
      readFile: async (path, { range }) => {
        const data = this.#read(folder, path);
        if (data === undefined) throw new Error(`open ${path}: no such file or directory`);
        return range === undefined ? data : data.subarray(range.offset, range.offset + range.length);
      },
    };
  }

  // What a solved definition reads from: a folder of the case, or a single file whatever its name.
  #folderOf(definition: pb.Definition): { readonly root: string } | { readonly file: string } {
    const { ops } = decodeDefinition(definition);
    const source = ops.find(({ op }) => op.op.case === "source")?.op.op.value as pb.SourceOp | undefined;
    const identifier = source?.identifier ?? "";
    const { locals, remoteFiles } = this.#case.options;
    if (identifier.startsWith("local://")) return { root: locals[identifier.slice("local://".length)] ?? "." };
    const remote = remoteFiles?.[identifier];
    if (remote === undefined) return { root: "." };
    const unpacks = ops.some(({ op }) => op.op.case === "file");
    if (unpacks) return { root: `${remote}.unpacked` };
    return this.#case.files.has(remote) ? { file: remote } : { root: remote };
  }

  #read(from: { readonly root: string } | { readonly file: string }, path: string): Uint8Array | undefined {
    const { files } = this.#case;
    return "file" in from ? files.get(from.file) : files.get(joinPath(".", from.root, path));
  }

  warn(_digest: Digest, warning: GatewayWarning): void {
    this.warnings.push(warning);
  }

  async forward(options: Readonly<Record<string, string>>, signal: AbortSignal): Promise<FrontendResult> {
    this.forwards.push({ frontend: "gateway.v0", source: options["source"]!, cmdline: options["cmdline"]! });
    Object.assign(this.options, { cmdline: options["cmdline"]! });
    return dockerfileFrontend(this, signal);
  }
}

function chooseConfig(entry: ImageEntry, { platform }: ResolveImageOptions): Json | undefined {
  const configs = Object.entries(entry.configs) as [string, Json][];
  if (entry.kind === "manifest") return configs[0]?.[1];
  if (platform === undefined) return configs[0]?.[1];
  const matcher = onlyMatcher(platform);
  const matching = configs
    .map(([key, config]) => ({ platform: parsePlatform(key), config }))
    .filter((candidate) => matcher.matches(candidate.platform));
  return matching.sort((a, b) => matcher.compare(a.platform, b.platform))[0]?.config;
}

/** Digest of a file's bytes, as source maps are compared by. */
export function fileDigest(data: Uint8Array): string {
  return digestOf(data);
}

export type { CaseOptions };
