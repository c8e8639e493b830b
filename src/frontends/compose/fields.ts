// Reads the members of a mapping that the schema has passed, by kind; what still does not suit is collected with its place.

import { parseBytes } from "./bytes.ts";
import { parseDurationMs } from "./duration.ts";
import { composeError } from "./error.ts";
import { toBoolean } from "./interpolate.ts";
import { equalsMapping, textMapping } from "./read.ts";
import type { Collected } from "./read.ts";
import { goText, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

export class Fields {
  readonly map: ComposeMap;
  readonly place: string;
  readonly problems: Collected;

  constructor(map: ComposeMap, place: string, problems: Collected) {
    this.map = map;
    this.place = place;
    this.problems = problems;
  }

  has(key: string): boolean {
    return (this.map.get(key) ?? null) !== null;
  }

  read<T>(key: string, otherwise: T, reader: (value: ComposeValue) => T): T {
    const value = this.map.get(key) ?? null;
    return value === null ? otherwise : this.problems.at(`${this.place}.${key}`, otherwise, () => reader(value));
  }

  text(key: string): string {
    return this.read(key, "", goText);
  }

  texts(key: string): string[] {
    return this.read<string[]>(key, [], (value) => (Array.isArray(value) ? value.map(goText) : [goText(value)]));
  }

  flag(key: string): boolean | undefined {
    return this.read<boolean | undefined>(key, undefined, (value) =>
      typeof value === "string" ? toBoolean(value) : value === true,
    );
  }

  number(key: string): number | undefined {
    return this.read<number | undefined>(key, undefined, (value) => {
      const read = Number(typeof value === "string" ? value.trim() : value);
      if (value === "" || Number.isNaN(read)) throw composeError(`invalid number ${JSON.stringify(goText(value))}`);
      return read;
    });
  }

  bytes(key: string): number | undefined {
    return this.read<number | undefined>(key, undefined, (value) =>
      typeof value === "string" ? parseBytes(value) : Number(value),
    );
  }

  durationMs(key: string): number | undefined {
    return this.read<number | undefined>(key, undefined, (value) => parseDurationMs(goText(value)));
  }

  /** `KEY=VALUE`; null for a key alone. */
  variables(key: string): Map<string, string | null> {
    return this.read(key, new Map<string, string | null>(), equalsMapping);
  }

  /** `KEY=VALUE`; empty for a key alone. */
  labels(key: string): Map<string, string> {
    return this.read(key, new Map<string, string>(), textMapping);
  }

  /** The mapping at a key; an empty one where there is none. */
  at(key: string): Fields {
    const value = this.map.get(key);
    return new Fields(isMap(value) ? value : new Map(), `${this.place}.${key}`, this.problems);
  }

  /** The mappings of a list. */
  each(key: string): Fields[] {
    const value = this.map.get(key);
    if (!Array.isArray(value)) return [];
    return value.filter(isMap).map((each, at) => new Fields(each, `${this.place}.${key}[${at}]`, this.problems));
  }

  /** The members of a mapping, each read as one. */
  entries(key: string): [string, Fields][] {
    const value = this.map.get(key);
    if (!isMap(value)) return [];
    return [...value].map(([name, each]) => [
      name,
      new Fields(isMap(each) ? each : new Map(), `${this.place}.${key}.${name}`, this.problems),
    ]);
  }
}
