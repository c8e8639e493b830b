// The export of one build's cache to one destination. While steps run, the layers of finished ones are packed and put, and the
// destination's index is brought up to date; at the end only what is left is. A build that fails or is cancelled leaves what it had
// finished. What can't be had or written is left out and told, never an error of a step.
// Counterpart: moby/buildkit solver/llbsolver/solver.go runCacheExporters, cache/remotecache/export.go.

import { BuildError, isAbort, isBuildError, messageOf } from "../../base/index.ts";
import type { Digest, Semaphore } from "../../base/index.ts";
import { descriptorJson, goJson } from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { CacheKeyStorage, StatusUpdate } from "../../graph/solver/index.ts";
import type { ContentStore } from "../../storage/content/index.ts";
import type { LayerId, RefStore, RemoteOpener } from "../../storage/refs/index.ts";
import { repositoriesOf } from "../sources/index.ts";
import type { ExportSettings } from "./cache-attributes.ts";
import { CacheGraph } from "./cache-graph.ts";
import type { GraphNode, GraphResult } from "./cache-graph.ts";
import { cacheBlobs, readCache } from "./cache-manifest.ts";
import type { ReadCache } from "./cache-manifest.ts";
import { nodesOf } from "./cache-nodes.ts";
import { collectRecords } from "./collect-records.ts";
import type { CollectedKey } from "./collect-records.ts";
import type { CacheDestination, CacheDraft } from "./destination.ts";
import { layerDescriptor } from "./layer-descriptor.ts";
import { RemoteResults } from "./remote-results.ts";
import { worthExporting } from "./export-cost.ts";
import { LayerUses, retain } from "./retention.ts";

/** Keys of a result that was made, or taken from the cache. */
export interface MadeKeys {
  readonly ids: Iterable<string>;
  readonly layers: readonly LayerId[];
  /** Of the step. */
  readonly name: string;
  /** Undefined for one from the cache. */
  readonly tookMs: number | undefined;
}

/** The step that an export shows itself as. */
export interface ExportStep {
  log(text: string): void;
  status(id: string, update: StatusUpdate): void;
  warn(text: string): void;
  completed(error?: unknown): void;
}

export interface CacheExportOptions {
  readonly destination: CacheDestination;
  readonly settings: ExportSettings;
  readonly refs: RefStore;
  readonly content: ContentStore;
  readonly storage: CacheKeyStorage;
  readonly remoteResults: RemoteResults;
  readonly openRemote: RemoteOpener;
  /** Nothing else of the build wants layers as blobs: they are packed where they are to be, and the store keeps none of them. */
  readonly isOnlyReader: boolean;
  /** How many layers all exports of the engine pack and put at once: the steps come first. */
  readonly places: Semaphore;
  /** How many more once a build is over, which leaves its processors to them. */
  readonly placesAfter: number;
  /** Starts the step; called once, when there is something to show. */
  readonly startStep: () => ExportStep;
}

/** How a build ended: which keys its results have and of which layers they are. */
export interface BuildOutcome {
  readonly kind: "done" | "failed" | "canceled";
  readonly ids: Iterable<string>;
  readonly layers: ReadonlySet<LayerId>;
}

/** The index is brought up to date at most this often, and takes at most that share of the time: a build is busy enough. */
const COMMIT = { everyMs: 2000, share: 1 / 200 };

type Piece = { readonly layer: LayerId } | { readonly blob: Descriptor; readonly remote: string };

export class CacheExport {
  readonly #o: CacheExportOptions;
  readonly #controller = new AbortController();
  readonly #written = new Map<string, Promise<Descriptor | undefined>>();
  readonly #ids = new Set<string>();
  /** Keys of results that take longer to make than to fetch. */
  readonly #worth = new Set<string>();
  readonly #problems = new Map<string, unknown>();
  #step: ExportStep | undefined;
  #committing: Promise<void> = Promise.resolve();
  #commitPlanned = false;
  #nextCommitMs = Date.now() + COMMIT.everyMs;

  constructor(options: CacheExportOptions) {
    this.#o = options;
  }

