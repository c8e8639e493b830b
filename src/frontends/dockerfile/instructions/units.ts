// Sizes and ulimits as options write them. Counterpart: docker/go-units.

import { quote } from "../go/format.ts";
import { parseInteger } from "../go/parse.ts";
import { cut } from "../go/text.ts";
import { FrontendError } from "../source-error.ts";

const FACTORS: Readonly<Record<string, number>> = {
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

/** A size in binary units (`64m`, `1.5GiB`, `1024`) in bytes. @throws FrontendError */
export function parseRamSize(text: string): bigint {
  let split = -1;
  for (let at = 0; at < text.length; at++) if ("01234567890. ".includes(text[at]!)) split = at;
  if (split < 0) throw new FrontendError(`invalid size: '${text}'`);
  // A space between number and unit belongs to neither.
  const numberText = text[split] === " " ? text.slice(0, split) : text.slice(0, split + 1);
  const written = text.slice(split + 1);
  if (written.length > 3 && parseFloatGo(numberText) !== undefined && !numberText.startsWith("-")) {
    throw new FrontendError(`invalid suffix: '${written}'`);
  }
  const suffix = written.toLowerCase();
  const value = parseFloatGo(numberText);
  if (value === undefined) {
    throw new FrontendError(`strconv.ParseFloat: parsing ${quote(numberText)}: invalid syntax`);
  }
  if (value < 0) throw new FrontendError(`invalid size: '${text}'`);
  if (suffix === "") return toBytes(value);
  if (suffix === "b") return toBytes(value);
  const unit = FACTORS[suffix[0]!];
  const tail = suffix.slice(1);
  if (unit === undefined || !(tail === "" || tail === "b" || tail === "ib")) {
    throw new FrontendError(`invalid suffix: '${suffix}'`);
  }
  return toBytes(value * unit);
}

// Underscores may stand between digits.
function parseFloatGo(text: string): number | undefined {
  const plain = text.replace(/(?<=[0-9])_(?=[0-9])/g, "");
  return /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(plain) ? Number(plain) : undefined;
}

function toBytes(value: number): bigint {
  const whole = BigInt(Math.trunc(Math.min(value, Number.MAX_VALUE)));
  return BigInt.asIntN(64, whole >= 1n << 63n ? -(1n << 63n) : whole);
}

const ULIMITS = new Set([
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
]);

export interface Ulimit {
  readonly name: string;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** `name=soft[:hard]`. @throws FrontendError */
export function parseUlimit(text: string): Ulimit {
  const { before: name, after: value, found } = cut(text, "=");
  if (!found) throw new FrontendError(`invalid ulimit argument: ${text}`);
  if (!ULIMITS.has(name)) throw new FrontendError(`invalid ulimit type: ${name}`);
  const limits = value.split(":");
  if (limits.length > 2) {
    throw new FrontendError(`too many limit value arguments - ${value}, can only have up to two, \`soft[:hard]\``);
  }
  const given = limits[1] === undefined ? undefined : parseInteger(limits[1], 10, 64);
  const soft = parseInteger(limits[0]!, 10, 64);
  const hard = given ?? soft;
  // -1 means no limit.
  if (hard !== -1n) {
    if (soft === -1n) {
      throw new FrontendError(
        "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: " + hard,
      );
    }
    if (soft > hard) {
      throw new FrontendError(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    }
  }
  return { name, soft, hard };
}
