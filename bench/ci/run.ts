// The whole CI job, measured: six services built cold, with cache export, from a restored cache, and with one changed line, by Slipway,
// by Docker 28's BuildKit and by plain Docker 20.10. `npm run bench -- ci [--quick] [--state DIR] [--rounds N] [--only ID,…] [--jobs JOB,…] [--effort N]`.
// Every job starts from an empty store and a new engine; the rounds of all contestants go in turns, so that all meet the same machine.
// It runs in namespaces of its own, where the engines' bridge disturbs nobody's.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { withoutClassicDocker, withoutDocker } from "../../test/integration/peers.ts";
import { startBaseRegistry } from "./base-image.ts";
import { CpuGroup } from "./cpu-group.ts";
import { allJobs, contestants, runJob } from "./contestants.ts";
import type { Contestant, Job, JobResult } from "./contestants.ts";
import { enterOwnNamespaces, folderFromOutside } from "../harness/own-namespaces.ts";
import { report } from "./report.ts";
import { fullSize, quickSize, writeServices } from "./services.ts";

/** Runs the benchmark; prints as it goes, and the tables at the end. What it makes is in `home`, which is the caller's to remove. */
export async function benchCi(args: readonly string[], slipway: string, home: string): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      state: { type: "string" },
      rounds: { type: "string" },
      only: { type: "string" },
      jobs: { type: "string", default: "plain,export,restored,changed" },
      effort: { type: "string" },
      json: { type: "string" },
    },
  });
  const kind = values.quick ? "busybox" : "debian";
  if (folderFromOutside() === undefined) {
    const state = values.state ?? mkdtempSync(join(benchDir(), "slipway-bench-base-"));
    try {
      // The packages of the base image come from outside.
      await using _registry = await startBaseRegistry(state, { kind, slipway });
      await enterOwnNamespaces(["ci", ...args, "--state", state], home);
    } finally {
      if (values.state === undefined) rmSync(state, { recursive: true, force: true });
    }
    return;
  }
  const jobs = allJobs.filter((job) => values.jobs.split(",").includes(job));
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  const folder = join(home, "ci");
  mkdirSync(folder, { recursive: true });
  const group = new CpuGroup(`${basename(home)}-ci`);
  const chosen = chooseContestants(values.only?.split(","));
  try {
    await using registry = await startBaseRegistry(values.state!, { kind, slipway });
    const usual = values.quick ? quickSize : fullSize;
    const size = { ...usual, effort: Number(values.effort ?? usual.effort) };
    const contexts = { plain: join(folder, "plain"), changed: join(folder, "changed") };
    writeServices(contexts.plain, { isChanged: false, size });
    writeServices(contexts.changed, { isChanged: true, size });
    const discard = (path: string) => rmSync(path, { recursive: true, force: true });
    const bench = { group, folder, slipway, registry: registry.host, base: registry.base, contexts, discard };
    const results = new Map<Contestant, Map<Job, JobResult[]>>(chosen.map((each) => [each, new Map()]));
    for (let round = 0; round < rounds; round++) {
      for (const job of jobs) {
        // Each round begins with another, so that nobody always comes after the same one.
        const order = chosen.map((_, at) => chosen[(at + round) % chosen.length]!);
        for (const contestant of order.filter(({ jobs }) => jobs.includes(job))) {
          const result = await runJob(bench, contestant, job);
          const ofJob = results.get(contestant)!;
          ofJob.set(job, [...(ofJob.get(job) ?? []), result]);
          console.log(progressLine(round, contestant, job, result));
          if (values.json !== undefined) writeJson(values.json, results);
        }
      }
    }
    console.log(`\n${report(results)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await group.remove();
  }
}

function writeJson(path: string, results: ReadonlyMap<Contestant, ReadonlyMap<Job, readonly JobResult[]>>): void {
  const plain = [...results].map(([{ id }, jobs]) => ({ id, jobs: Object.fromEntries(jobs) }));
  writeFileSync(path, JSON.stringify(plain, undefined, 1));
}

function benchDir(): string {
  return process.env["SLIPWAY_BENCH_DIR"] ?? tmpdir();
}

function chooseContestants(ids: readonly string[] | undefined): Contestant[] {
  const unknown = ids?.find((id) => !contestants.some((each) => each.id === id));
  if (unknown !== undefined)
    throw new Error(`no contestant ${unknown}; there are ${contestants.map(({ id }) => id).join(", ")}`);
  return contestants.filter((each) => {
    if (ids !== undefined && !ids.includes(each.id)) return false;
    if (each.engine === undefined) return true;
    const reason = each.engine === "classic" ? withoutClassicDocker() : withoutDocker();
    if (reason !== false) console.log(`${each.name} is left out: ${reason}`);
    return reason === false;
  });
}

function progressLine(round: number, { id }: Contestant, job: Job, result: JobResult): string {
  const seconds = (ms: number | undefined) => (ms === undefined ? "?" : `${(ms / 1000).toFixed(1)} s`);
  const { phases } = result;
  const parts =
    phases === undefined
      ? ""
      : ` restore ${seconds(result.restoreMs)} build ${seconds(phases.buildMs)} load ${seconds(phases.loadMs)} export ${seconds(phases.exportMs)} ran ${phases.ranSteps}`;
  return `round ${round + 1} ${id} ${job}: ${seconds(result.wallMs)} (${seconds(result.cpuMs)} CPU)${parts}`;
}
