// The engine: one store, one solver, any number of builds at once. Embedded in the command or in a daemon, it is the same class.
// Counterpart: moby/buildkit solver/llbsolver/solver.go.

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { BuildError, TaskScope, digestOf, isBuildError } from "../../base/index.ts";
import { RegistryClient, DockerCredentials } from "../../distribution/index.ts";
import type { RegistriesSettings } from "../../distribution/index.ts";
import { hostPlatform } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";
import { dockerfileFrontend } from "../../frontends/dockerfile/index.ts";
import type { FrontendResult } from "../../frontends/gateway/index.ts";
import { Solver } from "../../graph/solver/index.ts";
import type { Job } from "../../graph/solver/index.ts";
import { CacheMounts } from "../../storage/refs/index.ts";
import type { UsageHost } from "../../storage/refs/index.ts";
import { WorkerPool } from "../../system/workers/index.ts";
import { RuntimeExecutor } from "../executor/index.ts";
import type { SolveContext } from "../ops/index.ts";
import { loadDefinition } from "../ops/index.ts";
import { OpHost } from "../ops/index.ts";
import { opResolver } from "../ops/index.ts";
import type { EngineResult } from "../ops/index.ts";
import { SourceMaps } from "../ops/index.ts";
import type { SessionPort } from "../ports/index.ts";
import { ImageSource, OciLayoutSource } from "../sources/index.ts";
import { Store } from "../store/index.ts";
import { runExporters } from "./export.ts";
import type { BuiltPlatform } from "./export.ts";
import { EngineGateway } from "./gateway.ts";
import { keptRef } from "./kept-ref.ts";
import { ProgressStream } from "./progress-stream.ts";
import { EngineResults } from "./result-store.ts";
import { withStandIns } from "./stand-in.ts";
import { definitionResult } from "./definition-result.ts";
import { newLogDir } from "./step-logs.ts";

export interface EngineOptions {
  /** All state lives below it. */
  readonly root: string;
  /** How many steps run at once; defaults to the number of cores, at least 2. */
  readonly parallelism?: number;
  readonly registries?: RegistriesSettings;
  /** Makes the usual base images from the distribution's packages where their registry can't be reached. Defaults to false. */
  readonly standInBases?: boolean;
  /** Forces plain copies or overlay; found out when absent. */
  readonly snapshotter?: "overlay" | "copy";
}

export interface EngineSolveOptions {
  readonly onStatus: (status: control.StatusResponse) => void;
  readonly signal: AbortSignal;
}

export class Engine implements AsyncDisposable {
  readonly store: Store;
  readonly cacheMounts: CacheMounts;
  readonly workers: WorkerPool;
  readonly #options: EngineOptions;
  readonly #solver: Solver<EngineResult>;
  readonly #images: ImageSource;
  readonly #layouts: OciLayoutSource;
  readonly #notes = new Set<(text: string) => void>();

