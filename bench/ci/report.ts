// The tables of the CI benchmark: medians and spread of each job, its phases and bytes, and the promises of docs/caching.md as ratios.

import { cpus, release, totalmem } from "node:os";
import { mb } from "../measure.ts";
import type { Contestant, Job, JobResult } from "./contestants.ts";

type Results = ReadonlyMap<Contestant, ReadonlyMap<Job, readonly JobResult[]>>;

const jobNames: Readonly<Record<Job, string>> = {
  plain: "cold, no cache, all loaded",
  export: "cold, cache exported, all loaded",
  restored: "cache restored, nothing changed, all loaded",
  changed: "cache restored, one line changed, cache exported, one loaded",
};

/** Markdown. */
export function report(results: Results): string {
  const machine = `${cpus().length} processors (${cpus()[0]?.model ?? "unknown"}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}`;
  const rounds = Math.max(...[...results.values()].flatMap((jobs) => [...jobs.values()].map((each) => each.length)));
  const head = [
    "job",
    "by",
    "wall, median (least-most)",
    "CPU",
    "restore",
    "build",
    "load",
    "export",
    "cache",
    "sent",
    "peak memory",
  ];
  const rows = (["plain", "export", "restored", "changed"] as const).flatMap((job) =>
    [...results].flatMap(([{ name }, jobs]) => {
      const runs = jobs.get(job);
      return runs === undefined ? [] : [row(jobNames[job], name, runs)];
    }),
  );
  const table = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  return `${machine}; ${rounds} rounds\n\n${table}\n\n${promises(results)}\n`;
}

function row(job: string, name: string, runs: readonly JobResult[]): string[] {
  const walls = runs.map(({ wallMs }) => wallMs);
  const phase = (pick: (result: JobResult) => number | undefined) => {
    const values = runs.map(pick).filter((each) => each !== undefined);
    return values.length === 0 ? "" : seconds(median(values));
  };
  const bytes = (pick: (result: JobResult) => number | undefined) => {
    const value = pick(runs.at(-1)!);
    return value === undefined ? "" : mb(value);
  };
  return [
    job,
    name,
    `${seconds(median(walls))} (${seconds(Math.min(...walls))}-${seconds(Math.max(...walls))})`,
    phase(({ cpuMs }) => cpuMs),
    phase(({ restoreMs }) => (restoreMs === 0 ? undefined : restoreMs)),
    phase(({ phases }) => phases?.buildMs),
    phase(({ phases }) => phases?.loadMs),
    phase(({ phases, cacheBytes }) => (cacheBytes === undefined ? undefined : phases?.exportMs)),
    bytes(({ cacheBytes }) => cacheBytes),
    bytes(({ phases }) => phases?.sentBytes),
    mb(Math.max(...runs.map(({ peakBytes }) => peakBytes))),
  ];
}

/** The ratios, of medians, with the targets. */
function promises(results: Results): string {
  const find = (id: string, job: Job) => [...results].find(([each]) => each.id === id)?.[1].get(job);
  const lines: string[][] = [
    ["promise", "wall", "CPU", "target"],
    ["---", "---", "---", "---"],
  ];
  const add = (
    what: string,
    ours: readonly JobResult[] | undefined,
    theirs: readonly JobResult[] | undefined,
    target: string,
  ) => {
    if (ours === undefined || theirs === undefined) return;
    const ratio = (pick: (result: JobResult) => number) =>
      (median(ours.map(pick)) / median(theirs.map(pick))).toFixed(2);
    lines.push([what, ratio(({ wallMs }) => wallMs), ratio(({ cpuMs }) => cpuMs ?? Number.NaN), target]);
  };
  for (const [id, engine] of [
    ["slipway-run", "run from its store"],
    ["slipway-20", "Docker 20.10"],
    ["slipway-28", "Docker 28"],
  ] as const) {
    const plain = find(id, "plain");
    add(`${engine}: restored / own plain cold job`, find(id, "restored"), plain, "0.15");
    add(`${engine}: one line changed / own plain cold job`, find(id, "changed"), plain, "0.20");
    add(
      `${engine}: one line changed / BuildKit's same job`,
      find(id, "changed"),
      find("buildkit-28", "changed"),
      "0.35",
    );
    add(`${engine}: cold with export / own cold without`, find(id, "export"), plain, "1.05");
    add(`${engine}: restored / docker build six in turn`, find(id, "restored"), find("docker-20", "plain"), "0.15");
    add(
      `${engine}: one line changed / docker build six in turn`,
      find(id, "changed"),
      find("docker-20", "plain"),
      "0.20",
    );
  }
  const [ours, theirs] = [find("slipway-28", "export") ?? find("slipway-20", "export"), find("buildkit-28", "export")];
  const [own, other] = [ours?.at(-1)?.cacheBytes, theirs?.at(-1)?.cacheBytes];
  if (own !== undefined && other !== undefined)
    lines.push(["bytes of six caches / BuildKit's six folders", (own / other).toFixed(2), "", "0.50"]);
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
