// The cache config: which records a cache has, what each was made from, and the layers of its results. Read from hostile bytes: what is
// damaged is left out and counted, never an error of the build; written as BuildKit writes it, byte for byte for the same content.
// Spec: moby/buildkit cache/remotecache/v1/types (application/vnd.buildkit.cacheconfig.v0).

import { isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { goJson } from "../../formats/oci/index.ts";

export const CACHE_CONFIG_TYPE = "application/vnd.buildkit.cacheconfig.v0";

/** BuildKit refuses larger configs; ours are kept below it. In bytes. */
export const MAX_CACHE_CONFIG_BYTES = 1 << 20;

/** A blob on top of another layer; `parent` is an index, or -1. */
export interface CacheLayer {
  readonly blob: Digest;
  readonly parent: number;
}

export interface CacheInput {
  /** Empty string for none. */
  readonly selector: string;
  /** Index of the record that the input is. */
  readonly link: number;
}

export interface CacheResultEntry {
  /** Indexes of layers, bottom first; not looked at when writing a result that has a `top`. */
  readonly chain: readonly number[];
  /** The result is this layer with all its parents. */
  readonly top?: number;
  readonly createdAtMs: number;
}

export interface CacheRecord {
  /** Digest of the op and its output. */
  readonly digest: Digest;
  /** For each input the records that it may be. */
  readonly inputs: readonly (readonly CacheInput[])[];
  readonly results: readonly CacheResultEntry[];
}

export interface CacheConfig {
  readonly layers: readonly CacheLayer[];
  readonly records: readonly CacheRecord[];
}

export interface ParsedCacheConfig {
  readonly config: CacheConfig;
  /** How many layers, records, results and links were damaged and left out or emptied. */
  readonly damaged: number;
}

const MAX_ENTRIES = 200_000;
const MAX_CHAIN = 1000;

/** Reads a config; undefined when the bytes are no config at all. */
export function parseCacheConfig(bytes: Uint8Array): ParsedCacheConfig | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
  return isObject(value) ? readCacheConfig(value) : undefined;
}

/** Reads a config that was parsed from JSON. */
export function readCacheConfig(value: Readonly<Record<string, unknown>>): ParsedCacheConfig | undefined {
  const layerList = listOf(value["layers"]);
  const recordList = listOf(value["records"]);
  if (layerList === undefined || recordList === undefined) return undefined;
  const reader = new ConfigReader(layerList, recordList.length);
  return {
    config: { layers: reader.layers, records: recordList.map((each) => reader.record(each)) },
    get damaged() {
      return reader.damaged;
    },
  };
}

/** The config's JSON, layers and records in BuildKit's order. */
export function encodeCacheConfig(config: CacheConfig): Uint8Array {
  const { layers, records } = sortConfig(config);
  return Buffer.from(
    goJson({
      layers: nonEmpty(layers.map(({ blob, parent }) => ({ blob, parent: parent === 0 ? undefined : parent }))),
      records: nonEmpty(records.map(recordJson)),
    }),
  );
}

/** The records alone, as an image's config has them for an inline cache. */
export function encodeCacheRecords(records: readonly CacheRecord[]): string {
  return goJson(records.map(recordJson));
}

function recordJson({ digest, inputs, results }: CacheRecord): Record<string, unknown> {
  const times = (each: CacheResultEntry) => new Date(each.createdAtMs).toISOString().replace(/\.?0*Z$/, "Z");
  const single = results.filter(({ top }) => top !== undefined);
  const chains = results.filter(({ top }) => top === undefined);
  return {
    layers: nonEmpty(single.map((each) => ({ layer: each.top, createdAt: times(each) }))),
    chains: nonEmpty(chains.map((each) => ({ layers: each.chain, createdAt: times(each) }))),
    digest,
    inputs: nonEmpty(
      inputs.map((list) =>
        list.map(({ selector, link }) => ({ selector: selector === "" ? undefined : selector, link })),
      ),
    ),
  };
}

class ConfigReader {
  damaged = 0;
  readonly layers: CacheLayer[];
  readonly #recordCount: number;
  readonly #usable: readonly boolean[];
  readonly #chains = new Map<number, readonly number[] | undefined>();

  constructor(layers: readonly unknown[], recordCount: number) {
    this.#recordCount = recordCount;
    const usable: boolean[] = [];
    this.layers = layers.map((each, at) => {
      const { blob, parent = 0 } = isObject(each) ? each : {};
      const isFine = typeof blob === "string" && isDigest(blob) && isIndex(parent, layers.length, -1);
      usable[at] = isFine;
      if (!isFine) this.damaged++;
      return isFine ? { blob, parent } : { blob: `sha256:${"0".repeat(64)}` as Digest, parent: -1 };
    });
    this.#usable = usable;
  }

