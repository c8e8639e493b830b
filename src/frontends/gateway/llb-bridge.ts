// The gateway as a service: what a frontend in a container, or a client that drives its build itself, asks by messages. It is a frontend
// to the engine: its result is what the peer returns in the end. Refs have ids that hold for one bridge.
// Counterpart: moby/buildkit frontend/gateway/gateway.go llbBridgeForwarder.

import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { BuildError, parseDigest, raceAbort } from "../../base/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { gateway } from "../../formats/proto/index.ts";
import type { pb, worker } from "../../formats/proto/index.ts";
import { platformFromPb } from "../../graph/llb/index.ts";
import { GATEWAY_CAPS, LLB_CAPS } from "./caps.ts";
import type { FrontendResult, GatewayClient, GatewayRef } from "./port.ts";
import { fromResultMessage, toResultMessage } from "./result.ts";

export interface BridgeOptions {
  /** Who runs steps, as the Control service lists them. */
  readonly workers: readonly worker.WorkerRecord[];
  /** The error that a peer returned, from its status. */
  readonly returnedError: (status: NonNullable<gateway.ReturnRequest["error"]>) => Error;
}

interface BridgeRef {
  readonly definition: pb.Definition;
  opened: Promise<GatewayRef> | undefined;
}

export class LlbBridge {
  readonly #client: GatewayClient;
  readonly #options: BridgeOptions;
  readonly #refs = new Map<string, BridgeRef>();
  readonly #result = Promise.withResolvers<FrontendResult>();
  readonly #signal: AbortSignal;

  /** `signal` is the build's. */
  constructor(client: GatewayClient, signal: AbortSignal, options: BridgeOptions) {
    this.#client = client;
    this.#signal = signal;
    this.#options = options;
    this.#result.promise.catch(() => undefined);
  }

