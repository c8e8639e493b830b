// The caches of an engine: imported ones joined to the store's own keys, and the exports of running builds. One for each engine.

import { availableParallelism } from "node:os";
import { Semaphore, digestOf, messageOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { RegistryClient } from "../../distribution/index.ts";
import { parseReference, referenceName } from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";
import type { VertexWarning } from "../../graph/solver/index.ts";
import type { CacheMounts, Ref, RemoteOpener } from "../../storage/refs/index.ts";
import type { WorkerPool } from "../../system/workers/index.ts";
import type { SessionBlobs, SessionPort } from "../ports/index.ts";
import type { SessionStores } from "../sources/index.ts";
import type { Store } from "../store/index.ts";
import {
  invalid,
  readDigestAttribute,
  readExportSettings,
  readMountSettings,
  requireAttribute,
} from "./cache-attributes.ts";
import type { ExportSettings } from "./cache-attributes.ts";
import { CacheExport } from "./cache-export.ts";
import type { ExportStep } from "./cache-export.ts";
import type { CacheDestination } from "./destination.ts";
import { importKeys } from "./importer.ts";
import type { OpenedCache } from "./importer.ts";
import { inlineCache } from "./inline-cache.ts";
import { LayeredKeyStorage } from "./layered-key-storage.ts";
import { LocalCacheDestination, openLocalCache, openLocalMounts } from "./local-cache.ts";
import { openRegistryCache, openRegistryMounts, RegistryCacheDestination } from "./registry-cache.ts";
import type { RemoteResults } from "./remote-results.ts";
import { openSessionCache, SessionCacheDestination } from "./session-cache.ts";
import type { MountSource } from "./traveling-mounts.ts";
import { mountName, TravelingMounts } from "./traveling-mounts.ts";

/** Outputs that are made of layers' blobs. */
const ofLayers: ReadonlySet<string> = new Set(["image", "oci", "docker", "registry"]);

/** How a build shows the steps of its caches. */
export interface CacheProgress {
  internal(digest: Digest, name: string): { readonly digest: Digest } & Omit<ExportStep, "warn" | "log">;
  log(vertex: Digest, stream: 1 | 2, data: Uint8Array): void;
  warn(vertex: Digest, warning: VertexWarning): void;
}

export interface CachesOptions {
  readonly store: Store;
  readonly workers: WorkerPool;
  readonly openRemote: RemoteOpener;
  readonly client: RegistryClient;
  readonly cacheMounts: CacheMounts;
  readonly remoteResults: RemoteResults;
  /** Where content stores of clients are noted. */
  readonly sessions: SessionStores;
}

/** Whose caches they are, and where it is shown. */
export interface CacheBuild {
  readonly session: SessionPort;
  readonly progress: CacheProgress;
}

/** How many layers are packed and put at once while steps run. */
const placesBeside = Math.max(1, Math.floor(availableParallelism() / 2));

export class Caches {
  readonly storage: LayeredKeyStorage;
  readonly remoteResults: RemoteResults;
  readonly #o: CachesOptions;
  readonly #mounts: TravelingMounts;
  readonly #places = new Semaphore(placesBeside);

  constructor(options: CachesOptions) {
    this.#o = options;
    this.#mounts = new TravelingMounts({ ...options, refs: options.store.refs, content: options.store.content });
    const { refs, keys } = options.store;
    this.remoteResults = options.remoteResults;
    this.storage = new LayeredKeyStorage({
      base: keys,
      exists: (id) => refs.exists(id),
      keep: (id) => {
        const ref = this.remoteResults.load(id);
        if (ref === undefined) return undefined;
        refs.release(ref);
        return ref.id;
      },
    });
  }

  /** Joins the caches of `--cache-from` until the result is disposed. One that can't be read is told of, and is a miss. */
  async import(
    entries: readonly control.CacheOptionsEntry[],
    { session, progress, signal }: CacheBuild & { readonly signal: AbortSignal },
  ): Promise<Disposable> {
    const stack = new DisposableStack();
    await Promise.all(
      entries.map(async (entry, index) => {
        const step = stepOf(progress, `cache import ${index}`, `importing cache manifest from ${nameOf(entry)}`);
        try {
          const mounts = this.#importMounts(entry, session, { step, stack, signal }).catch((error: unknown) => {
            if (!signal.aborted) step.warn(`cache mounts of ${nameOf(entry)} are not used: ${messageOf(error)}`);
          });
          const [opened] = await Promise.allSettled([this.#open(entry, session, signal), mounts]);
          if (opened.status === "rejected") throw opened.reason;
          const imported = stack.use(importKeys(opened.value, this.remoteResults));
          stack.defer(this.storage.attach(imported.keys));
          const { damaged } = opened.value.cache;
          if (imported.missing > 0)
            step.warn(`${nameOf(entry)}: ${imported.missing} results are left out, their layers are not there`);
          if (damaged > 0) step.warn(`${nameOf(entry)}: ${damaged} damaged parts of the index are left out`);
          step.completed();
        } catch (error) {
          step.warn(`${nameOf(entry)} is not used: ${messageOf(error)}`);
          step.completed(signal.aborted ? error : undefined);
        }
      }),
    );
    return stack;
  }

  /** Exports the cache mounts of the build to each entry of `--cache-to` that wants them. */
  async exportMounts(
    request: control.SolveRequest,
    { session, progress }: CacheBuild,
    signal: AbortSignal,
  ): Promise<void> {
    for (const [index, entry] of (request.Cache?.Exports ?? []).entries()) {
      if (entry.Type === "inline") continue;
      const { destination, settings } = this.#destination(entry, session);
      const { ids, scopes } = settings.mounts;
      if (ids === "none") continue;
      const step = stepOf(progress, `cache mounts ${index} ${request.Ref}`, "exporting cache mounts");
      await this.#mounts.export(
        {
          destination: destination.mounts(),
          scope: scopes[0]!,
          ids: ids === "all" ? undefined : ids,
          unused: false,
          maxSizeBytes: settings.maxSizeBytes,
          maxAgeMs: settings.maxAgeMs,
          status: (line, completed) => step.status(line, { completed }),
          warn: (text) => step.warn(text),
        },
        signal,
      );
      step.completed();
    }
  }

  /** An export for each entry of `--cache-to`. @throws CACHE_ATTRIBUTE_INVALID, CACHE_UNWRITABLE. */
  exports(request: control.SolveRequest, { session, progress }: CacheBuild): CacheExport[] {
    const isLoaded = (output: number) => session.output(output)?.kind === "loader";
    const entries = (request.Cache?.Exports ?? []).filter(({ Type }) => Type !== "inline");
    const isOnlyReader = entries.length === 1 && !request.Exporters.some(({ Type }) => ofLayers.has(Type));
    return entries.map((entry, index) => {
      const { destination, settings } = this.#destination(entry, session);
      return new CacheExport({
        destination,
        settings: { ...settings, pack: packLike(request, settings, isLoaded) },
        isOnlyReader,
        places: this.#places,
        placesAfter: Math.max(1, availableParallelism() - placesBeside),
        refs: this.#o.store.refs,
        content: this.#o.store.content,
        storage: this.storage,
        remoteResults: this.remoteResults,
        openRemote: this.#o.openRemote,
        startStep: () => stepOf(progress, `cache export ${index} ${request.Ref}`, destination.name),
      });
    });
  }

  /** Makes inline caches where the request wants them. */
  inline(
    request: control.SolveRequest,
  ):
    | ((
        ids: ReadonlySet<string>,
        ref: Ref,
        blobs: readonly { readonly descriptor: Descriptor }[],
      ) => string | undefined)
    | undefined {
    if (!(request.Cache?.Exports ?? []).some(({ Type }) => Type === "inline")) return undefined;
    const { refs } = this.#o.store;
    return (ids, ref, blobs) =>
      inlineCache({
        storage: this.storage,
        refs,
        ids,
        layers: ref.layers,
        blobs: blobs.map(({ descriptor }) => descriptor.digest),
      });
  }

  /** Exports all cache mounts of this machine to a place, or fills them from one; resolves with their ids. */
  async transferMounts(
    direction: "export" | "import",
    entry: control.CacheOptionsEntry,
    options: {
      readonly scopes: readonly string[];
      readonly onWarning: (text: string) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<string[]> {
    const { scopes, onWarning: warn, signal } = options;
    if (direction === "import") {
      const source = await this.#mountSource(entry, undefined, warn, signal);
      return source === undefined ? [] : this.#mounts.restoreAll({ ...source, scopes }, signal);
    }
    const { destination, settings } = this.#destination(entry, undefined);
    const { ids } = settings.mounts;
    return this.#mounts.export(
      {
        ...settings,
        destination: destination.mounts(),
        scope: scopes[0]!,
        ids: typeof ids === "string" ? undefined : ids,
        unused: true,
        status: () => {},
        warn,
      },
      signal,
    );
  }

  async #importMounts(
    entry: control.CacheOptionsEntry,
    session: SessionPort,
    {
      step,
      stack,
      signal,
    }: { readonly step: ExportStep; readonly stack: DisposableStack; readonly signal: AbortSignal },
  ): Promise<void> {
    const source = await this.#mountSource(entry, session, (text) => step.warn(text), signal);
    if (source !== undefined) stack.defer(this.#mounts.attach(source));
  }

  async #mountSource(
    entry: control.CacheOptionsEntry,
    session: SessionPort | undefined,
    warn: (text: string) => void,
    signal: AbortSignal,
  ): Promise<MountSource | undefined> {
    const { Type: type, Attrs: attributes } = entry;
    const { ids, scopes } = readMountSettings(attributes, "all");
    if (ids === "none" || (type === "local" && session?.cacheStore !== undefined)) return undefined;
    const tag = attributes["tag"] || "latest";
    const dir = attributes["src"] ?? "";
    const found =
      type === "local"
        ? await openLocalMounts(dir, tag)
        : type === "registry"
          ? await openRegistryMounts(this.#o.client, attributes["ref"] ?? "", signal)
          : undefined;
    if (found === undefined) return undefined;
    const repository = () => referenceName(parseReference(attributes["ref"] ?? ""));
    const remote =
      type === "local" ? { kind: "layout", directory: dir } : { kind: "registry", repository: repository() };
    const mounts = ids === "all" ? found.mounts : found.mounts.filter(({ id }) => ids.has(mountName(id)));
    return { mounts, scopes, remote: JSON.stringify(remote), warn };
  }

  #open(entry: control.CacheOptionsEntry, session: SessionPort, signal: AbortSignal): Promise<OpenedCache> {
    const { Type: type, Attrs: attributes } = entry;
    switch (type) {
      case "local": {
        const digest = readDigestAttribute(attributes);
        const dir = requireAttribute(attributes, "local cache importer", "src");
        if (session.cacheStore !== undefined) {
          if (digest === undefined) throw invalid("local cache importer requires digest", "add digest=sha256:…");
          return openSessionCache(storeOf(session, dir), digest, this.#o.sessions, signal);
        }
        return openLocalCache({
          dir,
          tag: attributes["tag"] || "latest",
          ...(digest === undefined ? {} : { digest }),
        });
      }
      case "registry":
        return openRegistryCache(
          this.#o.client,
          requireAttribute(attributes, "registry cache importer", "ref"),
          signal,
        );
      default:
        throw unknownType("importer", type);
    }
  }

  #destination(
    entry: control.CacheOptionsEntry,
    session: SessionPort | undefined,
  ): { destination: CacheDestination; settings: ExportSettings } {
    const { Type: type, Attrs: attributes } = entry;
    switch (type) {
      case "local": {
        const settings = readExportSettings(type, attributes, ["dest", "tag"]);
        const dir = requireAttribute(attributes, "local cache exporter", "dest");
        if (session?.cacheStore !== undefined)
          return { destination: new SessionCacheDestination(storeOf(session, dir)), settings };
        const destination = new LocalCacheDestination({
          dir,
          tag: attributes["tag"] || "latest",
          reset: settings.reset,
          workers: this.#o.workers,
          isDamaged: (digest) => this.remoteResults.isLost(digest),
        });
        return { destination, settings };
      }
      case "registry": {
        const settings = readExportSettings(type, attributes, ["ref", "registry.insecure"]);
        const ref = requireAttribute(attributes, "registry cache exporter", "ref");
        const { client } = this.#o;
        return { destination: new RegistryCacheDestination({ client, ref, reset: settings.reset }), settings };
      }
      default:
        throw unknownType("exporter", type);
    }
  }
}

