// Where cache keys live. A key is an id; a link says: the op output `digest`, reading key `id` as its input `input` through
// `selector`, gives the key `target`. Results hang on keys. The graph is acyclic by construction: every target's id is derived from
// its inputs' ids. Digests of outputs and ids of roots are the ones that exchanged caches have, so that imported records and our own
// make one graph. Counterpart: moby/buildkit solver/cachestorage.go.

import { digestOf } from "../../base/index.ts";

export interface CacheLink {
  readonly input: number;
  /** What {@link rootKeyId} gives for the op's digest and the output. */
  readonly digest: string;
  /** Empty string for none. */
  readonly selector: string;
}

export interface CacheResult {
  readonly id: string;
  readonly createdAtMs: number;
}

/** Persistence of cache keys. Synchronous: one call is one indexed look-up. Several processes may share one storage. */
export interface CacheKeyStorage {
  /** Keys that `link` leads to from key `id`. */
  targets(id: string, link: CacheLink): string[];
  /** Adding a link twice is no error. */
  addLink(id: string, link: CacheLink, target: string): void;
  /** Links that lead to `target`, with the key that each starts from. */
  backlinks(target: string): { readonly id: string; readonly link: CacheLink }[];
  /** Results of a key, newest first. */
  results(id: string): CacheResult[];
  /** Replaces the time when the key has that result already. */
  addResult(id: string, result: CacheResult): void;
  /** Forgets a result on every key. */
  removeResult(resultId: string): void;
  /** Forgets a key's results and the links that lead to it, so that nothing finds it any more. */
  supersede(id: string): void;
  /** Told of each record whose result a build takes; for storages that keep what is used apart. */
  used?(id: string, resultId: string): void;
  /** Makes the writes of `work` visible at once, or not at all when it throws. */
  transaction<T>(work: () => T): T;
}

/** Digest of one output of an op: the id of a key without inputs, and the digest in links. Counterpart: solver.rootKey. */
export function rootKeyId(digest: string, output: number): string {
  return digestOf(`${digest}@${output}`);
}

/** Id of the key that stands for content read from an input. */
export function contentKeyId(digest: string): string {
  return rootKeyId(digest, -1);
}

/** A storage that lives as long as the process. */
export class MemoryKeyStorage implements CacheKeyStorage {
  readonly #links = new Map<string, Map<string, Set<string>>>();
  readonly #backlinks = new Map<string, Map<string, { id: string; link: CacheLink }>>();
  readonly #results = new Map<string, Map<string, CacheResult>>();

  targets(id: string, link: CacheLink): string[] {
    return [...(this.#links.get(id)?.get(linkText(link)) ?? [])];
  }

  addLink(id: string, link: CacheLink, target: string): void {
    const text = linkText(link);
    const links = getOrMake(this.#links, id, () => new Map<string, Set<string>>());
    getOrMake(links, text, () => new Set<string>()).add(target);
    getOrMake(this.#backlinks, target, () => new Map()).set(`${id} ${text}`, { id, link });
  }

  backlinks(target: string): { readonly id: string; readonly link: CacheLink }[] {
    return [...(this.#backlinks.get(target)?.values() ?? [])];
  }

  results(id: string): CacheResult[] {
    return [...(this.#results.get(id)?.values() ?? [])].sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  addResult(id: string, result: CacheResult): void {
    getOrMake(this.#results, id, () => new Map<string, CacheResult>()).set(result.id, result);
  }

  removeResult(resultId: string): void {
    for (const results of this.#results.values()) results.delete(resultId);
  }

  supersede(id: string): void {
    this.#results.delete(id);
    for (const { id: from, link } of this.backlinks(id)) this.#links.get(from)?.get(linkText(link))?.delete(id);
    this.#backlinks.delete(id);
  }

  transaction<T>(work: () => T): T {
    return work();
  }
}

function linkText(link: CacheLink): string {
  return `${link.input} ${link.digest} ${link.selector}`;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
