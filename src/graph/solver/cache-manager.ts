// Finds and records results by cache keys. An edge is known by a set of key ids: one from its definition, more where its inputs'
// content led to an older key. Counterpart: moby/buildkit solver/cachemanager.go.

import { digestOf } from "../../base/index.ts";
import { rootKeyId } from "./key-storage.ts";
import type { CacheKeyStorage, CacheLink, CacheResult } from "./key-storage.ts";
import type { ResultStore } from "./types.ts";

/** What is known of one input of an edge: its own keys, and the key of the content read from it. */
export interface InputKeys {
  /** Key ids of the input edge, from its definition or its result. */
  readonly ids: ReadonlySet<string>;
  /** Empty string for none. Goes with `ids`, never with `contentId`. */
  readonly selector: string;
  readonly contentId?: string;
  /** A second key of the same content, as older builders have it. */
  readonly olderContentId?: string;
}

/** An edge whose keys are looked up: the digest of its op and which output it is. */
export interface KeyOwner {
  readonly digest: string;
  readonly output: number;
}

export interface FoundRecord {
  readonly keyId: string;
  readonly result: CacheResult;
}

export class CacheManager<R> {
  readonly storage: CacheKeyStorage;
  readonly results: ResultStore<R>;

  constructor(storage: CacheKeyStorage, results: ResultStore<R>) {
    this.storage = storage;
    this.results = results;
  }

  /** Keys that input `index` alone leads to. */
  targetsOfInput(owner: KeyOwner, index: number, input: InputKeys): Set<string> {
    const found = new Set<string>();
    for (const [id, link] of linksOf(owner, index, input)) {
      for (const target of this.storage.targets(id, link)) found.add(target);
    }
    return found;
  }

  /** Keys that every input leads to. */
  query(owner: KeyOwner, inputs: readonly InputKeys[]): Set<string> {
    let common: Set<string> | undefined;
    for (const [index, input] of inputs.entries()) {
      const targets = this.targetsOfInput(owner, index, input);
      common = common === undefined ? targets : common.intersection(targets);
      if (common.size === 0) break;
    }
    return common ?? new Set();
  }

  /** The newest record of any of `ids` whose result still exists; records without one are forgotten on the way. */
  newestRecord(ids: Iterable<string>): FoundRecord | undefined {
    let newest: FoundRecord | undefined;
    for (const keyId of ids) {
      for (const result of this.storage.results(keyId)) {
        if (!this.results.exists(result.id)) this.storage.removeResult(result.id);
        else if (newest === undefined || result.createdAtMs > newest.result.createdAtMs) newest = { keyId, result };
      }
    }
    return newest;
  }

  /** Lets every known key of every input lead to `keyId`, so that the next build finds it by definition alone. */
  connect(owner: KeyOwner, inputs: readonly InputKeys[], keyId: string): void {
    const missing: [string, CacheLink][] = [];
    for (const [index, input] of inputs.entries()) {
      for (const [id, link] of linksOf(owner, index, input)) {
        if (!this.storage.targets(id, link).includes(keyId)) missing.push([id, link]);
      }
    }
    if (missing.length === 0) return;
    this.storage.transaction(() => {
      for (const [id, link] of missing) this.storage.addLink(id, link, keyId);
    });
  }

  /**
   * Records `result` and returns the id of its key. `fresh` supersedes what was recorded before: nothing that was built on the
   * older result is found through this key.
   */
  record(owner: KeyOwner, inputs: readonly InputKeys[], result: R, options: { fresh: boolean; nowMs: number }): string {
    return this.storage.transaction(() => {
      const older = this.query(owner, inputs);
      const keyId = this.#keyFor(owner, inputs, older, options);
      if (options.fresh) for (const id of older) this.storage.supersede(id);
      const id = this.results.save(result);
      this.storage.addResult(keyId, { id, createdAtMs: options.nowMs });
      for (const [index, input] of inputs.entries()) {
        for (const [from, link] of linksOf(owner, index, input)) this.storage.addLink(from, link, keyId);
      }
      return keyId;
    });
  }

  #keyFor(
    owner: KeyOwner,
    inputs: readonly InputKeys[],
    older: ReadonlySet<string>,
    options: { fresh: boolean; nowMs: number },
  ): string {
    if (options.fresh) return digestOf(`${workKey(owner, inputs)} ${options.nowMs} ${Math.random()}`);
    const [first] = [...older].sort();
    return first ?? workKey(owner, inputs);
  }
}

/** Names a piece of work by what it reads: equal keys may share one execution. */
export function workKey(owner: KeyOwner, inputs: readonly InputKeys[]): string {
  const read = inputs.map((input) =>
    input.contentId === undefined ? [[...input.ids].sort()[0] ?? "", input.selector] : [input.contentId],
  );
  return digestOf(JSON.stringify([owner.digest, owner.output, read]));
}

function* linksOf(owner: KeyOwner, index: number, input: InputKeys): Generator<[string, CacheLink]> {
  const base = { input: index, digest: rootKeyId(owner.digest, owner.output) };
  for (const id of input.ids) yield [id, { ...base, selector: input.selector }];
  for (const id of [input.contentId, input.olderContentId]) {
    if (id !== undefined) yield [id, { ...base, selector: "" }];
  }
}
