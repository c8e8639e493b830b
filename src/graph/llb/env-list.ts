// Ordered environment variables, immutable. A redefined name moves to the end, as BuildKit has it. Versions share one map:
// the newest version owns it, and an older one rebuilds its own when asked again, so a chain of N additions costs N.
// Counterpart: moby/buildkit client/llb EnvList.

/** An immutable ordered list of variables. */
export class EnvList {
  readonly #parent: EnvList | undefined;
  readonly #change: { readonly key: string; readonly value: string | undefined } | undefined;
  #map: Map<string, string> | undefined;

  private constructor(parent: EnvList | undefined, change: { key: string; value: string | undefined } | undefined) {
    this.#parent = parent;
    this.#change = change;
    if (parent === undefined) this.#map = new Map();
  }

  static readonly empty: EnvList = new EnvList(undefined, undefined);

  /** Sets a variable; one that exists moves to the end. */
  set(key: string, value: string): EnvList {
    return new EnvList(this, { key, value });
  }

  delete(key: string): EnvList {
    return new EnvList(this, { key, value: undefined });
  }

  get(key: string): string | undefined {
    return this.#values().get(key);
  }

  has(key: string): boolean {
    return this.#values().has(key);
  }

  keys(): string[] {
    return Array.from(this.#values().keys());
  }

  /** `KEY=value` texts in order. */
  toArray(): string[] {
    return Array.from(this.#values(), ([key, value]) => `${key}=${value}`);
  }

  #values(): Map<string, string> {
    if (this.#map !== undefined) return this.#map;
    const pending: EnvList[] = [this];
    let from = this.#parent!;
    while (from.#map === undefined) {
      pending.push(from);
      from = from.#parent!;
    }
    const map = from.#parent === undefined ? new Map(from.#map) : from.#map;
    if (from.#parent !== undefined) from.#map = undefined;
    for (const version of pending.toReversed()) {
      const { key, value } = version.#change!;
      map.delete(key);
      if (value !== undefined) map.set(key, value);
    }
    this.#map = map;
    return map;
  }
}
