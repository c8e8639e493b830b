// A fleet of builders as a queueing system: builds of many repositories arrive, wait for a node, find some of their steps in that node's cache or
// in one that all share, and keep the node as long as the rest takes. Events, not formulas, so that placement and caches can be tried.

export interface Fleet {
  readonly nodes: number;
  /** Builds that a node runs at once. */
  readonly slots: number;
  /** Repositories whose caches a node keeps; the least recently built goes first. */
  readonly cachedRepositories: number;
  /** A cache in a registry or object store, that every node reads. */
  readonly sharedCache: boolean;
  /** Where a build goes: any free node; or the one that built its repository last, unless that has too long a queue. */
  readonly placement: "any" | "affine";
}

export interface Load {
  readonly buildsPerHour: number;
  readonly repositories: number;
  /** Exponent of how uneven repositories are: 0 is even, 1 is Zipf's. */
  readonly skew: number;
  /** Seconds of a build whose steps all run, whose steps are all in the shared cache, and in the node's own. */
  readonly coldS: number;
  readonly sharedS: number;
  readonly warmS: number;
}

export interface Outcome {
  /** Share of builds that found their node's own cache, and of those that found the shared one only. */
  readonly warm: number;
  readonly shared: number;
  /** Seconds from arrival to start, and to end. */
  readonly waitS: { readonly median: number; readonly p95: number };
  readonly totalS: { readonly median: number; readonly p95: number };
  /** Share of slots that were at work. */
  readonly busy: number;
}

interface Node {
  readonly free: number[];
  /** Most recently built last. */
  readonly cache: Map<number, true>;
}

/** Simulates `builds` builds after a tenth as many to warm up; the same seed gives the same outcome. */
export function simulate(
  fleet: Fleet,
  load: Load,
  options: { readonly builds: number; readonly seed: number },
): Outcome {
  const next = random(options.seed);
  const nodes = Array.from({ length: fleet.nodes }, (): Node => ({
    free: Array<number>(fleet.slots).fill(0),
    cache: new Map(),
  }));
  const lastNode = new Map<number, Node>();
  const pick = repositoryPicker(load, next);
  const waits: number[] = [];
  const totals: number[] = [];
  let [nowS, warm, shared, workS] = [0, 0, 0, 0];
  const skipped = Math.ceil(options.builds / 10);
  for (let build = 0; build < options.builds + skipped; build++) {
    nowS += -Math.log(1 - next()) * (3600 / load.buildsPerHour);
    const repository = pick();
    const node = place(nodes, fleet, { nowS, preferred: lastNode.get(repository), patienceS: load.coldS - load.warmS });
    const isWarm = node.cache.has(repository);
    const isShared = !isWarm && fleet.sharedCache && lastNode.has(repository);
    // Times vary: half to one and a half of what is usual.
    const lengthS = (isWarm ? load.warmS : isShared ? load.sharedS : load.coldS) * (0.5 + next());
    const slot = earliest(node);
    const startS = Math.max(nowS, node.free[slot]!);
    node.free[slot] = startS + lengthS;
    remember(node, repository, fleet.cachedRepositories);
    lastNode.set(repository, node);
    if (build < skipped) continue;
    waits.push(startS - nowS);
    totals.push(startS + lengthS - nowS);
    workS += lengthS;
    if (isWarm) warm++;
    else if (isShared) shared++;
  }
  const spanS = (options.builds / load.buildsPerHour) * 3600;
  return {
    warm: warm / options.builds,
    shared: shared / options.builds,
    waitS: summary(waits),
    totalS: summary(totals),
    busy: workS / (spanS * fleet.nodes * fleet.slots),
  };
}

function place(
  nodes: readonly Node[],
  fleet: Fleet,
  { nowS, preferred, patienceS }: { nowS: number; preferred: Node | undefined; patienceS: number },
): Node {
  let best = nodes[0]!;
  for (const node of nodes) if (node.free[earliest(node)]! < best.free[earliest(best)]!) best = node;
  if (fleet.placement === "any" || preferred === undefined) return best;
  // Waiting for a warm cache pays as long as it is shorter than what the cache saves.
  const extraS = Math.max(nowS, preferred.free[earliest(preferred)]!) - Math.max(nowS, best.free[earliest(best)]!);
  return extraS <= patienceS ? preferred : best;
}

function earliest({ free }: Node): number {
  let slot = 0;
  for (let at = 1; at < free.length; at++) if (free[at]! < free[slot]!) slot = at;
  return slot;
}

function remember({ cache }: Node, repository: number, limit: number): void {
  cache.delete(repository);
  cache.set(repository, true);
  if (cache.size > limit) cache.delete(cache.keys().next().value!);
}

function repositoryPicker({ repositories, skew }: Load, next: () => number): () => number {
  const weights = Array.from({ length: repositories }, (_, at) => (at + 1) ** -skew);
  const sums: number[] = [];
  let sum = 0;
  for (const weight of weights) sums.push((sum += weight));
  return () => {
    const wanted = next() * sum;
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function summary(values: number[]): { median: number; p95: number } {
  const sorted = values.toSorted((one, two) => one - two);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { median: at(0.5), p95: at(0.95) };
}

/** Numbers in [0, 1), the same for a seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
