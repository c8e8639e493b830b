// Sizes and limits of compose files as bake writes them. Counterpart: docker/go-units.

import { composeError } from "../frontends/compose/index.ts";
import type { Ulimit } from "../frontends/compose/index.ts";

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** Bytes in the largest unit that keeps them above one, with four digits: `64MiB`. */
export function memoryText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

const kinds = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

/** `nofile=1024:2048`. Differs: bake reads a single number as `0:0`; here it is both limits. @throws COMPOSE_INVALID. */
export function ulimitText(kind: string, { single, soft, hard }: Ulimit): string {
  if (!kinds.has(kind)) throw composeError(`invalid ulimit type: ${kind}`);
  const [low, high] = single === 0 ? [soft, hard] : [single, single];
  if (high !== -1 && low === -1) {
    throw composeError(
      `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${high}`,
    );
  }
  if (high !== -1 && low > high) {
    throw composeError(`ulimit soft limit must be less than or equal to hard limit: ${low} > ${high}`);
  }
  return `${kind}=${low}:${high}`;
}
