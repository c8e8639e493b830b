// "Did you mean": the nearest of some words, at most two edits away. Counterpart: moby/buildkit util/suggest.

const MAX_DISTANCE = 3;

/** The nearest option, the first of equally near ones; "" when none is near or one is equal to the value. */
export function search(value: string, options: readonly string[], caseSensitive = true): string {
  const wanted = caseSensitive ? value : value.toLowerCase();
  let match = "";
  let nearest = MAX_DISTANCE;
  for (const option of options) {
    const candidate = caseSensitive ? option : option.toLowerCase();
    if (candidate === wanted) return "";
    const distance = editDistance(wanted, candidate, nearest);
    if (distance >= nearest) continue;
    nearest = distance;
    match = caseSensitive ? candidate : matchCase(candidate, value);
  }
  return match;
}

function matchCase(text: string, like: string): string {
  if (like === like.toLowerCase()) return text.toLowerCase();
  return like === like.toUpperCase() ? text.toUpperCase() : text;
}

// Levenshtein distance by code points; anything not below `limit` is just reported as `limit`.
function editDistance(left: string, right: string, limit: number): number {
  const a = Array.from(left);
  const b = Array.from(right);
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let previous = b.map((_, at) => at + 1);
  for (let row = 0; row < a.length; row++) {
    const current: number[] = [];
    let smallest = row + 1;
    for (let column = 0; column < b.length; column++) {
      const diagonal = column === 0 ? row : previous[column - 1]!;
      const cost = a[row] === b[column] ? 0 : 1;
      const beside = column === 0 ? row + 1 : current[column - 1]!;
      const value = Math.min(diagonal + cost, previous[column]! + 1, beside + 1);
      current.push(value);
      smallest = Math.min(smallest, value);
    }
    if (smallest >= limit) return limit;
    previous = current;
  }
  return b.length === 0 ? a.length : previous[b.length - 1]!;
}
