// Reads typed values out of plain ones, collecting what does not suit. Counterpart: compose-go types' decoders, mapstructure.

import { isBuildError } from "../../base/index.ts";
import { composeError } from "./error.ts";
import { goText, goType, isMap } from "./value.ts";
import type { ComposeValue } from "./value.ts";

/** Problems of one reading; all are told together. */
export class Collected {
  readonly #problems: string[] = [];

  /** What `read` gives, or `otherwise` when it finds a problem. */
  at<T>(place: string, otherwise: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!isBuildError(error)) throw error;
      this.#problems.push(`'${place}' ${error.message}`);
      return otherwise;
    }
  }

  throwAny(): void {
    if (this.#problems.length === 0) return;
    throw composeError(`decoding failed due to the following error(s):\n\n${this.#problems.join("\n")}`);
  }
}

/** `KEY=VALUE` pairs; null for a key alone. */
export function equalsMapping(value: ComposeValue): Map<string, string | null> {
  if (value === null) return new Map();
  if (isMap(value)) return new Map([...value].map(([key, each]) => [key, each === null ? null : goText(each)]));
  if (!Array.isArray(value)) throw composeError(`unexpected value type ${goType(value)} for mapping`);
  return new Map(
    value.map((each) => {
      const text = goText(each);
      const at = text.indexOf("=");
      const key = at < 0 ? text : text.slice(0, at);
      if (/\s$/.test(key)) throw composeError(`environment variable ${key} is declared with a trailing space`);
      return [key, at < 0 ? null : text.slice(at + 1)];
    }),
  );
}

/** The same with texts only; a key alone has an empty one. */
export function textMapping(value: ComposeValue): Map<string, string> {
  if (value === null) return new Map();
  if (isMap(value)) return new Map([...value].map(([key, each]) => [key, each === null ? "" : goText(each)]));
  if (!Array.isArray(value)) throw composeError(`unexpected value type ${goType(value)} for mapping`);
  return new Map(
    value.map((each) => {
      const text = goText(each);
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

export function texts(value: ComposeValue): string[] {
  if (value === null) return [];
  const all = Array.isArray(value) ? value : [value];
  return all.map((each) => {
    if (typeof each !== "string") throw composeError(`invalid type ${goType(value)} for string list`);
    return each;
  });
}

/** Hosts and their addresses, several of one host together. */
export function hostsOf(value: ComposeValue): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  if (value === null) return hosts;
  const add = (host: string, addresses: readonly string[]) => {
    if (host === "" || /[:=]/.test(host)) throw composeError(`bad host name '${host}'`);
    const bare = addresses.map((each) => each.replace(/^\[(.+)\]$/, "$1"));
    hosts.set(host, [...(hosts.get(host) ?? []), ...bare]);
  };
  if (isMap(value)) {
    for (const [host, each] of value) {
      if (each === null || typeof each === "string") add(host, [each ?? ""]);
      else if (Array.isArray(each)) add(host, each.map(goText));
      else throw composeError(`unexpected value type ${goType(value)} for extra_hosts entry`);
    }
    return hosts;
  }
  if (!Array.isArray(value)) throw composeError(`unexpected value type ${goType(value)} for extra_hosts`);
  for (const each of value) {
    const text = goText(each);
    const at = text.includes("=") ? text.indexOf("=") : text.indexOf(":");
    if (at < 0) throw composeError(`invalid additional host, missing IP: ${text}`);
    add(text.slice(0, at), text.slice(at + 1).split(","));
  }
  return hosts;
}
