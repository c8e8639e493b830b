// Times as Go's time.Time reads and writes them in JSON: RFC 3339 with as many digits of the second as needed.

import { BuildError } from "../../base/index.ts";

const SHAPE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;

/** Nanoseconds since 1970. @throws INVALID_IMAGE. */
export function parseTime(text: string): bigint {
  const match = SHAPE.exec(text);
  const seconds = match === null ? Number.NaN : Date.parse(`${match[1]!}${match[3]!}`);
  if (match === null || Number.isNaN(seconds)) {
    throw new BuildError(`the image config has an invalid time ${JSON.stringify(text.slice(0, 100))}`, {
      code: "INVALID_IMAGE",
      status: "InvalidArgument",
    });
  }
  return BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}

/** The spelling that Go gives a time that it has read. @throws INVALID_IMAGE. */
export function respellTime(text: string): string {
  parseTime(text);
  const [, whole, fraction = "", zone] = SHAPE.exec(text)!;
  const digits = fraction.replace(/0+$/, "");
  return `${whole!}${digits === "" ? "" : `.${digits}`}${zone === "+00:00" || zone === "-00:00" ? "Z" : zone!}`;
}

/** RFC 3339 in UTC of seconds since 1970. */
export function formatSeconds(seconds: bigint): string {
  return new Date(Number(seconds) * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}
