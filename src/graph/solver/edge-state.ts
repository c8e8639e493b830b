// How one output of a vertex is found or made. The order is what makes a cache cheap:
//   1. by definition: keys of the inputs' definitions lead to a record, and nothing below is touched;
//   2. inputs that led nowhere are probed, and made where they are missing; the keys of their results and, where the op allows
//      it, the digest of the content that it reads are tried;
//   3. the content of inputs that did match by definition is tried as well;
//   4. what is left is executed, with all inputs made at once.
// Each step's answer is a promise made once. Counterpart: moby/buildkit solver/edge.go.

import type { CacheManager, FoundRecord, InputKeys, KeyOwner } from "./cache-manager.ts";
import { contentKeyId, rootKeyId } from "./key-storage.ts";
import type { CacheMap, Edge } from "./types.ts";
import type { EdgeResult, VertexState } from "./vertex-state.ts";

/** What an edge needs of the solver. */
export interface EdgeHost<R> {
  readonly cache: CacheManager<R>;
  edgeState(edge: Edge): EdgeState<R>;
  /** Runs the vertex, once for all of its outputs. */
  execute(state: VertexState<R>): Promise<readonly EdgeResult<R>[]>;
  /** Tells that the ancestors of a hit are not needed. */
  skipAncestors(state: VertexState<R>): void;
  /** Tells that a result came from the cache. */
  loaded(state: VertexState<R>, result: EdgeResult<R>): void;
}

export class EdgeState<R> {
  readonly #host: EdgeHost<R>;
  readonly #state: VertexState<R>;
  readonly #index: number;
  #definitionIds: Promise<ReadonlySet<string>> | undefined;
  #probe: Promise<FoundRecord | undefined> | undefined;
  #result: Promise<EdgeResult<R>> | undefined;
  #inputKeys: Promise<InputKeys[]> | undefined;
  #settled: EdgeResult<R> | undefined;
  readonly #madeInputs = new Map<number, Promise<InputKeys>>();

  constructor(host: EdgeHost<R>, state: VertexState<R>, index: number) {
    this.#host = host;
    this.#state = state;
    this.#index = index;
  }

  /** Keys that the definition alone leads to; empty where none was ever recorded, or where the cache must not be used. */
  definitionIds(): Promise<ReadonlySet<string>> {
    this.#definitionIds ??= this.#state.track(async () => {
      const map = await this.#state.cacheMap();
      if (this.#state.vertex.inputs.length === 0) return rootIds(map, this.#index);
      if (this.#state.vertex.options.ignoreCache) return new Set<string>();
      return this.#host.cache.query(this.#owner(map), await this.#definitionKeys(map));
    });
    return this.#definitionIds;
  }

  /** A record that stands for this edge, found without executing its vertex; inputs may be executed to find it. */
  probe(): Promise<FoundRecord | undefined> {
    this.#probe ??= this.#state.track(() => this.#find());
    return this.#probe;
  }

  /** The result, if there is one by now. */
  get settled(): EdgeResult<R> | undefined {
    return this.#settled;
  }

  /** The edge's result: loaded from the cache, or made. */
  result(): Promise<EdgeResult<R>> {
    this.#result ??= this.#state.track(async () => (this.#settled = await this.#resolve()));
    return this.#result;
  }

  async #resolve(): Promise<EdgeResult<R>> {
    const found = await this.probe();
    const loaded = found === undefined ? undefined : await this.load(found);
    if (loaded !== undefined) return loaded;
    const outputs = await this.#host.execute(this.#state);
    const output = outputs[this.#index];
    if (output === undefined) throw new Error(`vertex ${this.#state.vertex.name} has no output ${this.#index}`);
    return output;
  }

  /** A record's result, or undefined when it is gone. */
  async load(found: FoundRecord): Promise<EdgeResult<R> | undefined> {
    const result = await this.#host.cache.results.load(found.result.id);
    if (result === undefined) return undefined;
    this.#state.own(result);
    this.#host.cache.storage.used?.(found.keyId, found.result.id);
    this.#state.tell({ kind: "cached", vertex: this.#state.vertex });
    this.#host.skipAncestors(this.#state);
    const loaded = { result, ids: new Set([found.keyId]), cached: true };
    this.#host.loaded(this.#state, loaded);
    return loaded;
  }

