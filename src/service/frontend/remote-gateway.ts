// A gateway that is reached by messages: what our Dockerfile frontend sees when it runs as a frontend image of BuildKit's or of ours.
// Counterpart: moby/buildkit frontend/gateway/grpcclient.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { BuildError, parseDigest } from "../../base/index.ts";
import { normalizePlatform } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { gateway, type pb } from "../../formats/proto/index.ts";
import { platformToPb } from "../../graph/llb/index.ts";
import type {
  GatewayClient,
  GatewayRef,
  GatewayWarning,
  ResolvedImage,
  SourceMetadata,
} from "../../frontends/gateway/index.ts";
import type { ResolveImageOptions } from "../../frontends/gateway/index.ts";
import type { Channel, ServiceClient } from "../../system/rpc/index.ts";
import { serviceClient } from "../../system/rpc/index.ts";

export class RemoteGateway implements GatewayClient {
  readonly options: Readonly<Record<string, string>>;
  readonly sessionId: string;
  readonly workerPlatforms: readonly Platform[];
  readonly inputs: Readonly<Record<string, pb.Definition>>;
  readonly #bridge: ServiceClient<typeof gateway.LLBBridge>;
  readonly #caps: ReadonlySet<string>;

  private constructor(
    bridge: ServiceClient<typeof gateway.LLBBridge>,
    environment: FrontendEnvironment,
    facts: { readonly inputs: Readonly<Record<string, pb.Definition>>; readonly caps: ReadonlySet<string> },
  ) {
    this.#bridge = bridge;
    this.options = environment.options;
    this.sessionId = environment.sessionId;
    this.workerPlatforms = environment.platforms;
    this.inputs = facts.inputs;
    this.#caps = facts.caps;
  }

  /** Asks the other side what it has. @throws RpcError. */
  static async open(channel: Channel, environment: FrontendEnvironment): Promise<RemoteGateway> {
    const bridge = serviceClient(gateway.LLBBridge, channel);
    const pong = await bridge.ping({});
    const enabled = ({ Enabled }: { Enabled: boolean }) => Enabled;
    const names = ({ ID }: { ID: string }) => ID;
    const gatewayCaps = new Set(pong.FrontendAPICaps.filter(enabled).map(names));
    const inputs = gatewayCaps.has("frontend.inputs") ? (await bridge.inputs({})).Definitions : {};
    return new RemoteGateway(bridge, environment, { inputs, caps: new Set(pong.LLBCaps.filter(enabled).map(names)) });
  }

  supports(cap: string): boolean {
    return this.#caps.has(cap);
  }