  /** Told of every result of the build, made or loaded; layers of those just made are put at once. */
  made({ ids, layers, name, tookMs }: MadeKeys): void {
    for (const id of ids) this.#ids.add(id);
    if (tookMs === undefined || this.#o.settings.mode === "min") return;
    if (this.#o.settings.mode === "auto") {
      const sizeBytes = this.#o.refs.rows.layer(layers.at(-1) ?? "")?.sizeBytes ?? 0;
      const choice = worthExporting({ tookMs, sizeBytes });
      for (const id of ids) if (choice.isWorth) this.#worth.add(id);
      if (this.#o.settings.explain)
        this.#showing().log(`${choice.isWorth ? "exports" : "leaves out"} ${name}: ${choice.reason}\n`);
      if (!choice.isWorth) return;
    }
    void Promise.all(layers.map((layer) => this.#piece({ layer }))).then(() => this.#commitSoon());
  }

  /**
   * Puts what is left and brings the index up to date; resolves with what is reported to the client.
   *
   * @throws CACHE_EXPORT_FAILED where failures are not to be ignored.
   */
  async finish(outcome: BuildOutcome): Promise<Record<string, string>> {
    if (outcome.kind === "canceled") this.#controller.abort(new DOMException("the build was canceled", "AbortError"));
    const step = this.#showing();
    let response: Record<string, string> = {};
    using _wide = this.#o.places.widen(this.#o.placesAfter);
    try {
      await this.#committing;
      await Promise.all(this.#written.values());
      const ids = outcome.kind === "done" ? outcome.ids : this.#ids;
      step.status("preparing build cache for export", {});
      response = await this.#commit(new Set(ids), outcome);
    } catch (error) {
      this.#problems.set("index", error);
    }
    step.status("preparing build cache for export", { completed: true });
    const failure = this.#failure();
    if (failure === undefined) {
      step.completed();
      return response;
    }
    if (!this.#o.settings.ignoreError && outcome.kind === "done") {
      step.completed(failure);
      throw failure;
    }
    for (const problem of new Set([...this.#problems.values()].map(messageOf))) step.warn(`cache export: ${problem}`);
    step.completed();
    return response;
  }

  #showing(): ExportStep {
    return (this.#step ??= this.#o.startStep());
  }

  #failure(): BuildError | undefined {
    const [first] = this.#problems.values();
    if (first === undefined) return undefined;
    return new BuildError(`error writing cache: ${messageOf(first)}`, {
      code: "CACHE_EXPORT_FAILED",
      status: "Unavailable",
      hint: "leave out ignore-error=false to go on without the cache",
      cause: first,
    });
  }

  /** Makes sure that the destination has a layer; undefined when that is impossible. */
  #piece(piece: Piece): Promise<Descriptor | undefined> {
    const key = "layer" in piece ? piece.layer : `${piece.blob.digest} ${piece.remote}`;
    let written = this.#written.get(key);
    if (written === undefined) {
      written = this.#write(piece).catch((error: unknown) => {
        if (!isAbort(error)) this.#problems.set(key, error);
        return undefined;
      });
      this.#written.set(key, written);
    }
    return written;
  }

  async #write(piece: Piece): Promise<Descriptor | undefined> {
    const { signal } = this.#controller;
    const known = "layer" in piece ? this.#known(piece.layer) : { blob: piece.blob, remote: piece.remote };
    if (known !== undefined && (await this.#isThere(known.blob, known.remote))) return known.blob;
    return this.#o.places.run(async () => {
      const brought = await this.#bring(piece, signal);
      if (brought === undefined) return undefined;
      const { descriptor, isFresh } = brought;
      if (await this.#o.destination.has(descriptor, signal)) return descriptor;
      const label = `writing layer ${descriptor.digest}`;
      const step = this.#showing();
      step.status(label, { current: 0, total: descriptor.size });
      try {
        await this.#o.destination.put(descriptor, { path: this.#o.content.path(descriptor.digest), isFresh }, signal);
      } finally {
        step.status(label, { current: descriptor.size, total: descriptor.size, completed: true });
      }
      return descriptor;
    }, signal);
  }

  /** Whether the destination has a blob, or takes it from where it is. */
  async #isThere(blob: Descriptor, remote: string | undefined): Promise<boolean> {
    const { destination } = this.#o;
    const { signal } = this.#controller;
    if (await destination.has(blob, signal)) return true;
    const repositories = remote === undefined ? [] : repositoriesOf(remote);
    return repositories.length > 0 && (await destination.borrow?.(blob, repositories, signal)) === true;
  }

  #known(layer: LayerId): { readonly blob: Descriptor; readonly remote: string | undefined } | undefined {
    const blob = this.#o.refs.forms.described(layer, this.#o.settings.pack);
    return blob === undefined ? undefined : { blob: layerDescriptor(blob), remote: blob.remote };
  }

  /** The layer's blob in the content store; undefined when it is gone: a record without result. */
  async #bring(
    piece: Piece,
    signal: AbortSignal,
  ): Promise<{ readonly descriptor: Descriptor; readonly isFresh: boolean } | undefined> {
    try {
      if ("layer" in piece) {
        const packed = await this.#packThere(piece.layer, signal);
        if (packed !== undefined) return { descriptor: packed, isFresh: true };
        const blob = await this.#o.refs.forms.blob(piece.layer, { ...this.#o.settings.pack, bytes: true }, signal);
        return { descriptor: layerDescriptor(blob), isFresh: blob.isFresh === true };
      }
      await this.#o.openRemote(piece.remote).fetch(piece.blob, signal);
      return { descriptor: piece.blob, isFresh: false };
    } catch (error) {
      if (!isBuildError(error) || error.code === "DISK_FULL" || isAbort(error)) throw error;
      this.#showing().warn(`cache export: a layer is left out: ${error.message}`);
      return undefined;
    }
  }

  /** Packs a layer straight into the destination, where it can be had so. */
  async #packThere(layer: LayerId, signal: AbortSignal): Promise<Descriptor | undefined> {
    const { destination, isOnlyReader, refs, settings } = this.#o;
    if (!isOnlyReader || destination.stage === undefined) return undefined;
    using staged = destination.stage();
    const blob = await refs.forms.packInto(layer, settings.pack, staged.path, signal);
    if (blob === undefined) return undefined;
    const descriptor = layerDescriptor(blob);
    if (!(await destination.has(descriptor, signal))) staged.commit(descriptor);
    const { digest, size } = descriptor;
    this.#showing().status(`writing layer ${digest}`, { current: size, total: size, completed: true });
    return descriptor;
  }