/** One blob serves image and cache: the cache's compression is that of the outputs, where it is not given and they have one. */
function packLike(
  request: control.SolveRequest,
  { pack, compressionChosen }: ExportSettings,
  isLoaded: (output: number) => boolean,
): ExportSettings["pack"] {
  if (compressionChosen) return pack;
  // What goes into an engine goes there as plain tars.
  const packed = request.Exporters.find(
    ({ Type, Attrs }, at) =>
      (["oci", "docker", "registry"].includes(Type) || (Type === "image" && Attrs["push"] === "true")) && !isLoaded(at),
  );
  const chosen = request.Exporters.find(({ Attrs }) => Attrs["compression"] !== undefined) ?? packed;
  // The fastest level: packing goes on beside steps that want the processors too.
  if (chosen === undefined) return { ...pack, compression: "zstd", level: 1 };
  const named = chosen.Attrs["compression"];
  if (named === "zstd") return { ...pack, compression: "zstd" };
  return named === "uncompressed" ? { ...pack, compression: "none" } : { ...pack, compression: "gzip" };
}

function stepOf(progress: CacheProgress, id: string, name: string): ExportStep {
  const step = progress.internal(digestOf(id), name);
  return {
    status: (line, update) => step.status(line, update),
    log: (text) => progress.log(step.digest, 1, Buffer.from(text)),
    warn: (text) => progress.warn(step.digest, { level: 1, short: text, detail: [], url: "" }),
    completed: (error) => step.completed(error),
  };
}

function storeOf(session: SessionPort, dir: string): SessionBlobs {
  const store = session.cacheStore?.(dir);
  if (store !== undefined) return store;
  throw invalid(`the client offers no folder ${dir} for caches`, "its session must serve the folder's content");
}

function nameOf({ Type, Attrs }: control.CacheOptionsEntry): string {
  if (Type === "registry") return Attrs["ref"] ?? "";
  return `${Type}:${Attrs["src"] ?? ""}`;
}

function unknownType(what: string, type: string): Error {
  return invalid(`unknown cache ${what}: ${JSON.stringify(type)}`, "known types are inline, local and registry");
}