  private constructor(options: EngineOptions, store: Store, workers: WorkerPool, images: ImageSource) {
    this.#options = options;
    this.store = store;
    this.workers = workers;
    this.#images = images;
    this.#layouts = new OciLayoutSource(store.content);
    this.cacheMounts = new CacheMounts(join(options.root, "cachemounts"), store.db);
    let executor: RuntimeExecutor | undefined;
    const host = new OpHost({
      refs: store.refs,
      cacheMounts: this.cacheMounts,
      workers,
      runDir: join(store.lock.runDir, "steps"),
      statCacheDir: join(options.root, "statcache"),
      executor: () =>
        (executor ??= new RuntimeExecutor({
          runDir: store.lock.runDir,
          privateMounts: process.env["SLIPWAY_NAMESPACE"] === "private",
        })),
    });
    this.#solver = new Solver({
      parallelism: options.parallelism ?? Math.max(2, availableParallelism()),
      storage: store.keys,
      results: new EngineResults(store.refs),
      resolveOp: opResolver(host, {
        refs: store.refs,
        images,
        layouts: this.#layouts,
        keptRef: (manifest) => keptRef(store, manifest),
      }),
    });
  }

  /** Opens the store and repairs what earlier processes left. @throws STATE_UNWRITABLE, DATABASE_NEWER, DISK_FULL. */
  static async open(options: EngineOptions): Promise<Engine> {
    const workers = new WorkerPool({ entry: workerEntry() });
    let engine: Engine | undefined;
    let images: ImageSource | undefined;
    try {
      const store = await Store.open({
        root: options.root,
        workers,
        ...(options.snapshotter === undefined ? {} : { snapshotter: options.snapshotter }),
        openRemote: () => (remote) => images!.openRemote(remote),
      });
      const { registries } = options;
      images = new ImageSource({
        content: store.content,
        client: new RegistryClient({ credentials: new DockerCredentials(), ...(registries ? { registries } : {}) }),
        local: { lookup: (name) => store.images.get(name) },
        onNote: (text) => engine?.note(text),
      });
      engine = new Engine(options, store, workers, images);
      return engine;
    } catch (error) {
      await workers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs one request; exporters run side by side. Resolves with what they report. */
  async solve(
    request: control.SolveRequest,
    session: SessionPort,
    options: EngineSolveOptions,
  ): Promise<Record<string, string>> {
    const platform = hostPlatform();
    const context: SolveContext = {
      session,
      platform,
      entitlements: new Set(request.Entitlements),
      sources: new SourceMaps(),
    };
    using progress = new ProgressStream({
      onStatus: options.onStatus,
      logDir: newLogDir(this.#options.root, request.Ref),
    });
    const note = (text: string) => progress.internal(digestOf(`note ${text}`), `[internal] ${text}`).completed();
    this.#notes.add(note);
    const job = this.#solver.job(progress);
    try {
      const result = await this.#frontend(request, job, context, progress, options.signal);
      const built = await this.#build(result, job, context, options.signal);
      return await runExporters({ request, session, result, built, engine: this, progress, signal: options.signal });
    } catch (error) {
      throw located(error, context.sources);
    } finally {
      this.#notes.delete(note);
      await job.close();
    }
  }

  /** What disk usage and pruning work on. */
  usageHost(): UsageHost {
    const { refs, snapshotter, content, images, keys } = this.store;
    return {
      root: this.#options.root,
      refs,
      snapshotter,
      content,
      cacheMounts: this.cacheMounts,
      heldRefs: () => images.referencedRefs(),
      heldBlobs: () => images.referencedDigests(),
      forgetResult: (id) => keys.removeResult(id),
      sweepKeys: () => void keys.sweep(),
      folderSize: (path) => this.workers.run<{ path: string }, number>("diskUsage", { path }),
      removeFolder: (path) => this.workers.run<{ path: string }, void>("removeTree", { path }),
    };
  }

  /** Tells every running build something that its user should know. */
  note(text: string): void {
    for (const tell of this.#notes) tell(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    await this.workers[Symbol.asyncDispose]();
  }

  async #frontend(
    request: control.SolveRequest,
    job: Job<EngineResult>,
    context: SolveContext,
    progress: ProgressStream,
    signal: AbortSignal,
  ): Promise<FrontendResult> {
    if (request.Frontend === "") return definitionResult(request);
    if (request.Frontend !== "dockerfile.v0") {
      throw new BuildError(`frontend ${JSON.stringify(request.Frontend)} is not supported by this builder yet`, {
        code: "UNSUPPORTED",
        status: "Unimplemented",
      });
    }
    const images =
      this.#options.standInBases === true ? withStandIns({ images: this.#images, engine: this }) : this.#images;
    const gateway = new EngineGateway({
      options: request.FrontendAttrs,
      inputs: request.FrontendInputs,
      platforms: [context.platform],
      job,
      context,
      progress,
      images,
      layouts: this.#layouts,
      refs: this.store.refs,
    });
    return dockerfileFrontend(gateway, signal);
  }

  async #build(
    result: FrontendResult,
    job: Job<EngineResult>,
    context: SolveContext,
    signal: AbortSignal,
  ): Promise<BuiltPlatform[]> {
    const built: BuiltPlatform[] = [];
    await using scope = new TaskScope(signal);
    for (const [index, build] of result.builds.entries()) {
      scope.run(async (inner) => {
        const edge = loadDefinition(build.definition, context);
        const made = edge === undefined ? undefined : (await job.build(edge, inner)).result;
        built[index] = { build, result: made };
      });
    }
    await scope.join();
    return built;
  }
}

/** The worker's entry: beside the bundle where there is one, else the source. */
function workerEntry(): URL {
  return import.meta.url.endsWith(".ts")
    ? new URL("../worker.ts", import.meta.url)
    : new URL("./worker.js", import.meta.url);
}

function located(error: unknown, sources: SourceMaps): unknown {
  if (!isBuildError(error) || error.vertex === undefined || error.sources.length > 0) return error;
  return error.with({ sources: sources.of(error.vertex) });
}
