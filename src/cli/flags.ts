// Command-line flags by pflag's rules, because scripts written for docker must read the same here: `--pull=false`, `-t=x`, `-t x`,
// `-tx`, repeated arrays that are never split at commas, slices that are, `--` as the end, flags after arguments.
// Counterpart: spf13/pflag flag.go, as docker/cli uses it.

import { parseCsv } from "./csv.ts";
import { parseSize } from "./sizes.ts";
import { parseUlimit } from "./ulimits.ts";

/**
 * What a flag takes: `array` collects each value as it is, `slice` splits each at commas (CSV); `bytes` is a size such as `64m`;
 * `filter` is `name=value`, or a bare name.
 */
type FlagKind = "bool" | "string" | "array" | "slice" | "bytes" | "int" | "ulimit" | "filter" | "duration";

export interface FlagDefinition {
  readonly name: string;
  readonly short?: string;
  readonly kind: FlagKind;
  readonly help: string;
  /** Shown in the help and used when the flag is absent. Defaults to the kind's zero. */
  readonly default?: string;
  readonly hidden?: boolean;
  /** Said on stderr when the flag is used. */
  readonly deprecated?: string;
  /** Taken when the flag stands without `=value`; such a flag never takes the next argument. */
  readonly bareValue?: string;
  /** Sets another flag of the list in its place. */
  readonly aliasOf?: string;
}

/** A command line that can't be understood: shown with the command's usage line, exit code 1. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What a command line set, read by name and kind; asking for a flag that was not defined is a bug and throws. */
export class FlagValues {
  readonly #definitions: ReadonlyMap<string, FlagDefinition>;
  readonly #given = new Map<string, string[]>();

  constructor(definitions: readonly FlagDefinition[]) {
    this.#definitions = new Map(definitions.map((definition) => [definition.name, definition]));
  }

  /** @throws UsageError when the value does not fit the flag's kind. */
  set(definition: FlagDefinition, text: string): void {
    const target = definition.aliasOf === undefined ? definition : this.#definition(definition.aliasOf);
    const values = checkValue(target, definition, text);
    const before = this.#given.get(target.name);
    const collects = ["array", "slice", "ulimit", "filter"].includes(target.kind);
    this.#given.set(target.name, collects && before ? [...before, ...values] : values);
  }

  /** Whether the command line names the flag. */
  has(name: string): boolean {
    this.#definition(name);
    return this.#given.has(name);
  }

  bool(name: string): boolean {
    const text = this.string(name);
    return text !== "" && goBool(text) === true;
  }

  string(name: string): string {
    const definition = this.#definition(name);
    return this.#given.get(name)?.at(-1) ?? definition.default ?? "";
  }

  list(name: string): readonly string[] {
    const definition = this.#definition(name);
    return this.#given.get(name) ?? (definition.default === undefined ? [] : [definition.default]);
  }

  /** A size in bytes or a whole number; undefined when absent. */
  number(name: string): number | undefined {
    const definition = this.#definition(name);
    const text = this.string(name);
    if (text === "") return undefined;
    return definition.kind === "bytes" ? parseSize(text) : Number.parseInt(text, 10);
  }

  #definition(name: string): FlagDefinition {
    const definition = this.#definitions.get(name);
    if (!definition) throw new Error(`flag accessed but not defined: ${name}`);
    return definition;
  }
}

export interface ParsedFlags {
  readonly values: FlagValues;
  readonly args: readonly string[];
  /** `-h` or `--help` stood among the flags. */
  readonly help: boolean;
  /** What to say about deprecated flags. */
  readonly notices: readonly string[];
}

/**
 * Reads a command line. With `interspersed: false` the first argument ends the flags and everything from there on is in `args`.
 * @throws UsageError for unknown flags, missing values and values of a wrong kind.
 */
export function parseFlags(
  definitions: readonly FlagDefinition[],
  argv: readonly string[],
  { interspersed = true }: { interspersed?: boolean } = {},
): ParsedFlags {
  const byName = new Map(definitions.map((definition) => [definition.name, definition]));
  const byShort = new Map(
    definitions.flatMap((definition) => (definition.short ? [[definition.short, definition]] : [])),
  );
  const values = new FlagValues(definitions);
  const args: string[] = [];
  const notices: string[] = [];
  let help = false;
  const set = (definition: FlagDefinition, value: string) => {
    values.set(definition, value);
    if (definition.deprecated !== undefined) {
      notices.push(`Flag --${definition.name} has been deprecated, ${definition.deprecated}`);
    }
  };

  const rest = [...argv];
  for (;;) {
    const word = rest.shift();
    if (word === undefined) break;
    if (!word.startsWith("-") || word === "-") {
      args.push(word);
      if (!interspersed) break;
      continue;
    }
    if (word === "--") break;
    if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      const name = word.slice(2, equals < 0 ? undefined : equals);
      if (name === "" || name.startsWith("-")) throw new UsageError(`bad flag syntax: ${word}`);
      const definition = byName.get(name);
      if (!definition) {
        if (name !== "help") throw new UsageError(`unknown flag: --${name}`);
        help = true;
        continue;
      }
      if (equals >= 0) set(definition, word.slice(equals + 1));
      else if (bareValueOf(definition) !== undefined) set(definition, bareValueOf(definition)!);
      else if (rest.length > 0) set(definition, rest.shift()!);
      else throw new UsageError(`flag needs an argument: --${name}`);
      continue;
    }
    let letters = word.slice(1);
    while (letters !== "") {
      const letter = String.fromCodePoint(letters.codePointAt(0)!);
      const definition = byShort.get(letter);
      if (!definition) {
        if (letter !== "h") throw new UsageError(`unknown shorthand flag: '${letter}' in -${letters}`);
        help = true;
        letters = letters.slice(1);
        continue;
      }
      const tail = letters.slice(1);
      if (tail.length > 1 && tail.startsWith("=")) {
        set(definition, tail.slice(1));
        break;
      }
      if (bareValueOf(definition) !== undefined) {
        set(definition, bareValueOf(definition)!);
        letters = tail;
        continue;
      }
      if (tail !== "") set(definition, tail);
      else if (rest.length > 0) set(definition, rest.shift()!);
      else throw new UsageError(`flag needs an argument: '${letter}' in -${letters}`);
      break;
    }
  }
  return { values, args: [...args, ...rest], help, notices };
}

function bareValueOf(definition: FlagDefinition): string | undefined {
  return definition.bareValue ?? (definition.kind === "bool" ? "true" : undefined);
}

function checkValue(target: FlagDefinition, named: FlagDefinition, text: string): string[] {
  const refuse = (why: string): never => {
    const name = named.short === undefined ? `--${named.name}` : `-${named.short}, --${named.name}`;
    throw new UsageError(`invalid argument ${JSON.stringify(text)} for ${JSON.stringify(name)} flag: ${why}`);
  };
  try {
    switch (target.kind) {
      case "bool":
        return goBool(text) === undefined
          ? refuse(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`)
          : [text];
      case "int":
        return /^[+-]?\d+$/.test(text)
          ? [text]
          : refuse(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
      case "slice":
        return text === "" ? [] : parseCsv(text);
      case "bytes":
        parseSize(text);
        return [text];
      case "ulimit":
        parseUlimit(text);
        return [text];
      case "filter":
        return text === "" ? [] : [text];
      case "duration":
      case "string":
      case "array":
        return [text];
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

/** Go's strconv.ParseBool; undefined when the text is no boolean. */
export function goBool(text: string): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  return undefined;
}
