// The engine: one store, one solver, any number of builds at once. Embedded in the command or in a daemon, it is the same class.
// Counterpart: moby/buildkit solver/llbsolver/solver.go.

import { availableParallelism } from "node:os";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { TaskScope, digestOf, isBuildError } from "../../base/index.ts";
import { RegistryClient, DockerCredentials, Transport } from "../../distribution/index.ts";
import type { RegistriesSettings, RegistryPusher } from "../../distribution/index.ts";
import { hostPlatform } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";
import { parseAttestations } from "../../frontends/gateway/index.ts";
import type { Frontend, FrontendRequest, FrontendResult } from "../../frontends/gateway/index.ts";
import { Solver } from "../../graph/solver/index.ts";
import type { Job, ProgressSink } from "../../graph/solver/index.ts";
import { CacheMounts } from "../../storage/refs/index.ts";
import type { UsageHost } from "../../storage/refs/index.ts";
import { WorkerPool } from "../../system/workers/index.ts";
import { RuntimeExecutor, runnablePlatforms } from "../executor/index.ts";
import type { DnsSettings } from "../executor/index.ts";
import type { SolveContext } from "../ops/index.ts";
import { loadDefinition } from "../ops/index.ts";
import { OpHost } from "../ops/index.ts";
import { opResolver } from "../ops/index.ts";
import type { EngineResult } from "../ops/index.ts";
import { SourceMaps } from "../ops/index.ts";
import { Caches, LostLayers, RemoteResults } from "../cache/index.ts";
import { createExporter } from "../exporters/index.ts";
import type { CacheExport, LostLayer } from "../cache/index.ts";
import { contextMemoryDir, engineWorkerEntry } from "../ports/index.ts";
import type { SessionPort } from "../ports/index.ts";
import { GitSource, HttpSource, ImageSource, OciLayoutSource, SessionStores } from "../sources/index.ts";
import { Store } from "../store/index.ts";
import { AskerCredentials, askedBy } from "./asker.ts";
import { readProvenance } from "../provenance/index.ts";
import { attestationsOf, recordedProvenance } from "./attest.ts";
import type { FrontendTrace } from "./attest.ts";
import { runExporters } from "./export.ts";
import type { BuiltPlatform } from "./export.ts";
import { Frontends } from "./frontends.ts";
import { keptRef } from "./kept-ref.ts";
import { ProgressStream } from "./progress-stream.ts";
import { EngineResults } from "./result-store.ts";
import { withStandIns } from "./stand-in.ts";
import { refuseForeignSteps } from "./foreign-steps.ts";
import { openRootImage } from "./root-image.ts";
import type { RootImage, RootImageOptions } from "./root-image.ts";
import { newLogDir } from "./step-logs.ts";

export interface EngineOptions {
  /** All state lives below it. */
  readonly root: string;
  /** How many steps run at once; defaults to the number of cores, at least 2. */
  readonly parallelism?: number;
  /** Steps that are ready start in a random order, for finding out what hangs on it. Defaults to false. */
  readonly shuffled?: boolean | undefined;
  readonly registries?: RegistriesSettings;
  /** Name servers of steps; by default the host's. */
  readonly dns?: DnsSettings | undefined;
  /** Makes the usual base images from the distribution's packages where their registry can't be reached. Defaults to false. */
  readonly standInBases?: boolean;
  /** Forces plain copies or overlay; found out when absent. */
  readonly snapshotter?: "overlay" | "copy";
  /** Refuses frontends that may not run here, by throwing. */
  readonly checkFrontend?: ((request: FrontendRequest) => void) | undefined;
  /** The engine is opened to free space: what the store keeps in reserve may be used for that. Defaults to false. */
  readonly toFreeSpace?: boolean | undefined;
  /** The process ends when the engine has been let go of: then some of that is left to the kernel. Defaults to false. */
  readonly endsWithProcess?: boolean | undefined;
}