  #commitSoon(): void {
    if (this.#commitPlanned || this.#controller.signal.aborted) return;
    this.#commitPlanned = true;
    const run = async () => {
      if (Date.now() < this.#nextCommitMs) return;
      const startedMs = Date.now();
      await this.#commit(this.#ids, undefined);
      const tookMs = Date.now() - startedMs;
      this.#nextCommitMs = startedMs + Math.max(COMMIT.everyMs, tookMs / COMMIT.share);
    };
    this.#committing = this.#committing
      .then(run)
      .catch((error: unknown) => {
        // The commit at the end tells what is wrong.
        void error;
      })
      .finally(() => (this.#commitPlanned = false));
  }

  /** Brings the index up to date; without an outcome with what is written so far. */
  async #commit(ids: ReadonlySet<string>, outcome: BuildOutcome | undefined): Promise<Record<string, string>> {
    const { destination, settings, storage } = this.#o;
    const keys = collectRecords(storage, ids);
    const results = new Map<CollectedKey, { pieces: Piece[]; createdAtMs: number }>();
    for (const key of keys) {
      const found = this.#pieces(key);
      if (found !== undefined && this.#isWanted(key, found.pieces, ids, outcome)) results.set(key, found);
    }
    const blobs = new Map<CollectedKey, GraphResult>();
    await Promise.all(
      [...results].map(async ([key, { pieces, createdAtMs }]) => {
        const list = await Promise.all(
          pieces.map((piece) => (outcome === undefined ? this.#finished(piece) : this.#piece(piece))),
        );
        if (list.every((each) => each !== undefined)) blobs.set(key, { blobs: list, createdAtMs });
      }),
    );
    const nowMs = Date.now();
    const made = await destination.update(
      readCache,
      async (current) => {
        const merged = await this.#merge(current, keys, blobs, nowMs);
        return merged === undefined ? undefined : { ...merged, last: outcome !== undefined };
      },
      outcome === undefined ? this.#controller.signal : new AbortController().signal,
    );
    if (outcome === undefined || made === undefined) return {};
    const step = this.#showing();
    const kind = settings.imageManifest ? "cache image manifest" : "cache manifest";
    for (const label of [
      `writing config ${made.config.descriptor.digest}`,
      `writing ${kind} ${made.manifest.descriptor.digest}`,
    ]) {
      step.status(label, { completed: true });
    }
    return { "cache.manifest": goJson(descriptorJson(made.manifest.descriptor)) };
  }

  async #merge(
    current: ReadCache | undefined,
    keys: readonly CollectedKey[],
    blobs: ReadonlyMap<CollectedKey, GraphResult>,
    nowMs: number,
  ): Promise<Omit<CacheDraft, "last"> | undefined> {
    const { settings } = this.#o;
    const graph = current?.graph ?? new CacheGraph();
    const uses = new LayerUses(current?.layers.values() ?? [], nowMs);
    const nodes = new Map<string, GraphNode[]>();
    for (const key of keys) {
      const made = nodesOf(graph, key, nodes);
      nodes.set(key.keyId, made);
      const result = blobs.get(key);
      if (result === undefined || result.blobs.length === 0) continue;
      // Another exporter may have cleared away what this one found there.
      const { signal } = new AbortController();
      const there = await Promise.all(result.blobs.map((each) => this.#o.destination.has(each, signal)));
      if (there.includes(false)) continue;
      for (const { digest } of result.blobs) uses.use(digest);
      for (const node of made) graph.setResult(node, result);
    }
    graph.prune();
    retain(graph, uses, { ...settings, nowMs });
    for (const node of graph.nodes) {
      if (node.result !== undefined)
        node.result = { ...node.result, blobs: node.result.blobs.map((each) => uses.annotated(each)) };
    }
    const made = cacheBlobs(graph, settings);
    if (current?.parts[0] === made.manifest.descriptor.digest) return undefined;
    const layers = new Set<Digest>();
    for (const { result } of graph.nodes) for (const { digest } of result?.blobs ?? []) layers.add(digest);
    return layers.size === 0 ? undefined : { blobs: made, layers };
  }

  /** The pieces of a key's newest result that still exists. */
  #pieces(key: CollectedKey): { pieces: Piece[]; createdAtMs: number } | undefined {
    for (const { id, createdAtMs } of key.results) {
      if (RemoteResults.isRemote(id)) {
        const result = this.#o.remoteResults.get(id);
        if (result !== undefined)
          return { pieces: result.blobs.map((blob) => ({ blob, remote: result.remote })), createdAtMs };
        continue;
      }
      const ref = this.#o.refs.rows.ref(id);
      if (ref !== undefined) return { pieces: ref.layers.map((layer) => ({ layer })), createdAtMs };
    }
    return undefined;
  }

  #isWanted(
    key: CollectedKey,
    pieces: readonly Piece[],
    ids: ReadonlySet<string>,
    outcome: BuildOutcome | undefined,
  ): boolean {
    // The layers of a base image are where the image is, unless something was built on them.
    if (key.paths.length === 0) return false;
    if (this.#o.settings.mode === "max" || ids.has(key.keyId) || this.#worth.has(key.keyId)) return true;
    return pieces.every((piece) => "layer" in piece && outcome?.layers.has(piece.layer) === true);
  }

  #finished(piece: Piece): Promise<Descriptor | undefined> {
    const key = "layer" in piece ? piece.layer : "";
    return Promise.race([this.#written.get(key) ?? Promise.resolve(undefined), Promise.resolve(undefined)]);
  }
}