  /** What is known of every input once all of them are made: what a new result is recorded under. */
  inputKeys(): Promise<InputKeys[]> {
    this.#inputKeys ??= this.#state.track(async () => {
      const map = await this.#state.cacheMap();
      return Promise.all(this.#state.vertex.inputs.map((_, index) => this.#madeInput(map, index)));
    });
    return this.#inputKeys;
  }

  async #find(): Promise<FoundRecord | undefined> {
    const { cache } = this.#host;
    const { vertex } = this.#state;
    const map = await this.#state.cacheMap();
    if (vertex.options.ignoreCache) return undefined;
    if (vertex.inputs.length === 0) return cache.newestRecord(rootIds(map, this.#index));

    const owner = this.#owner(map);
    const keys = await this.#definitionKeys(map);
    const attempt = () => {
      const record = cache.newestRecord(cache.query(owner, keys));
      if (record !== undefined) cache.connect(owner, keys, record.keyId);
      return record;
    };
    const byDefinition = attempt();
    if (byDefinition !== undefined) return byDefinition;

    let unmatched = keys.map((input, index) => cache.targetsOfInput(owner, index, input).size === 0);
    if (!unmatched.includes(true)) unmatched = keys.map(() => true);
    await this.#refine(map, keys, (index) => unmatched[index] === true, "missing");
    const byInputs = attempt();
    if (byInputs !== undefined) return byInputs;
    if (
      keys.some((input, index) => cache.targetsOfInput(owner, index, input).size === 0 && !canRefine(map, input, index))
    ) {
      return undefined;
    }
    await this.#refine(map, keys, () => true, "content");
    return attempt();
  }

  /** Learns more of the chosen inputs, all at once: the keys of their records or results, and their content where allowed. */
  async #refine(
    map: CacheMap<R>,
    keys: InputKeys[],
    chosen: (index: number) => boolean,
    depth: "missing" | "content",
  ): Promise<void> {
    const refineOne = async (input: InputKeys, index: number) => {
      const edge = this.#host.edgeState(this.#state.vertex.inputs[index]!);
      const found = await edge.probe();
      if (found === undefined || depth === "content") {
        keys[index] = await this.#madeInput(map, index);
      } else {
        keys[index] = { ...input, ids: new Set([...input.ids, found.keyId]) };
      }
    };
    await Promise.all(keys.map((input, index) => (chosen(index) ? refineOne(input, index) : Promise.resolve())));
  }

  /** Reading an input's content takes long: who looks for a record and who makes one ask once. */
  #madeInput(map: CacheMap<R>, index: number): Promise<InputKeys> {
    let made = this.#madeInputs.get(index);
    if (made === undefined) {
      made = this.#lookAtInput(map, index);
      this.#madeInputs.set(index, made);
      made.catch(() => this.#madeInputs.delete(index));
    }
    return made;
  }

  async #lookAtInput(map: CacheMap<R>, index: number): Promise<InputKeys> {
    const edge = this.#host.edgeState(this.#state.vertex.inputs[index]!);
    const made = await edge.result();
    const dep = map.deps[index];
    const definition = made.cached ? await edge.definitionIds() : new Set<string>();
    const known: InputKeys = {
      ids: definition.has([...made.ids][0] ?? "") ? definition : made.ids,
      selector: dep?.selector ?? "",
    };
    if (dep?.contentDigest === undefined) return known;
    try {
      const [digest, older] = await Promise.all([
        dep.contentDigest(made.result, this.#state.context),
        dep.olderContentDigest?.(made.result, this.#state.context),
      ]);
      return {
        ...known,
        contentId: contentKeyId(digest),
        ...(older === undefined ? {} : { olderContentId: contentKeyId(older) }),
      };
    } catch (error) {
      throw this.#state.blame(error);
    }
  }

  async #definitionKeys(map: CacheMap<R>): Promise<InputKeys[]> {
    return Promise.all(
      this.#state.vertex.inputs.map(async (input, index) => ({
        ids: await this.#host.edgeState(input).definitionIds(),
        selector: map.deps[index]?.selector ?? "",
      })),
    );
  }

  #owner(map: CacheMap<R>): KeyOwner {
    return { digest: map.digest, output: this.#index };
  }
}

/** Key ids of an output of an op without inputs; none where its digest holds for this session only. */
export function rootIds<R>(map: CacheMap<R>, index: number): Set<string> {
  if (map.persistent === false) return new Set();
  return new Set([map.digest, ...(map.alternates ?? [])].map((digest) => rootKeyId(digest, index)));
}

function canRefine<R>(map: CacheMap<R>, input: InputKeys, index: number): boolean {
  return input.contentId === undefined && map.deps[index]?.contentDigest !== undefined;
}
