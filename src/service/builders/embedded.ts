// The builder in this very process: no daemon, no socket, the same engine that a daemon would serve.

import { Engine } from "../../engine/index.ts";
import type { EngineOptions, SessionPort } from "../../engine/index.ts";
import { create } from "@bufbuild/protobuf";
import { collectByDefault } from "../../storage/refs/index.ts";
import { control } from "../../formats/proto/index.ts";
import type {
  Builder,
  CacheMountRecord,
  CacheMountTransfer,
  CachePlace,
  Converted,
  ExporterResponse,
  ImageDetails,
  ImageRecord,
  PruneOptions,
  SolveOptions,
  UsageRecord,
} from "./builder.ts";
import { listCacheMounts, removeCacheMounts } from "./cache-mounts.ts";
import { EmbeddedHistory } from "./embedded-history.ts";
import { diskUsage, prune } from "./usage.ts";
import { describeImage, findImage, listImages, removeImage } from "./images.ts";

/** How long the end of a build may be held up by collecting what the default rules no longer keep. */
const COLLECTING_MS = 20_000;

export type EmbeddedBuilderOptions = EngineOptions;

/** Opens the store below `options.root`; dispose to let go of it. @throws STATE_UNWRITABLE, DATABASE_NEWER, DISK_FULL. */
export async function openEmbeddedBuilder(options: EmbeddedBuilderOptions): Promise<Builder> {
  return new EmbeddedBuilder(options.root, await Engine.open(options));
}

/** The engine behind the builder of this process; undefined for other builders. */
export function engineOf(builder: Builder): Engine | undefined {
  return builder instanceof EmbeddedBuilder ? builder.engine : undefined;
}

class EmbeddedBuilder implements Builder {
  readonly name = "default";
  readonly driver = "embedded";
  readonly location: string;
  readonly history: EmbeddedHistory;
  readonly #engine: Engine;
  get engine(): Engine {
    return this.#engine;
  }
  #built = false;

  constructor(location: string, engine: Engine) {
    this.location = location;
    this.#engine = engine;
    this.history = new EmbeddedHistory(location, engine.store.lock.runDir);
  }

  async solve(request: control.SolveRequest, session: SessionPort, options: SolveOptions): Promise<ExporterResponse> {
    this.#built = true;
    return await this.history.record(request, options, (recorded) => this.#engine.solve(request, session, recorded));
  }

  convert(request: control.SolveRequest, session: SessionPort, options: SolveOptions): Promise<Converted> {
    return this.#engine.convert(request, session, options);
  }

  diskUsage(options: { readonly filters: readonly string[] }): Promise<UsageRecord[]> {
    return diskUsage(this.#engine, options.filters);
  }

  prune(options: PruneOptions, onRecord: (record: UsageRecord) => void, signal: AbortSignal): Promise<void> {
    return prune(this.#engine, options, onRecord, signal);
  }

  cacheMounts(): Promise<CacheMountRecord[]> {
    return listCacheMounts(this.#engine);
  }

  removeCacheMounts(ids: readonly string[] | undefined, signal: AbortSignal): Promise<string[]> {
    return removeCacheMounts(this.#engine, ids, signal);
  }

  transferCacheMounts(
    direction: "export" | "import",
    place: CachePlace,
    options: CacheMountTransfer,
  ): Promise<string[]> {
    return this.#engine.transferCacheMounts(direction, create(control.CacheOptionsEntrySchema, place), options);
  }

  images(): Promise<ImageRecord[]> {
    return Promise.resolve(listImages(this.#engine));
  }

  inspectImage(name: string): Promise<ImageDetails> {
    return Promise.resolve(describeImage(this.#engine, findImage(this.#engine, name)));
  }

  removeImage(name: string): Promise<{ readonly untagged: string; readonly deleted: string | undefined }> {
    return Promise.resolve(removeImage(this.#engine, findImage(this.#engine, name)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#built) await collectByDefault(this.#engine.usageHost(), AbortSignal.timeout(COLLECTING_MS));
    } catch {
      // The build is done and told. What could not be collected is so after the next one.
    } finally {
      await this.#engine[Symbol.asyncDispose]();
    }
  }
}
