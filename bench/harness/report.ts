// The tables of a run as Markdown: each workload's medians and spreads, our ratio to the fastest peer and to the machine's limit, and the target.

import { mb, ms } from "../measure.ts";
import type { Curve } from "../scaling/types.ts";
import { median, medianOf } from "./statistics.ts";
import type { PeerResult, Report, Sample, WorkloadResult } from "./types.ts";

/** A verdict on one workload. */
export interface Standing {
  readonly ours: PeerResult | undefined;
  /** Our daemon with the real buildx, where it is not what embedded is compared with. */
  readonly daemon: PeerResult | undefined;
  readonly fastest: PeerResult | undefined;
  /** Ours to the fastest peer's, medians of wall time. */
  readonly ratio: number | undefined;
  readonly cpuRatio: number | undefined;
  readonly limitRatio: number | undefined;
  readonly isMet: boolean | undefined;
}

/** Peers are those that are not ours; our daemon counts as one where nobody else can do the work: buildx then does what it does to BuildKit. */
export function standingOf({ peers, limit, target }: WorkloadResult): Standing {
  const measured = peers.filter(({ samples }) => samples.length > 0);
  const ours = measured.find(({ peer }) => peer === "slipway");
  const ourDaemon = measured.find(({ peer }) => peer === "slipway-daemon");
  const others = measured.filter(({ peer }) => !peer.startsWith("slipway"));
  const against = others.length > 0 ? others : measured.filter((each) => each === ourDaemon);
  const fastest = against.toSorted((one, other) => wall(one) - wall(other))[0];
  const ratio = ours === undefined || fastest === undefined ? undefined : wall(ours) / wall(fastest);
  const [ourCpu, theirCpu] = [cpu(ours), cpu(fastest)];
  // Clocks of 10 ms: a peer may well have taken none.
  const cpuRatio = ourCpu === undefined || theirCpu === undefined || theirCpu === 0 ? undefined : ourCpu / theirCpu;
  const limitRatio = ours === undefined || limit === undefined ? undefined : wall(ours) / limit.sample.wallMs;
  const isMet =
    target === undefined || ours === undefined
      ? undefined
      : "ms" in target
        ? wall(ours) <= target.ms
        : ratio === undefined
          ? undefined
          : ratio <= target.ratio;
  const daemon = ourDaemon === fastest ? undefined : ourDaemon;
  return { ours, daemon, fastest, ratio, cpuRatio, limitRatio, isMet };
}

/** Markdown: the promises first, then every figure. */
export function markdown(report: Report): string {
  const { machine, workloads, missingPeers, curves } = report;
  const head =
    `${machine.date}, ${machine.processors} processors (${machine.model}), ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, Linux ${machine.kernel}; ` +
    `load ${machine.loads.map((load) => load.toFixed(1)).join(" before, ")} after; ${roundsSaid(report)}`;
  const missing = missingPeers.map(({ title, why }) => `- ${title}: ${why}`);
  return [
    head,
    table(
      ["workload", "Slipway", "fastest peer", "ratio (CPU)", "target", "met"],
      workloads.map((each) => standingRow(each, report.rounds)),
    ),
    ...(curves.length === 0 ? [] : [scaling(curves)]),
    table(
      ["workload", "builder", "wall", "to the bare work", "CPU", "peak memory", "written"],
      workloads.flatMap((each) =>
        each.peers.filter(({ samples }) => samples.length > 0).map((peer) => figures(each, peer)),
      ),
    ),
    ...(missing.length === 0 ? [] : [`Left out:\n${missing.join("\n")}`]),
    problems(workloads),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** What the figures are of; some workloads ask for a number of rounds of their own. */
export function roundsSaid({ rounds, workloads }: Pick<Report, "rounds" | "workloads">): string {
  if (rounds === 1) return "one round, which says little about speed";
  const counts = workloads.flatMap(({ peers }) => peers.map(({ samples }) => samples.length));
  const others = [...new Set(counts)].filter((count) => count > 0 && count !== rounds).sort((a, b) => a - b);
  const stars = others.length === 0 ? "" : "; a star with a number: that many rounds";
  return `medians of ${rounds} interleaved rounds, least and most in brackets${stars}`;
}

function standingRow(workload: WorkloadResult, rounds: number): string[] {
  const { ours, daemon, fastest, ratio, cpuRatio, isMet } = standingOf(workload);
  const beside = daemon === undefined ? "" : `; our daemon with buildx ${spread(daemon.samples)}`;
  const daemonRatio =
    daemon === undefined || fastest === undefined ? "" : `; daemon ${(wall(daemon) / wall(fastest)).toFixed(2)}`;
  const { target } = workload;
  const wanted = target === undefined ? "" : "ms" in target ? `< ${target.ms} ms` : `≤ ${target.ratio}`;
  return [
    workload.title,
    ours === undefined ? "" : `${spread(ours.samples)}${star(ours, rounds)}${beside}`,
    fastest === undefined ? "" : `${fastest.title} ${spread(fastest.samples)}${star(fastest, rounds)}`,
    ratio === undefined
      ? ""
      : `${ratio.toFixed(2)}${cpuRatio === undefined ? "" : ` (${cpuRatio.toFixed(2)})`}${daemonRatio}`,
    wanted,
    isMet === undefined ? "" : isMet ? "met" : "**missed**",
  ];
}

function star({ samples }: PeerResult, rounds: number): string {
  return samples.length === rounds ? "" : ` *${samples.length}`;
}

function scaling(curves: readonly Curve[]): string {
  const rows = curves.map(({ title, unit, exponent, points }) => [
    title,
    points.map(({ size, cost }) => `${size.toLocaleString("en")} ${unit}: ${ms(cost)}`).join("; "),
    exponent.toFixed(2),
    exponent <= 1.1 ? "met" : "**missed**",
  ]);
  return table(["cost against size", "sizes", "fitted exponent", "≤ 1.1"], rows);
}

function figures({ title, limit }: WorkloadResult, result: PeerResult): string[] {
  const { title: peer, samples } = result;
  const of = (pick: (sample: Sample) => number | undefined, text: (value: number) => string) => {
    const value = medianOf(samples.map(pick));
    return value === undefined ? "" : text(value);
  };
  return [
    title,
    peer,
    spread(samples),
    limit === undefined ? "" : `${(wall(result) / limit.sample.wallMs).toFixed(2)} of \`${limit.name}\``,
    of(({ cpuMs }) => cpuMs, ms),
    of(({ peakBytes }) => peakBytes, mb),
    of(({ writtenBytes }) => writtenBytes, mb),
  ];
}

function problems(workloads: readonly WorkloadResult[]): string {
  const told = workloads.flatMap(({ title, peers }) =>
    peers
      .filter(({ problem }) => problem !== undefined)
      .map(({ title: peer, problem }) => `- ${title}, ${peer}: ${problem!.split("\n")[0]}`),
  );
  return told.length === 0 ? "" : `Not measured:\n${told.join("\n")}`;
}

function spread(samples: readonly Sample[]): string {
  const walls = samples.map(({ wallMs }) => wallMs);
  return walls.length === 1
    ? ms(walls[0]!)
    : `${ms(median(walls))} (${ms(Math.min(...walls))}–${ms(Math.max(...walls))})`;
}

function wall({ samples }: PeerResult): number {
  return median(samples.map(({ wallMs }) => wallMs));
}

function cpu(peer: PeerResult | undefined): number | undefined {
  return peer === undefined ? undefined : medianOf(peer.samples.map(({ cpuMs }) => cpuMs));
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
