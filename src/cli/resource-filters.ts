// `--filter` of lists of networks and volumes: several of one name are alternatives, different names must all hold.
// Counterpart: moby/moby api/types/filters.

/** Values by name, in docker's spelling of what it refuses. */
export class ResourceFilters {
  readonly #values = new Map<string, string[]>();

  /** @throws Error for what is not `name=value`, and for names that are not among `known`. */
  constructor(texts: readonly string[], known: readonly string[]) {
    for (const text of texts) {
      const at = text.indexOf("=");
      if (at < 0) throw new Error(`bad format of filter (expected name=value)`);
      // `label!=x` has its mark before the sign.
      const name = text.slice(0, at).trim().toLowerCase();
      if (!known.includes(name)) throw new Error(`invalid filter '${name}'`);
      this.#values.set(name, [...this.values(name), text.slice(at + 1).trim()]);
    }
  }

  values(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Whether one of the values fits, or none is given. */
  some(name: string, fits: (value: string) => boolean): boolean {
    const values = this.values(name);
    return values.length === 0 || values.some(fits);
  }

  /** `label=k`, `label=k=v`: all must be there; `label!=…`: none may. */
  labels(labels: Readonly<Record<string, string>>): boolean {
    const has = (text: string): boolean => {
      const at = text.indexOf("=");
      const key = at < 0 ? text : text.slice(0, at);
      return Object.hasOwn(labels, key) && (at < 0 || labels[key] === text.slice(at + 1));
    };
    return this.values("label").every(has) && !this.values("label!").some(has);
  }

  /** `dangling=true|1`, `dangling=false|0`; undefined when it is not given. @throws Error for anything else. */
  bool(name: string): boolean | undefined {
    const value = this.values(name).at(-1);
    if (value === undefined) return undefined;
    if (/^(1|true)$/i.test(value)) return true;
    if (/^(0|false)$/i.test(value)) return false;
    throw new Error(`invalid filter '${name}=[${value}]'`);
  }

  /** Of `until=24h`, `until=2026-01-02T…`, `until=1700000000`: the newest time that still counts, in ms. */
  untilMs(nowMs: number, parseDuration: (text: string) => number): number | undefined {
    const value = this.values("until").at(-1);
    if (value === undefined) return undefined;
    if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
    const date = /^\d{4}-/.test(value) ? Date.parse(value) : Number.NaN;
    return Number.isNaN(date) ? nowMs - parseDuration(value) : date;
  }
}

/** `k=v` and bare `k` of `--label`, and the like. */
export function keyValues(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
