// A frontend that is an image: it runs in a container, and asks the gateway over its standard streams. Its root is a layer of its own,
// which is thrown away. What it says on standard error is its step's log.
// Counterpart: moby/buildkit frontend/gateway/gateway.go.

import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, digestOf } from "../../base/index.ts";
import { parseReference, referenceString, tagNameOnly, withDigest } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { gateway as gatewayApi, health, pb } from "../../formats/proto/index.ts";
import { bridgeMethods, LlbBridge } from "../../frontends/gateway/index.ts";
import type { FrontendResult } from "../../frontends/gateway/index.ts";
import { imageSource, marshalState } from "../../graph/llb/index.ts";
import type { Job } from "../../graph/solver/index.ts";
import type { RefStore } from "../../storage/refs/index.ts";
import { returnedError, RpcServer, wireError } from "../../system/rpc/index.ts";
import type { Executor, Exit } from "../executor/index.ts";
import { loadDefinition } from "../ops/index.ts";
import type { EngineResult, SolveContext } from "../ops/index.ts";
import type { EngineGateway } from "./gateway.ts";
import type { ProgressStream } from "./progress-stream.ts";

export interface FrontendImageRun {
  /** The image's name. */
  readonly source: string;
  /** What the frontend is given, options and inputs. */
  readonly gateway: EngineGateway;
  readonly platforms: readonly Platform[];
  readonly job: Job<EngineResult>;
  readonly context: SolveContext;
  readonly progress: ProgressStream;
  readonly refs: RefStore;
  readonly executor: Executor;
}

const LABEL = "moby.buildkit.frontend.";
const MAX_TAIL = 2000;
const LAST_WORD_MS = 2000;

interface FrontendConfig {
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** @throws FRONTEND_FAILED, what the frontend returns as its error, and as images are resolved and pulled. */
export async function runFrontendImage(run: FrontendImageRun, signal: AbortSignal): Promise<FrontendResult> {
  const { gateway, source, context } = run;
  const ref = tagNameOnly(parseReference(source));
  const name = referenceString(ref);
  const { platform } = context;
  const logName = `resolve image config for docker-image://${name}`;
  const resolved = await gateway.resolveImageConfig(name, { platform, logName }, signal);
  const config = readConfig(resolved.config, source);
  checkCaps(config, gateway);
  const pinned = referenceString(ref.digest === undefined ? withDigest(ref, resolved.digest) : ref);
  const definition = marshalState(imageSource(pinned, { platform }), {
    platform,
    supports: (cap) => gateway.supports(cap),
  });
  const edge = loadDefinition(definition, context);
  const built = edge === undefined ? undefined : await run.job.build(edge, signal);
  if (built?.result.kind !== "ref") throw failed(source, "it has no files");
  await using root = await run.refs.mutable(built.result.ref, signal);
  return await runContainer(run, { root: root.path, config }, signal);
}

async function runContainer(
  { source, gateway, platforms, progress, executor }: FrontendImageRun,
  { root, config }: { readonly root: string; readonly config: FrontendConfig },
  signal: AbortSignal,
): Promise<FrontendResult> {
  const step = progress.internal(
    digestOf(`frontend ${source} ${gateway.sessionId} ${Math.random()}`),
    `[frontend] ${source}`,
  );
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const bridge = new LlbBridge(gateway, ended, { workers: [], returnedError });
  const streams = new ProcessStreams();
  const server = new RpcServer({ describeError: wireError });
  server.addService(
    gatewayApi.LLBBridge,
    bridgeMethods(() => Promise.resolve(bridge)),
  );
  server.addService(health.Health, {
    check: () => Promise.resolve({ status: health.HealthCheckResponse_ServingStatus.SERVING }),
  });
  const serving = server.serve(streams.duplex);
  let tail = "";
  let exited: Promise<unknown> = Promise.resolve();
  try {
    const running = executor.run(
      {
        args: config.Entrypoint?.length ? config.Entrypoint : ["/run"],
        env: environment(config, gateway, platforms),
        cwd: config.WorkingDir || "/",
        user: "",
        hostname: "buildkitsandbox",
        network: config.Labels?.[`${LABEL}network.none`] === "true" ? pb.NetMode.NONE : pb.NetMode.UNSET,
        security: pb.SecurityMode.SANDBOX,
        extraHosts: [],
        ulimits: [],
        resources: undefined,
        cgroupParent: "",
        rootPath: root,
        rootReadOnly: false,
        mounts: [],
        removeStubsRecursive: true,
      },
      {
        signal: ended,
        stdin: streams.toProcess,
        onStdout: (chunk) => streams.fromProcess(chunk),
        onStderr: (chunk) => {
          tail = (tail + Buffer.from(chunk).toString()).slice(-MAX_TAIL);
          progress.log(step.digest, 2, chunk);
        },
      },
    );
    const result = bridge.result;
    const exit = running.then(
      (status) => status,
      (error: unknown) => error as Error,
    );
    exited = exit;
    const early = exit.then((status) => {
      // Its result may have come with its last breath.
      if (status instanceof Error) bridge.fail(status);
      else bridge.fail(failed(source, exitText(status, tail)));
    });
    const made = await result;
    // The answer to its last word is still on its way; then it ends by itself.
    await Promise.race([early, sleep(LAST_WORD_MS, undefined, { ref: false })]);
    step.completed();
    return made;
  } catch (error) {
    step.completed(error);
    throw error;
  } finally {
    stop.abort(new DOMException("the frontend is not needed any more", "AbortError"));
    streams.duplex.destroy();
    await Promise.all([server.close(), serving, exited]);
  }
}

/** Standard streams of a process as one connection. */
class ProcessStreams {
  readonly duplex: Duplex;
  readonly toProcess: AsyncIterable<Uint8Array>;
  readonly #queue: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #drained: (() => void) | undefined;
  #ended = false;

