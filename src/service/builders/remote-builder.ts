// A builder elsewhere: a BuildKit, stock or ours, behind the same port as the embedded one.
// Counterpart: moby/buildkit client.

import { clone, create } from "@bufbuild/protobuf";
import { createHash, randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { BuildError, digestOf } from "../../base/index.ts";
import { DockerCredentials } from "../../distribution/index.ts";
import type { SessionPort } from "../../engine/index.ts";
import { control } from "../../formats/proto/index.ts";
import { exportsFreely } from "./features.ts";
import { refuseClassicEngine } from "./refuse.ts";
import { RemoteHistory } from "./remote-history.ts";
import { layoutOutput, nameLayout, startLoad } from "./remote-outputs.ts";
import type { Load } from "./remote-outputs.ts";
import { answers, converted } from "./remote-results.ts";
import { remoteFilter, toUsageRecord } from "./remote-usage.ts";
import { cachePlaces, fromRemote, openSession, solveRemotely } from "../client/index.ts";
import type { BuildkitConnection, OpenedSession } from "../client/index.ts";
import type {
  Builder,
  CacheMountRecord,
  Converted,
  ExporterResponse,
  ImageDetails,
  ImageRecord,
  PruneOptions,
  SolveOptions,
  UsageRecord,
} from "./builder.ts";

export interface RemoteBuilderOptions {
  readonly name: string;
  /** What it is reached by, for messages: "tcp://host:1234". */
  readonly location: string;
  readonly connection: BuildkitConnection;
  /** The engine's own BuildKit: images are made in its store. */
  readonly isEngine: boolean;
}

/** Dispose to close the connection. */
export class RemoteBuilder implements Builder {
  readonly driver = "remote";
  readonly history: RemoteHistory;
  readonly #o: RemoteBuilderOptions;
  /** Sessions that definitions still refer to. */
  readonly #kept: OpenedSession[] = [];

  constructor(options: RemoteBuilderOptions) {
    this.#o = options;
    this.history = new RemoteHistory(options.connection);
  }

  get name(): string {
    return this.#o.name;
  }

  get location(): string {
    return this.#o.location;
  }

  async solve(request: control.SolveRequest, session: SessionPort, options: SolveOptions): Promise<ExporterResponse> {
    await this.#refuse(request, session, options.signal);
    const loads = new Map<number, Load>();
    const opened = await this.#open(request, session, { options, loads });
    await using _session = opened.session;
    const isCall = request.FrontendAttrs["requestid"] !== undefined;
    try {
      const { response, result } = await solveRemotely(this.#o.connection, {
        request: this.#adapted(opened.request, session, isCall),
        cacheImports: opened.places.imports,
        onStatus: options.onStatus,
        signal: options.signal,
        resultOnly: isCall,
      });
      await opened.session.outputs();
      await opened.places.finish(response);
      if (opened.layout !== undefined) await nameLayout(opened.layout, response);
      await Promise.all([...loads.values()].map(({ done }) => done));
      return isCall ? { ...response, ...answers(result) } : response;
    } catch (error) {
      for (const load of loads.values()) load.stream.destroy();
      await Promise.allSettled([...loads.values()].map(({ done }) => done));
      throw options.signal.aborted ? options.signal.reason : fromRemote(error, this.name);
    }
  }

  async convert(request: control.SolveRequest, session: SessionPort, options: SolveOptions): Promise<Converted> {
    const opened = await this.#open(request, session, { options, loads: new Map() });
    const converting = this.#adapted(opened.request, session, true);
    converting.Ref = newId();
    // What is built from the definitions asks this session for its folders.
    this.#kept.push(opened.session);
    try {
      const { result } = await solveRemotely(this.#o.connection, {
        request: converting,
        cacheImports: opened.places.imports,
        onStatus: options.onStatus,
        signal: options.signal,
        resultOnly: true,
      });
      return converted(result);
    } catch (error) {
      throw options.signal.aborted ? options.signal.reason : fromRemote(error, this.name);
    }
  }

  async diskUsage({ filters }: { readonly filters: readonly string[] }): Promise<UsageRecord[]> {
    const { record } = await this.#call(() =>
      this.#o.connection.control.diskUsage({ filter: filters.map(remoteFilter) }),
    );
    return record.map(toUsageRecord);
  }

  async prune(options: PruneOptions, onRecord: (record: UsageRecord) => void, signal: AbortSignal): Promise<void> {
    await this.#call(async () => {
      const records = this.#o.connection.control.prune(
        {
          filter: options.filters.map(remoteFilter),
          all: options.all,
          keepDuration: BigInt(Math.round((options.keepDurationMs ?? 0) * 1e6)),
          reservedSpace: BigInt(options.reservedBytes ?? 0),
          maxUsedSpace: BigInt(options.maxUsedBytes ?? 0),
          minFreeSpace: BigInt(options.minFreeBytes ?? 0),
        },
        { signal },
      );
      for await (const record of records) onRecord(toUsageRecord(record));
    });
  }

  cacheMounts(): Promise<CacheMountRecord[]> {
    return this.#lacks("lists of cache mounts", "slipway du --filter type=exec.cachemount lists them");
  }

  removeCacheMounts(): Promise<string[]> {
    return this.#lacks("removal of cache mounts by id", "slipway prune --filter type=exec.cachemount removes all");
  }

  transferCacheMounts(): Promise<string[]> {
    return this.#lacks("transfers of cache mounts", "they travel with the embedded builder's caches only");
  }

  images(): Promise<ImageRecord[]> {
    return this.#lacks("an image list", "it keeps what it builds in its cache; ask its engine or registry");
  }

  inspectImage(): Promise<ImageDetails> {
    return this.#lacks("an image store to look into", "slipway imagetools inspect looks into registries");
  }

  removeImage(): Promise<never> {
    return this.#lacks("an image store", "slipway prune frees its cache");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#kept.splice(0)) await session[Symbol.asyncDispose]();
    await this.#o.connection[Symbol.asyncDispose]();
  }

  async #refuse(request: control.SolveRequest, session: SessionPort, signal: AbortSignal): Promise<void> {
    if (!this.#o.isEngine) return;
    const { record } = await this.#call(() => this.#o.connection.control.listWorkers({}, { signal }));
    if (!exportsFreely("docker", { workers: record })) refuseClassicEngine(request, session, this);
  }

  async #open(
    request: control.SolveRequest,
    session: SessionPort,
    { options, loads }: { readonly options: SolveOptions; readonly loads: Map<number, Load> },
  ) {
    const places = cachePlaces(request.Cache, (text) => options.onStatus(warning(text)));
    const stores = new Map(places.stores);
    for (const value of Object.values(request.FrontendAttrs)) {
      const id = /^oci-layout:\/\/([^@/:]+)/.exec(value)?.[1];
      const store = id === undefined ? undefined : session.ociStore(id);
      if (store?.kind === "directory") stores.set(`oci:${id}`, store.path);
    }
    // The one store that exporters write to.
    const layout = layoutOutput(request, session);
    if (layout !== undefined) stores.set("export", layout);
    const id = newId();
    const opened = openSession(this.#o.connection, session, {
      id,
      sharedKey: await sharedKey(session),
      credentials: new DockerCredentials(),
      stores,
      deletesOthers: (index) => request.Exporters[index]?.Attrs["mode"] === "delete",
      openLoad: (index) => {
        const target = session.output(index);
        if (target?.kind !== "loader") throw new Error(`output ${index} is no load`);
        const load = startLoad(target.loader, options.signal);
        loads.set(index, load);
        return load.stream;
      },
    });
    const adapted = clone(control.SolveRequestSchema, request);
    adapted.Session = id;
    adapted.Cache = create(control.CacheOptionsSchema, { Exports: [...places.exports] });
    return { session: opened, places, request: adapted, layout };
  }

  #adapted(request: control.SolveRequest, session: SessionPort, isCall: boolean): control.SolveRequest {
    const adapted = clone(control.SolveRequestSchema, request);
    if (isCall) {
      adapted.Exporters = [];
      adapted.Internal = true;
    }
    for (const [index, exporter] of adapted.Exporters.entries()) {
      const isLoad = session.output(index)?.kind === "loader";
      // The engine's BuildKit makes images where they are wanted: nothing is to be sent.
      if (this.#o.isEngine && (exporter.Type === "image" || isLoad)) exporter.Type = "moby";
    }
    return adapted;
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw fromRemote(error, this.name);
    }
  }

  #lacks(what: string, hint: string): Promise<never> {
    return Promise.reject(
      new BuildError(`builder ${this.name} (${this.location}) has no ${what}`, {
        code: "BUILDER_LACKS",
        status: "Unimplemented",
        hint,
      }),
    );
  }
}

function newId(): string {
  return randomBytes(15).toString("hex").slice(0, 25);
}

/** Builds of the same folders from the same machine send what changed alone. */
async function sharedKey(session: SessionPort): Promise<string> {
  const hash = createHash("sha256").update(hostname());
  for (const name of ["context", "dockerfile"]) {
    const folder = await session.localDir(name, {});
    hash.update(`\0${folder?.path ?? ""}`);
    folder?.release?.();
  }
  return hash.digest("hex").slice(0, 40);
}

/** A step of progress that only warns. */
function warning(text: string): control.StatusResponse {
  const digest = digestOf(`warning: ${text}`);
  return create(control.StatusResponseSchema, {
    vertexes: [{ digest, name: `WARNING: ${text}`, cached: false }],
  });
}
