// The `--flag[=value]` words of an instruction, checked against what it accepts.
// Counterpart: moby/buildkit frontend/dockerfile/instructions/bflag.go.

import { cut } from "../go/text.ts";
import { FrontendError, withSuggestion } from "../source-error.ts";

export type FlagKind = "bool" | "string" | "strings";

/** Values of the flags that were used. */
export class FlagValues {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  isUsed(name: string): boolean {
    return this.#values.has(name);
  }

  /** "" (or the default) when the flag is not used. */
  string(name: string, fallback = ""): string {
    return this.#values.get(name)?.[0] ?? fallback;
  }

  bool(name: string): boolean {
    return this.string(name) === "true";
  }

  /** Undefined when the flag is not used. */
  optionalBool(name: string): boolean | undefined {
    return this.isUsed(name) ? this.bool(name) : undefined;
  }

  strings(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

/** Reads an instruction's flags. @throws FrontendError on unknown, repeated and malformed flags */
export function parseFlags(flags: readonly string[], known: Readonly<Record<string, FlagKind>> = {}): FlagValues {
  const values = new Map<string, string[]>();
  for (const flag of flags) {
    if (flag === "--") break;
    if (!flag.startsWith("--")) throw new FrontendError(`arg should start with -- : ${flag}`);
    const { before: written, after: value, found: hasValue } = cut(flag, "=");
    const name = written.slice(2);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) {
      throw withSuggestion(new FrontendError(`unknown flag: ${written}`), name, Object.keys(known));
    }
    const seen = values.get(name);
    if (seen !== undefined && kind !== "strings") throw new FrontendError(`duplicate flag specified: ${written}`);
    if (kind === "bool") values.set(name, [parseBoolFlag(written, value, hasValue)]);
    else if (!hasValue) throw new FrontendError(`missing a value on flag: ${written}`);
    else if (seen === undefined) values.set(name, [value]);
    else seen.push(value);
  }
  return new FlagValues(values);
}

function parseBoolFlag(written: string, value: string, hasValue: boolean): string {
  if (hasValue && value === "") throw new FrontendError(`missing a value on flag: ${written}`);
  const lower = value.toLowerCase();
  if (lower === "" || lower === "true") return "true";
  if (lower === "false") return "false";
  throw new FrontendError(`expecting boolean value for flag ${written}, not: ${value}`);
}