export interface EngineSolveOptions {
  readonly onStatus: (status: control.StatusResponse) => void;
  readonly signal: AbortSignal;
  /** Runs instead of the frontend that the request names: a client that drives its build itself is one. */
  readonly frontend?: Frontend | undefined;
  /** Told where each platform's result comes from, once all is exported. */
  readonly onProvenance?: ((made: MadeProvenance) => void) | undefined;
}

/** A platform's provenance, for the record of a build. */
export interface MadeProvenance {
  /** Empty where the result is of one platform alone. */
  readonly platform: string;
  readonly predicateType: string;
  /** JSON. */
  readonly predicate: Uint8Array;
}

export class Engine implements AsyncDisposable {
  readonly store: Store;
  readonly cacheMounts: CacheMounts;
  /** Folders that clients of a daemon sent: kept, so that only what changed is sent again. */
  readonly sentFolders: CacheMounts;
  readonly workers: WorkerPool;
  readonly #options: EngineOptions;
  readonly #solver: Solver<EngineResult>;
  readonly #frontends: Frontends;
  readonly #transport = new Transport({ retry: { attempts: 4 } });
  readonly #repositories: CacheMounts;
  readonly #images: ImageSource;
  readonly #layouts: OciLayoutSource;
  readonly #notes = new Set<(text: string) => void>();
  readonly #caches: Caches;
  readonly #client: RegistryClient;
  readonly #insecureClients = new Map<string, RegistryClient>();
  readonly #lost: LostLayers;
  readonly #exports = new Map<Job<EngineResult>, readonly CacheExport[]>();