  record(value: unknown): CacheRecord {
    const { digest, inputs, layers, chains } = isObject(value) ? value : {};
    if (typeof digest !== "string" || !isDigest(digest)) return this.#broken();
    const readInputs: CacheInput[][] = [];
    for (const each of listOf(inputs) ?? []) {
      const alternatives = (listOf(each) ?? []).flatMap((input) => this.#input(input) ?? []);
      // An input without any record can't be followed: nothing would ever match it.
      if (alternatives.length === 0) return this.#broken();
      readInputs.push(alternatives);
    }
    const results = [
      ...(listOf(layers) ?? []).map((each) => this.#result(each, (index) => this.#chainOf(index))),
      ...(listOf(chains) ?? []).map((each) => this.#result(each, () => undefined)),
    ].filter((each) => each !== undefined);
    return { digest, inputs: readInputs, results };
  }

  #input(value: unknown): CacheInput | undefined {
    const { link, selector = "" } = isObject(value) ? value : {};
    if (isIndex(link, this.#recordCount) && typeof selector === "string") return { selector, link };
    this.damaged++;
    return undefined;
  }

  #result(value: unknown, chainOf: (layer: number) => readonly number[] | undefined): CacheResultEntry | undefined {
    const { layer, layers, createdAt } = isObject(value) ? value : {};
    const listed = listOf(layers);
    const chain =
      typeof layer === "number"
        ? isIndex(layer, this.layers.length)
          ? chainOf(layer)
          : undefined
        : listed?.every((each) => isIndex(each, this.layers.length)) && listed.length > 0 && listed.length <= MAX_CHAIN
          ? (listed as number[])
          : undefined;
    const createdAtMs = typeof createdAt === "string" ? Date.parse(createdAt) : 0;
    if (chain === undefined || Number.isNaN(createdAtMs) || !chain.every((at) => this.#usable[at])) {
      this.damaged++;
      return undefined;
    }
    return { chain, createdAtMs, ...(typeof layer === "number" ? { top: layer } : {}) };
  }

  /** A layer and all below it, bottom first; undefined where they loop. */
  #chainOf(layer: number): readonly number[] | undefined {
    if (this.#chains.has(layer)) return this.#chains.get(layer);
    const chain: number[] = [];
    for (let at = layer; at !== -1; at = this.layers[at]!.parent) {
      chain.unshift(at);
      if (chain.length > MAX_CHAIN) {
        this.#chains.set(layer, undefined);
        return undefined;
      }
    }
    this.#chains.set(layer, chain);
    return chain;
  }

  /** Stands for a record that can't be read, so that the indexes of others hold; nothing ever matches it. */
  #broken(): CacheRecord {
    this.damaged++;
    return { digest: `sha256:${"0".repeat(64)}` as Digest, inputs: [], results: [] };
  }
}

/** Counterpart: moby/buildkit cache/remotecache/v1/utils.go sortConfig. */
function sortConfig({ layers, records }: CacheConfig): CacheConfig {
  const layerOrder = [...layers.keys()].sort(
    (a, b) => compare(layers[a]!.blob, layers[b]!.blob) || layers[a]!.parent - layers[b]!.parent,
  );
  const newLayer = inverse(layerOrder);
  const recordOrder = [...records.keys()].sort((a, b) => compareRecords(records, a, b));
  const newRecord = inverse(recordOrder);
  return {
    layers: layerOrder.map((at) => {
      const { blob, parent } = layers[at]!;
      return { blob, parent: parent === -1 ? -1 : newLayer[parent]! };
    }),
    records: recordOrder.map((at) => {
      const { digest, inputs, results } = records[at]!;
      return {
        digest,
        inputs: inputs.map((list) =>
          list.map(({ selector, link }) => ({ selector, link: newRecord[link]! })).sort((a, b) => a.link - b.link),
        ),
        results: results.map(({ chain, top, createdAtMs }) => ({
          chain: chain.map((each) => newLayer[each]!),
          createdAtMs,
          ...(top === undefined ? {} : { top: newLayer[top]! }),
        })),
      };
    }),
  };
}

function compareRecords(records: readonly CacheRecord[], a: number, b: number): number {
  const left = records[a]!;
  const right = records[b]!;
  const byShape = compare(left.digest, right.digest) || left.inputs.length - right.inputs.length;
  if (byShape !== 0) return byShape;
  for (const [at, list] of left.inputs.entries()) {
    const other = right.inputs[at]!;
    if (list.length !== other.length) return list.length - other.length;
    for (const [index, input] of list.entries()) {
      const order =
        compare(input.selector, other[index]!.selector) ||
        compare(records[input.link]!.digest, records[other[index]!.link]!.digest);
      if (order !== 0) return order;
    }
  }
  return 0;
}

function inverse(order: readonly number[]): number[] {
  const places: number[] = [];
  for (const [at, old] of order.entries()) places[old] = at;
  return places;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

/** A list; an absent one is empty; undefined when it is something else or too long. */
function listOf(value: unknown): readonly unknown[] | undefined {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) && value.length <= MAX_ENTRIES ? (value as unknown[]) : undefined;
}

function isIndex(value: unknown, length: number, lowest = 0): value is number {
  return Number.isInteger(value) && (value as number) >= lowest && (value as number) < length;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