  /** What the peer returns. */
  get result(): Promise<FrontendResult> {
    return raceAbort(this.#result.promise, this.#signal);
  }

  /** Ends the bridge where the peer can't return any more. */
  fail(error: unknown): void {
    this.#result.reject(error);
  }

  ping(): Promise<MessageInitShape<typeof gateway.PongResponseSchema>> {
    return Promise.resolve({
      FrontendAPICaps: GATEWAY_CAPS.map((ID) => ({ ID, Enabled: true })),
      LLBCaps: LLB_CAPS.map((ID) => ({ ID, Enabled: this.#client.supports(ID) })),
      Workers: [...this.#options.workers],
    });
  }

  async solve(
    request: gateway.SolveRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof gateway.SolveResponseSchema>> {
    const result = await this.#solve(request, AbortSignal.any([signal, this.#signal]));
    if (request.allowResultReturn) return { result: request.allowResultArrayRef ? result : deprecated(result) };
    if (result.result?.case !== "ref") throw invalid("several results for a client that takes one");
    return { ref: result.result.value.id ?? "", result: deprecated(result) };
  }

  async resolveImageConfig(
    request: gateway.ResolveImageConfigRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof gateway.ResolveImageConfigResponseSchema>> {
    const { ref, digest, config } = await this.#client.resolveImageConfig(
      request.Ref,
      {
        platform: platformOf(request.Platform),
        resolveMode: modeOf(request.ResolveMode),
        logName: request.LogName || undefined,
        ociStore:
          request.ResolverType === 1
            ? { sessionId: request.SessionID || this.#client.sessionId, storeId: request.StoreID }
            : undefined,
      },
      signal,
    );
    return { Ref: ref, Digest: digest, Config: config };
  }

  async resolveSourceMeta(
    request: gateway.ResolveSourceMetaRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof gateway.ResolveSourceMetaResponseSchema>> {
    const { Source: source } = request;
    if (source === undefined) throw invalid("source is required");
    const image = /^(docker-image|oci-layout):\/\/(.*)$/s.exec(source.identifier);
    if (image !== null) {
      const options = {
        platform: platformOf(request.Platform),
        resolveMode: modeOf(request.ResolveMode || (source.attrs["image.resolvemode"] ?? "")),
        logName: request.LogName || undefined,
        ociStore:
          image[1] === "oci-layout"
            ? {
                sessionId: source.attrs["oci.session"] ?? this.#client.sessionId,
                storeId: source.attrs["oci.store"] ?? "",
              }
            : undefined,
      };
      const { ref, digest, config } = await this.#client.resolveImageConfig(image[2]!, options, signal);
      const identifier = image[1] === "oci-layout" ? source.identifier : `docker-image://${pinned(ref, digest)}`;
      return { Source: { ...source, identifier }, Image: { Digest: digest, Config: config } };
    }
    const found = await this.#client.resolveSourceMetadata(source, signal);
    return {
      Source: source,
      ...(found.gitCommitObject === undefined && !source.identifier.startsWith("git://")
        ? {}
        : {
            Git: {
              Checksum: found.gitChecksum ?? "",
              Ref: found.gitRef ?? "",
              ...(request.Git?.ReturnObject === true && found.gitCommitObject !== undefined
                ? { CommitObject: found.gitCommitObject }
                : {}),
            },
          }),
      ...(/^https?:\/\//.test(source.identifier)
        ? {
            HTTP: {
              Checksum: found.httpChecksum ?? "",
              Filename: found.httpFilename ?? "",
              ...(found.httpLastModified === undefined
                ? {}
                : { LastModified: { seconds: found.httpLastModified, nanos: 0 } }),
            },
          }
        : {}),
    };
  }

  async readFile(
    request: gateway.ReadFileRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof gateway.ReadFileResponseSchema>> {
    const ref = await this.#open(request.Ref);
    const { Range: range } = request;
    const bounds = range === undefined ? {} : { range: { offset: Number(range.Offset), length: Number(range.Length) } };
    return { Data: await ref.readFile(request.FilePath, { ...bounds, signal }) };
  }

  async readDir(
    request: gateway.ReadDirRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof gateway.ReadDirResponseSchema>> {
    const ref = await this.#open(request.Ref);
    if (ref.readDir === undefined) throw unsupported("readdir");
    const includePattern = request.IncludePattern || undefined;
    const options = { ...(includePattern === undefined ? {} : { includePattern }), signal };
    return { entries: [...(await ref.readDir(request.DirPath, options))] };
  }

  async statFile(
    request: gateway.StatFileRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof gateway.StatFileResponseSchema>> {
    const ref = await this.#open(request.Ref);
    if (ref.statFile === undefined) throw unsupported("statfile");
    return { stat: await ref.statFile(request.Path, { signal }) };
  }

  async evaluate(
    request: gateway.EvaluateRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof gateway.EvaluateResponseSchema>> {
    const ref = await this.#open(request.Ref);
    await raceAbort(ref.evaluate?.(this.#signal) ?? Promise.resolve(), signal);
    return {};
  }

  inputs(): Promise<MessageInitShape<typeof gateway.InputsResponseSchema>> {
    return Promise.resolve({ Definitions: { ...this.#client.inputs } });
  }

  warn(request: gateway.WarnRequest): Promise<MessageInitShape<typeof gateway.WarnResponseSchema>> {
    const { info } = request;
    this.#client.warn(parseDigest(request.digest), {
      level: Number(request.level),
      short: Buffer.from(request.short).toString(),
      detail: request.detail.map((line) => Buffer.from(line).toString()),
      url: request.url,
      source:
        info === undefined
          ? undefined
          : {
              filename: info.filename,
              language: info.language,
              text: info.data,
              ranges: request.ranges.map(({ start, end }) => ({ start: start?.line ?? 0, end: end?.line ?? 0 })),
            },
    });
    return Promise.resolve({});
  }

  /** The peer's last word. */
  // oxlint-disable-next-line typescript/require-await -- what it refuses, it rejects
  async return(request: gateway.ReturnRequest): Promise<MessageInitShape<typeof gateway.ReturnResponseSchema>> {
    if (request.error !== undefined) {
      this.#result.reject(this.#options.returnedError(request.error));
      return {};
    }
    const message = request.result ?? create(gateway.ResultSchema);
    this.#result.resolve(fromResultMessage(message, (id) => this.#refs.get(id)?.definition));
    return {};
  }

  async #solve(
    request: gateway.SolveRequest,
    signal: AbortSignal,
  ): Promise<MessageInitShape<typeof gateway.ResultSchema>> {
    const { Definition: definition, Frontend: frontend } = request;
    if (frontend !== "") {
      if (definition !== undefined && definition.def.length > 0) throw invalid("both a definition and a frontend");
      if (this.#client.runFrontend === undefined) throw unsupported("solve.frontend");
      const inputs = request.FrontendInputs;
      const result = await this.#client.runFrontend({ frontend, options: request.FrontendOpt, inputs }, signal);
      const message = toResultMessage(result, (each) => this.#keep(each));
      if (request.Evaluate) await this.#evaluate(message, signal);
      return message;
    }
    if (definition === undefined || definition.def.length === 0) return { result: { case: "ref", value: { id: "" } } };
    const id = this.#keep(definition);
    const message = { result: { case: "ref" as const, value: { id, def: definition } } };
    // A definition that can't be loaded is refused now, not when something is read.
    await this.#open(id);
    if (request.Evaluate) await this.#evaluate(message, signal);
    return message;
  }

  async #evaluate({ result }: MessageInitShape<typeof gateway.ResultSchema>, signal: AbortSignal): Promise<void> {
    const refs =
      result?.case === "ref" ? [result.value] : result?.case === "refs" ? Object.values(result.value.refs ?? {}) : [];
    const ids = refs.flatMap(({ id }) => (id ? [id] : []));
    await Promise.all(
      ids.map(async (id) => raceAbort((await this.#open(id)).evaluate?.(this.#signal) ?? Promise.resolve(), signal)),
    );
  }

  #keep(definition: pb.Definition): string {
    const id = randomBytes(12).toString("hex");
    this.#refs.set(id, { definition, opened: undefined });
    return id;
  }

  #open(id: string): Promise<GatewayRef> {
    const ref = this.#refs.get(id);
    if (ref === undefined) throw new BuildError(`no such ref: ${id}`, { code: "REF_UNKNOWN", status: "NotFound" });
    return (ref.opened ??= this.#client.solve(ref.definition, { signal: this.#signal }));
  }
}

/** Older peers know refs as bare ids. */
function deprecated(
  message: MessageInitShape<typeof gateway.ResultSchema>,
): MessageInitShape<typeof gateway.ResultSchema> {
  const { result, metadata } = create(gateway.ResultSchema, message);
  if (result.case === "ref") return { metadata, result: { case: "refDeprecated", value: result.value.id } };
  if (result.case !== "refs") return message;
  const refs = Object.fromEntries(Object.entries(result.value.refs).map(([key, { id }]) => [key, id]));
  return { metadata, result: { case: "refsDeprecated", value: { refs } } };
}

function platformOf(platform: pb.Platform | undefined): Platform | undefined {
  return platform === undefined ? undefined : platformFromPb(platform);
}

function modeOf(mode: string): "default" | "pull" | "local" | undefined {
  return mode === "default" || mode === "pull" || mode === "local" ? mode : undefined;
}

function pinned(ref: string, digest: string): string {
  return ref.includes("@") ? ref : `${ref}@${digest}`;
}

function invalid(what: string): BuildError {
  return new BuildError(what, { code: "INVALID_REQUEST", status: "InvalidArgument" });
}

function unsupported(cap: string): BuildError {
  return new BuildError(`the gateway has no ${cap}`, { code: "UNSUPPORTED", status: "Unimplemented" });
}