  async resolveImageConfig(ref: string, options: ResolveImageOptions, signal: AbortSignal): Promise<ResolvedImage> {
    const { platform, resolveMode, logName, ociStore } = options;
    const answer = await this.#bridge.resolveImageConfig(
      {
        Ref: ref,
        ResolveMode: resolveMode ?? "",
        LogName: logName ?? "",
        ...(platform === undefined ? {} : { Platform: platformToPb(platform) }),
        ...(ociStore === undefined
          ? {}
          : { ResolverType: 1, SessionID: ociStore.sessionId, StoreID: ociStore.storeId }),
      },
      { signal },
    );
    return { ref: answer.Ref || ref, digest: parseDigest(answer.Digest), config: answer.Config };
  }

  async resolveSourceMetadata(op: pb.SourceOp, signal: AbortSignal): Promise<SourceMetadata> {
    const isGit = op.identifier.startsWith("git://");
    const answer = await this.#bridge.resolveSourceMeta(
      { Source: op, ...(isGit ? { Git: { ReturnObject: true } } : {}) },
      { signal },
    );
    const { Git: git, HTTP: http } = answer;
    return {
      ...(git === undefined || git.CommitObject.length === 0 ? {} : { gitCommitObject: git.CommitObject }),
      ...(http?.LastModified === undefined ? {} : { httpLastModified: http.LastModified.seconds }),
    };
  }

  async solve(
    definition: pb.Definition,
    { evaluate = false, signal }: { readonly evaluate?: boolean; readonly signal: AbortSignal },
  ): Promise<GatewayRef> {
    const id = await this.refOf(definition, { evaluate, signal });
    return {
      readFile: async (path, { range, signal: stop }) => {
        const bounds =
          range === undefined ? {} : { Range: { Offset: BigInt(range.offset), Length: BigInt(range.length) } };
        return (await this.#bridge.readFile({ Ref: id, FilePath: path, ...bounds }, { signal: stop })).Data;
      },
      readDir: async (path, { includePattern = "", signal: stop }) =>
        (await this.#bridge.readDir({ Ref: id, DirPath: path, IncludePattern: includePattern }, { signal: stop }))
          .entries,
      statFile: async (path, { signal: stop }) => {
        const { stat } = await this.#bridge.statFile({ Ref: id, Path: path }, { signal: stop });
        if (stat === undefined) throw new BuildError(`lstat ${path}: no answer`, { code: "FILE_UNREADABLE" });
        return stat;
      },
      evaluate: async (stop) => void (await this.#bridge.evaluate({ Ref: id }, { signal: stop })),
    };
  }

  /** The id of a definition's result; empty for scratch. */
  async refOf(
    definition: pb.Definition,
    { evaluate, signal }: { readonly evaluate: boolean; readonly signal: AbortSignal },
  ): Promise<string> {
    if (definition.def.length === 0) return "";
    const { result } = await this.#bridge.solve(
      { Definition: definition, Evaluate: evaluate, allowResultReturn: true, allowResultArrayRef: true },
      { signal },
    );
    if (result?.result.case === "ref") return result.result.value.id;
    if (result?.result.case === "refDeprecated") return result.result.value;
    throw new BuildError("the gateway gave no result for a definition", { code: "INVALID_RESULT", status: "Internal" });
  }

  warn(digest: string, { short, detail, url, level, source }: GatewayWarning): void {
    const text = (line: string) => Buffer.from(line);
    const request: MessageInitShape<typeof gateway.WarnRequestSchema> = {
      digest,
      level: BigInt(level),
      short: text(short),
      detail: detail.map(text),
      url,
      ...(source === undefined
        ? {}
        : {
            info: { filename: source.filename, language: source.language, data: source.text },
            ranges: source.ranges.map(({ start, end }) => ({
              start: { line: start, character: 0 },
              end: { line: end, character: 0 },
            })),
          }),
    };
    // A warning that nobody takes is no reason to fail.
    this.#pending.push(
      this.#bridge.warn(request).then(
        () => undefined,
        () => undefined,
      ),
    );
  }

  readonly #pending: Promise<void>[] = [];

  /** Ends the frontend with its result or its error. */
  async return(request: MessageInitShape<typeof gateway.ReturnRequestSchema>): Promise<void> {
    await Promise.all(this.#pending);
    await this.#bridge.return(request);
  }
}

/** What a frontend's container is told by its environment. */
export interface FrontendEnvironment {
  readonly options: Readonly<Record<string, string>>;
  readonly sessionId: string;
  readonly platforms: readonly Platform[];
}

/** @throws FRONTEND_ENVIRONMENT when it is not that of a frontend. */
export function readFrontendEnvironment(env: Readonly<Record<string, string | undefined>>): FrontendEnvironment {
  const options: Record<string, string> = {};
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("BUILDKIT_FRONTEND_OPT_") || text === undefined) continue;
    const at = text.indexOf("=");
    options[at < 0 ? text : text.slice(0, at)] = at < 0 ? "" : text.slice(at + 1);
  }
  const sessionId = env["BUILDKIT_SESSION_ID"];
  try {
    const workers = JSON.parse(env["BUILDKIT_WORKERS"] ?? "") as {
      platforms?: { os: string; architecture: string; variant?: string }[];
    }[];
    const platforms = (workers[0]?.platforms ?? []).map(({ os, architecture, variant }) =>
      normalizePlatform({ os, architecture, ...(variant ? { variant } : {}) }),
    );
    if (sessionId !== undefined && platforms.length > 0) return { options, sessionId, platforms };
  } catch {
    // Told below.
  }
  throw new BuildError("this is not the environment of a frontend image", {
    code: "FRONTEND_ENVIRONMENT",
    status: "FailedPrecondition",
    hint: "it is started by a builder, for a Dockerfile whose first line is `# syntax=IMAGE`",
  });
}
