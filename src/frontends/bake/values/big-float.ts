// Binary floating point of chosen precision, as HCL numbers are: rounding to nearest, ties to even, 512 bits for literals. A finite
// value is (-1)^negative * mantissa * 2^exponent; the mantissa of a nonzero value is odd, so that equal values look equal.
// Counterpart: Go's math/big Float, which bake's evaluator counts with.

export const LITERAL_PRECISION = 512;

/** Immutable. */
export class BigFloat {
  readonly kind: "finite" | "infinite";
  readonly negative: boolean;
  /** 0 for zero and infinities. */
  readonly mantissa: bigint;
  readonly exponent: number;
  /** Bits that results made from this number keep. */
  readonly precision: number;

  private constructor(
    kind: "finite" | "infinite",
    negative: boolean,
    mantissa: bigint,
    exponent: number,
    precision: number,
  ) {
    this.kind = kind;
    this.negative = negative;
    this.mantissa = mantissa;
    this.exponent = exponent;
    this.precision = precision;
  }

  /** The nearest number of `precision` bits to (-1)^negative * mantissa * 2^exponent; `sticky` tells that a little was cut off. */
  static rounded(negative: boolean, mantissa: bigint, exponent: number, precision: number, sticky = false): BigFloat {
    if (mantissa === 0n) return new BigFloat("finite", negative, 0n, 0, precision);
    const excess = bitLength(mantissa) - precision;
    let kept = mantissa;
    let at = exponent;
    if (excess > 0) {
      const cut = BigInt(excess);
      kept = mantissa >> cut;
      const rest = mantissa - (kept << cut);
      const half = 1n << (cut - 1n);
      if (rest > half || (rest === half && (sticky || (kept & 1n) === 1n))) kept += 1n;
      at += excess;
    }
    const zeros = trailingZeros(kept);
    return new BigFloat("finite", negative, kept >> BigInt(zeros), at + zeros, precision);
  }

  static infinite(negative: boolean, precision = LITERAL_PRECISION): BigFloat {
    return new BigFloat("infinite", negative, 0n, 0, precision);
  }

  /** An integer, kept exactly; results made from it keep at least `precision` bits. */
  static integer(value: bigint | number, precision = 64): BigFloat {
    const big = BigInt(value);
    const magnitude = big < 0n ? -big : big;
    return BigFloat.rounded(big < 0n, magnitude, 0, Math.max(precision, bitLength(magnitude)));
  }

  /** A JavaScript number, exactly, with its 53 bits of precision. Not for NaN. */
  static double(value: number): BigFloat {
    if (!Number.isFinite(value)) return BigFloat.infinite(value < 0, 53);
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    const bits = view.getBigUint64(0);
    const raw = Number((bits >> 52n) & 0x7ffn);
    const fraction = bits & 0xfffffffffffffn;
    const mantissa = raw === 0 ? fraction : fraction | 0x10000000000000n;
    return BigFloat.rounded(bits >> 63n === 1n, mantissa, Math.max(raw, 1) - 1075, 53);
  }

  /** Reads a decimal number as HCL literals and strings are read. Undefined for text that is not one. */
  static parse(text: string, precision = LITERAL_PRECISION): BigFloat | undefined {
    const infinity = /^([+-]?)Inf(?:inity)?$/i.exec(text);
    if (infinity !== null) return BigFloat.infinite(infinity[1] === "-", precision);
    const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$/.exec(text);
    if (match === null) return undefined;
    const [, sign, whole = "", fraction = "", power = "0"] = match;
    if (whole + fraction === "") return undefined;
    const digits = BigInt(whole + fraction);
    const tens = Number(power) - fraction.length;
    if (Math.abs(tens) > 100_000) return undefined;
    const negative = sign === "-";
    if (tens >= 0) return BigFloat.rounded(negative, digits * 10n ** BigInt(tens), 0, precision);
    return quotient(negative, digits, 10n ** BigInt(-tens), 0, precision);
  }

  get isZero(): boolean {
    return this.kind === "finite" && this.mantissa === 0n;
  }

  get isInteger(): boolean {
    return this.kind === "finite" && this.exponent >= 0;
  }

  get sign(): -1 | 0 | 1 {
    return this.isZero ? 0 : this.negative ? -1 : 1;
  }

  negate(): BigFloat {
    return new BigFloat(this.kind, !this.negative, this.mantissa, this.exponent, this.precision);
  }

  absolute(): BigFloat {
    return new BigFloat(this.kind, false, this.mantissa, this.exponent, this.precision);
  }

