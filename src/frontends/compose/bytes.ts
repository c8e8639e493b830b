// Amounts of memory as texts: `64m`. Counterpart: docker/go-units RAMInBytes, compose-go types/bytes.go.

import { composeError } from "./error.ts";

const units = "kmgtpezy";

/** Bytes. @throws COMPOSE_INVALID in go-units' words. */
export function parseBytes(text: string): number {
  if (/^[-+]?[0-9]+$/.test(text)) return Number(text);
  const match = /^(\d+(?:\.\d*)?|\.\d+) ?([A-Za-z]*)$/.exec(text);
  if (match === null) throw composeError(`invalid size: '${text}'`);
  const unit = match[2]!.toLowerCase().replace(/^([kmgtpezy])(?:i?b)?$/, "$1");
  if (unit === "" || unit === "b") return Math.trunc(Number(match[1]));
  const power = units.indexOf(unit) + 1;
  if (unit.length !== 1 || power === 0 || power > 5) throw composeError(`invalid suffix: '${match[2]}'`);
  return Math.trunc(Number(match[1]) * 1024 ** power);
}
