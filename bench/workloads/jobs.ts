// The whole CI job: six services baked on a fresh runner, cold, from the cache that the last job left, and after a line was changed; images are run at
// the end. `npm run bench -- ci` is the same on a Debian base, with the phases of each job and more contestants.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CpuGroup } from "../ci/cpu-group.ts";
import { contestants, runJob } from "../ci/contestants.ts";
import type { Bench, Job } from "../ci/contestants.ts";
import { fullSize, quickSize, writeServices } from "../ci/services.ts";
import type { Lab, Peer, Sample, Workload } from "../harness/types.ts";
import { groupOf } from "../peers/programs.ts";

const contestantIds = new Map([
  ["slipway", "slipway-run"],
  ["docker-28", "buildkit-28"],
]);
const elsewhere = "its jobs are in `npm run bench -- ci`";
const without = {
  "slipway-daemon": "the embedded builder bakes",
  "docker-20": elsewhere,
  "docker-20-buildkit": elsewhere,
  buildkitd: "Docker 28 has it and can run the images",
  buildah: "no bake",
};

export function jobWorkloads(isQuick: boolean): Workload[] {
  const runner = new Runner(isQuick);
  const job = (id: string, which: Job, what: string): Workload => ({
    id,
    title: `six services baked on a fresh runner, ${what}`,
    without,
    rounds: 3,
    prepare: (lab) => runner.prepare(lab),
    warm: async (peer, lab) => {
      if (which !== "export") await runner.export(peer, lab);
    },
    round: (peer, lab) => runner.run(peer, lab, which),
  });
  return [
    { ...job("bake-cold", "export", "cold, cache exported"), rounds: 1, isVariant: true },
    { ...job("bake-restored", "restored", "nothing changed"), isVariant: true },
    { ...job("bake-changed", "changed", "one line changed"), target: { ratio: 0.35 } },
  ];
}

class Runner {
  readonly #isQuick: boolean;
  readonly #exported = new Set<string>();
  #bench: Bench | undefined;

  constructor(isQuick: boolean) {
    this.#isQuick = isQuick;
  }

  prepare(lab: Lab): void {
    if (this.#bench !== undefined) return;
    const folder = join(lab.folder, "bake");
    mkdirSync(folder);
    const contexts = { plain: join(folder, "plain"), changed: join(folder, "changed") };
    // Busybox works at a fifth of the speed of what Debian has, and installing is done by a job that is cold and by nobody else.
    const size = this.#isQuick ? quickSize : { ...fullSize, packages: fullSize.packages / 2, effort: 1 };
    writeServices(contexts.plain, { isChanged: false, size });
    writeServices(contexts.changed, { isChanged: true, size });
    const { slipway, registry, base, discard } = lab;
    this.#bench = { group: new CpuGroup(groupOf(lab, "bake")), folder, slipway, registry, base, contexts, discard };
  }

  /** Once for each peer: the job that leaves the cache. */
  async export(peer: Peer, lab: Lab): Promise<void> {
    if (!this.#exported.has(peer.id)) await this.run(peer, lab, "export");
  }

  async run(peer: Peer, lab: Lab, job: Job): Promise<Sample> {
    this.prepare(lab);
    const contestant = contestants.find(({ id }) => id === contestantIds.get(peer.id))!;
    const { wallMs, cpuMs, peakBytes } = await runJob(this.#bench!, contestant, job);
    if (job === "export") this.#exported.add(peer.id);
    return { wallMs, cpuMs, peakBytes, writtenBytes: undefined };
  }
}