  /** Undefined for infinities of opposite signs. */
  add(other: BigFloat): BigFloat | undefined {
    const precision = Math.max(this.precision, other.precision);
    if (this.kind === "infinite" || other.kind === "infinite") {
      if (this.kind === other.kind && this.negative !== other.negative) return undefined;
      return BigFloat.infinite(this.kind === "infinite" ? this.negative : other.negative, precision);
    }
    if (this.isZero && other.isZero) {
      return BigFloat.rounded(this.negative && other.negative, 0n, 0, precision);
    }
    const exponent = Math.min(this.exponent, other.exponent);
    const sum = this.#scaled(exponent) + other.#scaled(exponent);
    return BigFloat.rounded(sum < 0n, sum < 0n ? -sum : sum, exponent, precision);
  }

  /** Undefined for infinities of the same sign. */
  subtract(other: BigFloat): BigFloat | undefined {
    return this.add(other.negate());
  }

  /** As many bits as the product needs, at most 512, at least those of the operands. Undefined for zero times infinity. */
  multiply(other: BigFloat): BigFloat | undefined {
    const negative = this.negative !== other.negative;
    const precision = Math.max(this.precision, other.precision);
    if (this.kind === "infinite" || other.kind === "infinite") {
      return this.isZero || other.isZero ? undefined : BigFloat.infinite(negative, precision);
    }
    const exact = BigFloat.rounded(
      negative,
      this.mantissa * other.mantissa,
      this.exponent + other.exponent,
      LITERAL_PRECISION,
    );
    return exact.withPrecision(Math.max(precision, bitLength(exact.mantissa)));
  }

  /** Infinite for a zero divisor. Undefined for 0/0 and infinity/infinity. */
  divide(other: BigFloat): BigFloat | undefined {
    const negative = this.negative !== other.negative;
    const precision = Math.max(this.precision, other.precision);
    if (this.kind === "infinite") return other.kind === "infinite" ? undefined : BigFloat.infinite(negative, precision);
    if (other.kind === "infinite") return BigFloat.rounded(negative, 0n, 0, precision);
    if (other.isZero) return this.isZero ? undefined : BigFloat.infinite(negative, precision);
    return quotient(negative, this.mantissa, other.mantissa, this.exponent - other.exponent, precision);
  }

  withPrecision(precision: number): BigFloat {
    if (this.kind === "infinite") return BigFloat.infinite(this.negative, precision);
    return BigFloat.rounded(this.negative, this.mantissa, this.exponent, precision);
  }

  compare(other: BigFloat): -1 | 0 | 1 {
    if (this.kind === "infinite" || other.kind === "infinite") {
      const rank = (x: BigFloat) => (x.kind === "infinite" ? (x.negative ? -1 : 1) : 0);
      return Math.sign(rank(this) - rank(other)) as -1 | 0 | 1;
    }
    const exponent = Math.min(this.exponent, other.exponent);
    const [a, b] = [this.#scaled(exponent), other.#scaled(exponent)];
    return a < b ? -1 : a > b ? 1 : 0;
  }

  /** Rounded towards zero. Not for infinities. */
  truncate(): bigint {
    const magnitude =
      this.exponent >= 0 ? this.mantissa << BigInt(this.exponent) : this.mantissa >> BigInt(-this.exponent);
    return this.negative ? -magnitude : magnitude;
  }

  /** The nearest double. */
  toNumber(): number {
    if (this.kind === "infinite") return this.negative ? -Infinity : Infinity;
    return Number(this.toString());
  }

  /** The shortest decimal without exponent that reads back as this number at its precision. */
  toString(): string {
    const sign = this.negative ? "-" : "";
    if (this.kind === "infinite") return this.negative ? "-Inf" : "+Inf";
    if (this.isZero) return `${sign}0`;
    if (this.exponent >= 0 && bitLength(this.mantissa) + this.exponent <= this.precision) {
      return sign + (this.mantissa << BigInt(this.exponent)).toString();
    }
    return sign + plain(shortest(this.mantissa, this.exponent, this.precision));
  }

  /** With `decimals` digits after the point, rounded to nearest even. Not for infinities. */
  toFixed(decimals: number): string {
    const scale = 10n ** BigInt(decimals);
    const numerator = this.mantissa * scale;
    let value: bigint;
    if (this.exponent >= 0) value = numerator << BigInt(this.exponent);
    else {
      const shift = BigInt(-this.exponent);
      value = numerator >> shift;
      const rest = numerator - (value << shift);
      const half = 1n << (shift - 1n);
      if (rest > half || (rest === half && (value & 1n) === 1n)) value += 1n;
    }
    const text = value.toString().padStart(decimals + 1, "0");
    const whole = text.slice(0, text.length - decimals);
    return (this.negative ? "-" : "") + (decimals === 0 ? whole : `${whole}.${text.slice(text.length - decimals)}`);
  }

  /** The digits of the shortest decimal that reads back as this number. Not for infinities. */
  shortestDecimal(): Decimal {
    return this.isZero ? { digits: "", point: 0 } : shortest(this.mantissa, this.exponent, this.precision);
  }

  /** The decimal of at most `significant` digits that is nearest. Not for infinities. */
  nearestDecimal(significant: number): Decimal {
    if (this.isZero) return { digits: "", point: 0 };
    const exact = exactDecimal(this.mantissa, this.exponent);
    return cutDecimal(exact, significant, roundsUp(exact.digits, significant));
  }

  #scaled(exponent: number): bigint {
    const magnitude = this.mantissa << BigInt(this.exponent - exponent);
    return this.negative ? -magnitude : magnitude;
  }
}