  private constructor(options: EngineOptions, { store, workers, images, lost, client, sessions }: EngineParts) {
    this.#options = options;
    this.store = store;
    this.#client = client;
    this.workers = workers;
    const layouts = new OciLayoutSource(store.content, sessions);
    this.#images = images;
    this.#layouts = layouts;
    const web = new HttpSource({ refs: store.refs, records: store.sources, transport: this.#transport });
    this.cacheMounts = new CacheMounts(join(options.root, "cachemounts"), store.db);
    // What clients sent is nobody else's to read.
    const sent = join(options.root, "contexts");
    mkdirSync(sent, { recursive: true, mode: 0o700 });
    this.sentFolders = new CacheMounts(sent, store.db, { table: "sent_folders" });
    this.#repositories = new CacheMounts(join(options.root, "git"), store.db, { table: "git_repositories" });
    const git = new GitSource({
      refs: store.refs,
      records: store.sources,
      repositories: this.#repositories,
      root: options.root,
      runDir: join(store.lock.runDir, "git"),
    });
    // Made when the first container needs it.
    let made: RuntimeExecutor | undefined;
    const executor = () =>
      (made ??= new RuntimeExecutor({
        runDir: store.lock.runDir,
        privateMounts: process.env["SLIPWAY_NAMESPACE"] === "private",
        dns: options.dns,
      }));
    const host = new OpHost({
      refs: store.refs,
      cacheMounts: this.cacheMounts,
      workers,
      runDir: join(store.lock.runDir, "steps"),
      statCacheDir: contextMemoryDir(options.root),
      executor,
    });
    this.#frontends = new Frontends({
      // What frontends resolve images with.
      images: options.standInBases === true ? withStandIns({ images, engine: this }) : images,
      layouts,
      web,
      git,
      refs: store.refs,
      platforms: () => this.platforms(),
      executor,
      checkFrontend: options.checkFrontend,
    });
    this.#lost = lost;
    const remoteResults = new RemoteResults(store.refs);
    this.#caches = new Caches({
      store,
      workers,
      remoteResults,
      client,
      cacheMounts: this.cacheMounts,
      sessions,
      openRemote: (remote) => images.openRemote(remote),
    });
    this.#solver = new Solver({
      parallelism: options.parallelism ?? Math.max(2, availableParallelism()),
      shuffled: options.shuffled,
      storage: this.#caches.storage,
      results: new EngineResults(store.refs, remoteResults),
      onResult: ({ vertex, result, jobs, tookMs }) => {
        for (const job of jobs) {
          for (const each of this.#exports.get(job) ?? []) {
            each.made({
              ids: result.ids,
              layers: result.result.kind === "ref" ? result.result.ref.layers : [],
              name: vertex.name,
              tookMs,
            });
          }
        }
      },
      resolveOp: opResolver(host, {
        refs: store.refs,
        images,
        layouts,
        web,
        git,
        keptRef: (manifest) => keptRef(store, manifest),
      }),
    });
  }

  /** Opens the store and repairs what earlier processes left. @throws STATE_UNWRITABLE, DATABASE_NEWER, DISK_FULL. */
  static async open(options: EngineOptions): Promise<Engine> {
    const workers = new WorkerPool({ entry: engineWorkerEntry(), size: availableParallelism() + 1 });
    let engine: Engine | undefined;
    let images: ImageSource | undefined;
    try {
      const lost = new LostLayers();
      const store = await Store.open({
        root: options.root,
        workers,
        onLayerFailure: (layer, blobs, error) => lost.note(layer, blobs, error),
        ...(options.snapshotter === undefined ? {} : { snapshotter: options.snapshotter }),
        toFreeSpace: options.toFreeSpace,
        endsWithProcess: options.endsWithProcess,
        openRemote: () => (remote) => images!.openRemote(remote),
      });
      const { registries } = options;
      const sessions = new SessionStores();
      const client = new RegistryClient({
        credentials: new AskerCredentials(new DockerCredentials()),
        ...(registries ? { registries } : {}),
      });
      images = new ImageSource({
        content: store.content,
        client,
        local: { lookup: (name) => store.images.get(name) },
        sessions,
        onNote: (text) => engine?.note(text),
      });
      engine = new Engine(options, { store, workers, images, lost, client, sessions });
      return engine;
    } catch (error) {
      await workers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs one request; exporters run side by side. Resolves with what they report. */
  solve(
    request: control.SolveRequest,
    session: SessionPort,
    options: EngineSolveOptions,
  ): Promise<Record<string, string>> {
    return askedBy(session, () => this.#solve(request, session, options));
  }

  async #solve(
    request: control.SolveRequest,
    session: SessionPort,
    options: EngineSolveOptions,
  ): Promise<Record<string, string>> {
    // What an exporter would refuse is refused before anything is built.
    const outputs = request.Exporters.map(({ Type, Attrs }) => createExporter(Type, Attrs));
    // A worker takes about as long to start as what is known takes to be looked up.
    if (outputs.some(({ isJob }, at) => isJob && session.output(at)?.kind !== "loader")) this.workers.warmUp();
    const provenance = parseAttestations(request.FrontendAttrs).get("provenance");
    if (provenance !== undefined) readProvenance(provenance);
    const startedAt = new Date();
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
    const exports = this.#caches.exports(request, { session, progress });
    this.#notes.add(note);
    const job = this.#solver.job(progress);
    const importing = this.#caches.import(request.Cache?.Imports ?? [], { session, progress, signal: options.signal });
    try {
      const trace: FrontendTrace = { images: [], edges: [], requests: [], job };
      const build = { job, context, progress, trace, ready: () => importing };
      const result = await this.#frontends.run(request, build, options);
      await importing;
      // A question that the frontend answered: nothing is built or exported.
      if (result.builds.length === 0) return answerOf(result);
      // A cache may have what this machine can't make.
      if ((request.Cache?.Imports.length ?? 0) === 0) refuseForeignSteps(result);
      return await this.#attempts({
        request,
        session,
        result,
        trace,
        startedAt,
        context,
        exports,
        progress,
        signal: options.signal,
        onProvenance: options.onProvenance,
      });
    } catch (error) {
      throw located(error, context.sources);
    } finally {
      this.#notes.delete(note);
      (await importing)[Symbol.dispose]();
      await job.close();
    }
  }

  /** What the frontend makes of a request: definitions and image configs. Nothing is built that the frontend does not read. */
  async convert(
    request: control.SolveRequest,
    session: SessionPort,
    options: EngineSolveOptions,
  ): Promise<FrontendResult> {
    const context: SolveContext = {
      session,
      platform: hostPlatform(),
      entitlements: new Set(request.Entitlements),
      sources: new SourceMaps(),
    };
    using progress = new ProgressStream({
      onStatus: options.onStatus,
      logDir: newLogDir(this.#options.root, request.Ref),
    });
    const job = this.#solver.job(progress);
    try {
      return await this.#frontends.run(
        request,
        { job, context, progress, trace: { images: [], edges: [], requests: [], job } },
        options,
      );
    } catch (error) {
      throw located(error, context.sources);
    } finally {
      await job.close();
    }
  }

  /** Builds, and again when a layer that a cache promised turns out to be gone: without it, the step that makes it is run. */
  async #attempts(run: BuildRun): Promise<Record<string, string>> {
    const seen = new Set<string>();
    for (;;) {
      const mark = this.#lost.mark;
      const job = this.#solver.job(quietAboutLost(run.progress, () => this.#lost.mark > mark));
      this.#exports.set(job, run.exports);
      try {
        return await this.#attempt(run, job);
      } catch (error) {
        // What a process said by its exit code has nothing to do with layers.
        const isExit = isBuildError(error) && error.exitCode !== undefined;
        const lost = (isExit ? [] : this.#lost.since(mark)).filter(({ layer }) => !seen.has(layer));
        if (lost.length === 0 || run.signal.aborted) {
          const kind = run.signal.aborted ? "canceled" : "failed";
          await Promise.all(run.exports.map((each) => each.finish({ kind, ids: [], layers: new Set() })));
          if (kind === "failed") await this.#caches.exportMounts(run.request, run, run.signal);
          throw error;
        }
        for (const each of lost) {
          seen.add(each.layer);
          this.#forget(each, run.progress);
        }
      } finally {
        this.#exports.delete(job);
        await job.close();
      }
    }
  }

  async #attempt(run: BuildRun, job: Job<EngineResult>): Promise<Record<string, string>> {
    const { request, session, result, trace, startedAt, context, exports, progress, signal } = run;
    const built = await this.#build(result, job, context, signal);
    const outcome = {
      kind: "done" as const,
      ids: built.flatMap(({ ids }) => [...ids]),
      layers: new Set(built.flatMap((each) => (each.result?.kind === "ref" ? each.result.ref.layers : []))),
    };
    const attestRun = { request, result, frontend: trace, job, startedAt, refs: this.store.refs, signal };
    const [exported, ...cached] = await allDone([
      runExporters({
        request,
        session,
        result,
        built,
        attest: (platform, ref) => attestationsOf(platform, ref, attestRun),
        engine: this,
        progress,
        inlineCache: this.#caches.inline(request),
        signal,
      }),
      ...exports.map((each) => each.finish(outcome)),
      this.#caches.exportMounts(request, { session, progress }, signal).then(() => ({})),
    ]);
    for (const each of run.onProvenance === undefined ? [] : built) {
      if (each.result?.kind !== "ref") continue;
      const platform = result.multiPlatform ? each.build.key : "";
      // A record without it is better than a build that fails when all is done.
      const made = await recordedProvenance(each, each.result.ref, attestRun).catch(() => undefined);
      if (made !== undefined) run.onProvenance?.({ platform, ...made });
    }
    return Object.assign({}, ...cached, exported) as Record<string, string>;
  }

  #forget({ layer, blobs, reason }: LostLayer, progress: ProgressStream): void {
    this.store.refs.forgetLayer(layer);
    for (const digest of blobs) this.#caches.remoteResults.lose(digest);
    const text = `a cached layer can't be used, what it was made by runs again: ${reason}`;
    const step = progress.internal(digestOf(`lost ${layer}`), "[internal] cached layer lost");
    progress.warn(step.digest, { level: 1, short: text, detail: [], url: "" });
    step.completed();
  }

  /** Uploads to a registry; where `insecure`, without certificate checks, and over http where there is no https. */
  pusher(domain: string, insecure: boolean): RegistryPusher {
    if (!insecure) return this.#client.pusher();
    let client = this.#insecureClients.get(domain);
    if (client === undefined) {
      const registries = { ...this.#options.registries };
      registries[domain] = { ...registries[domain], insecure: true };
      client = new RegistryClient({ credentials: new AskerCredentials(new DockerCredentials()), registries });
      this.#insecureClients.set(domain, client);
    }
    return client.pusher();
  }

  /** An image to run, its layers unpacked and held until its ref is released; see {@link openRootImage}. */
  rootImage(reference: string, options: RootImageOptions): Promise<RootImage> {
    return openRootImage(reference, options, { store: this.store, images: this.#images, layouts: this.#layouts });
  }

  /** Exports cache mounts to a place, or fills them from one; see `Caches.transferMounts`. */
  transferCacheMounts(...args: Parameters<Caches["transferMounts"]>): Promise<string[]> {
    return this.#caches.transferMounts(...args);
  }

  /** What disk usage and pruning work on. */
  usageHost(): UsageHost {
    const { refs, snapshotter, content, images, keys, sources } = this.store;
    return {
      root: this.#options.root,
      refs,
      snapshotter,
      content,
      cacheMounts: this.cacheMounts,
      repositories: this.#repositories,
      sentFolders: this.sentFolders,
      heldRefs: () => images.referencedRefs(),
      heldBlobs: () => images.referencedDigests(),
      forgetResult: (id) => keys.removeResult(id),
      sweepKeys: () => {
        keys.sweep();
        sources.sweep();
      },
      folderSize: (path) => this.workers.run<{ path: string }, number>("diskUsage", { path }),
      removeFolder: (path) => this.workers.run<{ path: string }, void>("removeTree", { path }),
    };
  }

  /** Platforms whose steps run here, this machine's own first. */
  platforms(): Platform[] {
    return runnablePlatforms();
  }

  /** Tells every running build something that its user should know. */
  note(text: string): void {
    for (const tell of this.#notes) tell(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#insecureClients.values()) await client[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
    await this.workers[Symbol.asyncDispose]();
    await this.#transport[Symbol.asyncDispose]();
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
        const scans = (build.attestations ?? []).map(({ definition }) => loadDefinition(definition, context));
        const [made, ...attestations] = await Promise.all(
          [edge, ...scans].map((each) => (each === undefined ? Promise.resolve(undefined) : job.build(each, inner))),
        );
        built[index] = {
          build,
          edge,
          result: made?.result,
          ids: made?.ids ?? new Set(),
          attestations: attestations.map((each) => each?.result),
        };
      });
    }
    await scope.join();
    return built;
  }
}

