// Rules that hold for certain places in a compose file: a place is a list of keys, `*` in a rule stands for any one of them.
// Counterpart: compose-go tree/path.go.

export type Path = readonly string[];

/** A path as errors show it. */
export function pathText(path: Path): string {
  return path.join(".");
}

export function matchesPath(path: Path, pattern: Path): boolean {
  return path.length === pattern.length && pattern.every((part, at) => part === "*" || part === path[at]);
}

/** Finds what is said for a place. Made from texts like `services.*.build.args`. */
export class PathRules<T> {
  readonly #byLength = new Map<number, { pattern: Path; rule: T }[]>();

  constructor(rules: Readonly<Record<string, T>>) {
    for (const [text, rule] of Object.entries(rules)) {
      const pattern = text.split(".");
      const known = this.#byLength.get(pattern.length) ?? [];
      known.push({ pattern, rule });
      this.#byLength.set(pattern.length, known);
    }
  }

  find(path: Path): T | undefined {
    return this.#byLength.get(path.length)?.find(({ pattern }) => matchesPath(path, pattern))?.rule;
  }
}
