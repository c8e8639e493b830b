// Sizes and spans of time as people write and read them. Counterpart: docker/go-units size.go, duration.go; Go's time.ParseDuration.

const binary = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 } as const;
const decimalNames = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];

/** Bytes of a size such as `64m`, `1.5GB` or `1024`; units are powers of 1024. @throws Error naming what is wrong. */
export function parseSize(text: string): number {
  const match = /^(.*[0-9. ])([^0-9. ]*)$/s.exec(text);
  if (!match) throw new Error(`invalid size: '${text}'`);
  const number = match[1]!.replace(/ $/, "");
  const suffix = match[2]!.toLowerCase();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(number)) throw new Error(`invalid size: '${text}'`);
  const value = Number(number);
  if (value < 0) throw new Error(`invalid size: '${text}'`);
  if (suffix === "" || suffix === "b") return Math.trunc(value);
  const unit = /^([kmgtp])(b|ib)?$/.exec(suffix);
  if (!unit) throw new Error(`invalid suffix: '${suffix}'`);
  return Math.trunc(value * binary[unit[1] as keyof typeof binary]);
}

/** A size in decimal units with four significant digits: `2.746MB`, `796kB`, `12B`. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < decimalNames.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${decimalNames[unit]}`;
}

/** A span in words: `3 minutes`, `About an hour`. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(seconds / 3600 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / 3600 / 24 / 365)} years`;
}

const durationUnits = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of a span such as `24h`, `1h30m`, `1.5s`. @throws Error naming what is wrong. */
export function parseDuration(text: string): number {
  const quoted = JSON.stringify(text);
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  let total = 0;
  while (part.lastIndex < body.length) {
    const at = part.lastIndex;
    const match = part.exec(body);
    if (!match) {
      const number = /^(\d+\.?\d*|\.\d+)(.*)$/s.exec(body.slice(at));
      if (!number) throw new Error(`time: invalid duration ${quoted}`);
      if (number[2] === "") throw new Error(`time: missing unit in duration ${quoted}`);
      throw new Error(`time: unknown unit ${JSON.stringify(/^[^\d.]*/.exec(number[2]!)![0])} in duration ${quoted}`);
    }
    total += Number(match[1]) * durationUnits[match[2] as keyof typeof durationUnits];
  }
  if (body === "") throw new Error(`time: invalid duration ${quoted}`);
  return text.startsWith("-") ? -total : total;
}