function answerOf({ metadata }: FrontendResult): Record<string, string> {
  return Object.fromEntries(Array.from(metadata, ([key, value]) => [key, Buffer.from(value).toString("utf8")]));
}

/** Waits for the end of all, also when one fails. */
async function allDone<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(work);
  return ended.map((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}

interface EngineParts {
  readonly store: Store;
  readonly workers: WorkerPool;
  readonly images: ImageSource;
  readonly lost: LostLayers;
  readonly client: RegistryClient;
  readonly sessions: SessionStores;
}

interface BuildRun {
  readonly request: control.SolveRequest;
  readonly session: SessionPort;
  readonly result: FrontendResult;
  readonly trace: FrontendTrace;
  readonly startedAt: Date;
  readonly context: SolveContext;
  readonly exports: readonly CacheExport[];
  readonly progress: ProgressStream;
  readonly signal: AbortSignal;
  readonly onProvenance: EngineSolveOptions["onProvenance"];
}

/** Keeps failures to itself that end in another attempt. */
function quietAboutLost(sink: ProgressSink, isLost: () => boolean): ProgressSink {
  return {
    vertex: (event) => {
      if (event.kind !== "failed" || !isLost()) sink.vertex(event);
    },
    log: (vertex, stream, data) => sink.log(vertex, stream, data),
    status: (vertex, id, update) => sink.status(vertex, id, update),
    warn: (vertex, warning) => sink.warn(vertex, warning),
  };
}

function located(error: unknown, sources: SourceMaps): unknown {
  if (!isBuildError(error) || error.vertex === undefined || error.sources.length > 0) return error;
  return error.with({ sources: sources.of(error.vertex) });
}
