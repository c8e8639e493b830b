// Byte counts in progress lines: decimal units, two decimals, plain bytes as they are. Counterpart: tonistiigi/units.

const names = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** `123B`, `1.23kB`, `4.10GB`. */
function byteCount(bytes: bigint): string {
  let unit = 0;
  let base = 1n;
  while (unit < names.length - 1 && abs(bytes) >= base * 1000n) {
    base *= 1000n;
    unit++;
  }
  return unit === 0 ? `${bytes}B` : `${(Number(bytes) / Number(base)).toFixed(2)}${names[unit]}`;
}

/** ` 1.00MB / 4.00MB`, ` 12B` or nothing: the amount of a status line, with a leading space. */
export function amountOf(current: bigint, total: bigint): string {
  if (total !== 0n) return ` ${byteCount(current)} / ${byteCount(total)}`;
  return current === 0n ? "" : ` ${byteCount(current)}`;
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}
