// Medians, spreads and fitted exponents of measured numbers.

/** @throws RangeError of an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("no values");
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median of what is there; undefined where nothing is. */
export function medianOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((each) => each !== undefined);
  return known.length === 0 ? undefined : median(known);
}

/**
 * The exponent `b` of `cost = a * size ** b` by least squares over logarithms.
 * @param points at least two sizes, all numbers above zero.
 */
export function fittedExponent(points: readonly { readonly size: number; readonly cost: number }[]): number {
  const logs = points.map(({ size, cost }) => ({ x: Math.log(size), y: Math.log(cost) }));
  const mean = (pick: (each: { x: number; y: number }) => number) =>
    logs.reduce((sum, each) => sum + pick(each), 0) / logs.length;
  const [x, y] = [mean((each) => each.x), mean((each) => each.y)];
  const above = logs.reduce((sum, each) => sum + (each.x - x) * (each.y - y), 0);
  const below = logs.reduce((sum, each) => sum + (each.x - x) ** 2, 0);
  return above / below;
}
