// The store's own cache keys with those of imported caches on top, as one graph: ids and digests mean the same in both, so a build
// goes from a record made here to one made elsewhere and back. Imported keys live as long as a build uses them; a record that is
// used becomes the store's own, with all that leads to it. Nothing else is ever written to the store.
// Counterpart: moby/buildkit solver/combinedcache.go.

import type { MemoryKeyStorage } from "../../graph/solver/index.ts";
import type { CacheKeyStorage, CacheLink, CacheResult } from "../../graph/solver/index.ts";

export interface LayeredKeyStorageOptions {
  readonly base: CacheKeyStorage;
  /** Whether a result of the base can be used. */
  readonly exists: (resultId: string) => boolean;
  /** Makes an imported result one of the base's; undefined when it is gone. */
  readonly keep: (resultId: string) => string | undefined;
}

export class LayeredKeyStorage implements CacheKeyStorage {
  readonly #o: LayeredKeyStorageOptions;
  readonly #imports = new Set<MemoryKeyStorage>();

  constructor(options: LayeredKeyStorageOptions) {
    this.#o = options;
  }

  /** Looks into `imported` too, until the returned function is called. */
  attach(imported: MemoryKeyStorage): () => void {
    this.#imports.add(imported);
    return () => void this.#imports.delete(imported);
  }

  targets(id: string, link: CacheLink): string[] {
    const own = this.#o.base.targets(id, link);
    if (this.#imports.size === 0) return own;
    return [...new Set([...own, ...[...this.#imports].flatMap((each) => each.targets(id, link))])];
  }

  addLink(id: string, link: CacheLink, target: string): void {
    this.#o.base.addLink(id, link, target);
  }

  backlinks(target: string): { readonly id: string; readonly link: CacheLink }[] {
    const own = this.#o.base.backlinks(target);
    return this.#imports.size === 0 ? own : [...own, ...[...this.#imports].flatMap((each) => each.backlinks(target))];
  }

  /** What is here comes before what would have to be fetched, however new. */
  results(id: string): CacheResult[] {
    const own = this.#o.base.results(id);
    if (this.#imports.size === 0 || own.some((each) => this.#o.exists(each.id))) return own;
    const imported = [...this.#imports].flatMap((each) => each.results(id));
    return [...own, ...imported].sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  addResult(id: string, result: CacheResult): void {
    this.#o.base.addResult(id, result);
  }

  removeResult(resultId: string): void {
    this.#o.base.removeResult(resultId);
    for (const each of this.#imports) each.removeResult(resultId);
  }

  supersede(id: string): void {
    this.#o.base.supersede(id);
    for (const each of this.#imports) each.supersede(id);
  }

  transaction<T>(work: () => T): T {
    return this.#o.base.transaction(work);
  }

  /** Called for a record that a build uses: an imported one is written to the base, and all that leads to it. */
  used(keyId: string, resultId: string): void {
    if (![...this.#imports].some((each) => each.results(keyId).some(({ id }) => id === resultId))) return;
    const { base, keep } = this.#o;
    base.transaction(() => {
      const stack = [keyId];
      const seen = new Set<string>();
      for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
        if (seen.has(id)) continue;
        seen.add(id);
        for (const each of this.#imports) {
          for (const { id: from, link } of each.backlinks(id)) {
            base.addLink(from, link, id);
            stack.push(from);
          }
          for (const { id: result, createdAtMs } of each.results(id)) {
            const kept = keep(result);
            if (kept !== undefined) base.addResult(id, { id: kept, createdAtMs });
          }
        }
      }
    });
  }
}