function quotient(negative: boolean, over: bigint, under: bigint, exponent: number, precision: number): BigFloat {
  if (over === 0n) return BigFloat.rounded(negative, 0n, 0, precision);
  const shift = Math.max(0, precision + 2 - (bitLength(over) - bitLength(under)));
  const scaled = over << BigInt(shift);
  const result = scaled / under;
  // One bit more stands for what is cut off, so that ties are told from what lies above them.
  const sticky = scaled % under === 0n ? 0n : 1n;
  return BigFloat.rounded(negative, (result << 1n) | sticky, exponent - shift - 1, precision);
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return hex.length * 4 - (Math.clz32(Number.parseInt(hex[0]!, 16)) - 28);
}

function trailingZeros(value: bigint): number {
  let count = 0;
  let rest = value;
  while ((rest & 0xffffffffn) === 0n) {
    rest >>= 32n;
    count += 32;
  }
  const low = Number(rest & 0xffffffffn);
  return count + (31 - Math.clz32(low & -low));
}

/** Digits of a decimal: 0.d1d2d3… * 10^point. */
export interface Decimal {
  readonly digits: string;
  readonly point: number;
}

function exactDecimal(mantissa: bigint, exponent: number): Decimal {
  const scaled = exponent >= 0 ? mantissa << BigInt(exponent) : mantissa * 5n ** BigInt(-exponent);
  const all = scaled.toString();
  const point = all.length + Math.min(exponent, 0);
  return { digits: all.replace(/0+$/, ""), point };
}

function shortest(mantissa: bigint, exponent: number, precision: number): Decimal {
  // Widened to one bit more than the precision: the neighbours half a unit away are then one apart.
  const shift = precision + 1 - bitLength(mantissa);
  const wide = shift >= 0 ? mantissa << BigInt(shift) : mantissa >> BigInt(-shift);
  const at = exponent - shift;
  const inclusive = (wide & 2n) === 0n;
  const exact = exactDecimal(mantissa, exponent);
  const lower = exactDecimal(wide - 1n, at);
  const upper = exactDecimal(wide + 1n, at);
  const digit = (d: Decimal, index: number) => d.digits.charCodeAt(index) || 48;
  for (let index = 0; index < exact.digits.length; index++) {
    const [l, m, u] = [digit(lower, index), digit(exact, index), digit(upper, index)];
    const canGoDown = l !== m || (inclusive && index + 1 === lower.digits.length);
    const canGoUp = m !== u && (inclusive || m + 1 < u || index + 1 < upper.digits.length);
    if (canGoDown && canGoUp) return cutDecimal(exact, index + 1, roundsUp(exact.digits, index + 1));
    if (canGoDown) return cutDecimal(exact, index + 1, false);
    if (canGoUp) return cutDecimal(exact, index + 1, true);
  }
  return exact;
}

function roundsUp(digits: string, keep: number): boolean {
  if (keep >= digits.length) return false;
  const next = digits.charCodeAt(keep) - 48;
  if (next === 5 && keep + 1 === digits.length) return (digits.charCodeAt(keep - 1) - 48) % 2 === 1;
  return next >= 5;
}

function cutDecimal(decimal: Decimal, keep: number, up: boolean): Decimal {
  const head = decimal.digits.slice(0, keep);
  if (!up || keep >= decimal.digits.length) return { ...decimal, digits: head.replace(/0+$/, "") };
  const raised = (BigInt(head) + 1n).toString();
  const point = decimal.point + (raised.length - head.length);
  return { digits: raised.replace(/0+$/, ""), point };
}

function plain({ digits, point }: Decimal): string {
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  if (digits.length <= point) return digits + "0".repeat(point - digits.length);
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}
