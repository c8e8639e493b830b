// Runs workloads: all peers in turns, each round beginning with another, so that all meet the same machine.

import { Unsupported } from "./types.ts";
import type { Lab, Peer, PeerResult, Sample, Workload, WorkloadResult } from "./types.ts";

export interface RoundOptions {
  readonly lab: Lab;
  readonly peers: readonly Peer[];
  /** Of workloads that ask for no number of their own. */
  readonly rounds: number;
  /** The caller means `rounds` for all. */
  readonly isForAll: boolean;
  readonly tell: (line: string) => void;
}

/** A peer that took longer than this, and many times what the fastest took, is not asked for another round. */
const LONG_MS = 3000;
const MANY_TIMES = 2.5;

/** A peer that fails is told, with its words, and left out of the rest of this workload; a failure of Slipway is thrown. */
export async function runWorkload(
  workload: Workload,
  { lab, peers, rounds, isForAll, tell }: RoundOptions,
): Promise<WorkloadResult> {
  try {
    return await runPrepared(workload, {
      lab,
      peers,
      rounds: isForAll ? rounds : (workload.rounds ?? rounds),
      tell,
    });
  } finally {
    await workload.finish?.(lab);
  }
}

async function runPrepared(
  workload: Workload,
  { lab, peers, rounds, tell }: Omit<RoundOptions, "isForAll">,
): Promise<WorkloadResult> {
  await workload.prepare(lab);
  const samples = new Map<Peer, Sample[]>(peers.map((peer) => [peer, []]));
  const problems = new Map<Peer, string>();
  const guarded = async (peer: Peer, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (peer.id.startsWith("slipway") && !(error instanceof Unsupported)) throw error;
      problems.set(peer, error instanceof Error ? error.message : String(error));
      tell(`  ${peer.title}: ${firstLines(problems.get(peer)!)}`);
    }
  };
  const asked = peers.filter((peer) => {
    const why = workload.without?.[peer.id];
    if (why !== undefined) problems.set(peer, why);
    return why === undefined;
  });
  for (const peer of asked) await guarded(peer, async () => workload.warm?.(peer, lab));
  const dropped = new Set<Peer>();
  for (let round = 0; round < rounds; round++) {
    const order = asked.map((_, at) => asked[(at + round) % asked.length]!);
    for (const peer of order.filter((each) => !dropped.has(each) && isHopeless(each, samples))) {
      dropped.add(peer);
      tell(`  ${peer.title}: far behind the fastest, not asked again`);
    }
    for (const peer of order.filter((each) => !problems.has(each) && !dropped.has(each)))
      await guarded(peer, async () => {
        const sample = await workload.round(peer, lab, round);
        samples.get(peer)!.push(sample);
        tell(`  round ${round + 1}, ${peer.title}: ${sample.wallMs.toFixed(0)} ms`);
      });
  }
  const limit = workload.limit?.(lab);
  if (workload.isLarge === true && !lab.isQuick) for (const peer of asked) await guarded(peer, () => peer.reset());
  const results: PeerResult[] = peers.map((peer) => ({
    peer: peer.id,
    title: peer.title,
    samples: samples.get(peer)!,
    problem: problems.get(peer),
  }));
  return { id: workload.id, title: workload.title, target: workload.target, peers: results, limit };
}

/**
 * Whether more rounds of a peer would tell nothing that anyone asks for: the table compares with the fastest, and a run of all has to end.
 * Ours are always asked.
 */
export function isHopeless(peer: Peer, samples: ReadonlyMap<Peer, readonly Sample[]>): boolean {
  const least = (each: Peer) => Math.min(...(samples.get(each) ?? []).map(({ wallMs }) => wallMs));
  const others = [...samples.keys()].filter(({ id }) => !id.startsWith("slipway"));
  if (!others.includes(peer) || samples.get(peer)!.length === 0) return false;
  const own = least(peer);
  return own > LONG_MS && own > MANY_TIMES * Math.min(...others.map(least));
}

function firstLines(text: string): string {
  const lines = text.trim().split("\n");
  return lines.length <= 4 ? lines.join(" / ") : [...lines.slice(0, 2), "...", ...lines.slice(-2)].join(" / ");
}