  constructor() {
    this.duplex = new Duplex({
      read: () => undefined,
      write: (chunk: Uint8Array, _encoding, callback) => {
        this.#queue.push(chunk);
        this.#drained = callback;
        this.#wake?.();
      },
      final: (callback) => {
        this.end();
        callback();
      },
      destroy: (error, callback) => {
        this.end();
        callback(error);
      },
    });
    this.duplex.on("error", () => undefined);
    this.toProcess = this.#read();
  }

  fromProcess(chunk: Uint8Array): void {
    if (!this.duplex.destroyed) this.duplex.push(chunk);
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        yield chunk;
        const drained = this.#drained;
        if (this.#queue.length === 0) {
          this.#drained = undefined;
          drained?.();
        }
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function environment(config: FrontendConfig, gateway: EngineGateway, platforms: readonly Platform[]): string[] {
  const options = Object.entries(gateway.options).map(
    ([name, value], index) => `BUILDKIT_FRONTEND_OPT_${index}=${name}=${value}`,
  );
  const workers = [
    {
      id: "slipway",
      labels: {},
      platforms: platforms.map(({ os, architecture, variant }) => ({
        architecture,
        os,
        ...(variant === undefined ? {} : { variant }),
      })),
    },
  ];
  return [
    ...(config.Env ?? []),
    ...options,
    `BUILDKIT_SESSION_ID=${gateway.sessionId}`,
    `BUILDKIT_WORKERS=${JSON.stringify(workers)}`,
    "BUILDKIT_EXPORTEDPRODUCT=slipway",
  ];
}

function readConfig(bytes: Uint8Array, source: string): FrontendConfig {
  try {
    const { config } = JSON.parse(Buffer.from(bytes).toString()) as { config?: FrontendConfig };
    return config ?? {};
  } catch (error) {
    throw failed(source, "its config can't be read", error);
  }
}

/** What is asked of the frontend and it does not have. */
function checkCaps({ Labels }: FrontendConfig, { options, inputs }: EngineGateway): void {
  const namesOf = (list: string) =>
    list
      .split(",")
      .map((cap) => cap.split("+")[0]!)
      .filter(Boolean);
  const has = new Set(namesOf(Labels?.[`${LABEL}caps`] ?? ""));
  const asked = namesOf(options["frontend.caps"] ?? "");
  if (Object.keys(inputs).length > 0) asked.push("moby.buildkit.frontend.inputs");
  const missing = asked.find((cap) => !has.has(cap));
  if (missing === undefined) return;
  throw new BuildError(`unsupported frontend capability ${missing}`, { code: "FRONTEND_CAP", status: "Unimplemented" });
}

function exitText({ exitCode }: Exit, tail: string): string {
  const said = tail.trim();
  return `it ended with exit code ${exitCode} and no result${said === "" ? "" : `: ${said}`}`;
}

function failed(source: string, why: string, cause?: unknown): BuildError {
  return new BuildError(`frontend image ${source}: ${why}`, { code: "FRONTEND_FAILED", cause });
}
