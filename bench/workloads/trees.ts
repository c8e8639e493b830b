// Contexts: a large file, many small ones; new to the builder and unchanged.

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../measure.ts";
import type { Output, Sample, Workload } from "../harness/types.ts";
import { context, manyFiles, RoundContexts, settle, writeLarge } from "./contexts.ts";

const LONG = "takes many minutes to see these files once, and is far from the fastest with a quarter of them";

const NOWHERE: Output = { kind: "none" };

export function treeWorkloads(isQuick: boolean): Workload[] {
  const small = isQuick ? 300 : 50_000;
  const many = isQuick ? 600 : 200_000;
  const big = isQuick ? 5_000_000 : 500_000_000;
  return [
    cold("context-files", `COPY of ${small} small files, new`, files(small), { ratio: 0.4 }),
    unchanged("context-files-unchanged", `${small} small files, unchanged`, files(small), { ratio: 0.2 }),
    cold("context-large", `COPY of one file of ${big / 1e6} MB, new`, largeFile(big)),
    {
      ...unchanged("context-large-unchanged", `one file of ${big / 1e6} MB, unchanged`, largeFile(big)),
      isVariant: true,
    },
    {
      ...unchanged("context-many-unchanged", `${many} small files, unchanged`, files(many)),
      isVariant: true,
      rounds: 3,
      without: { buildah: LONG, "docker-20": LONG },
    },
  ];
}

type Fill = (dir: string) => void;

function files(count: number): Fill {
  return (dir) => manyFiles(join(dir, "data"), count, randomBytes(8).toString("hex"));
}

function largeFile(bytes: number): Fill {
  return (dir) => {
    writeFileSync(join(dir, "salt"), randomBytes(8));
    writeLarge(join(dir, "data"), bytes);
  };
}

/**
 * A context for each round that no peer has seen. All stay until the end: ext4 looks at the numbers of files that were deleted
 * in the last half minute each time that it makes one near them, which takes three times as long as everything else.
 */
function cold(id: string, title: string, fill: Fill, target?: Workload["target"]): Workload {
  const contexts = new RoundContexts(id, "FROM scratch\nCOPY . /\n", fill);
  return {
    id,
    title,
    ...(target === undefined ? {} : { target }),
    rounds: 3,
    // What the workload before this one deleted counts too.
    prepare: (lab) => (lab.isQuick || lab.isOwn ? undefined : sleep(40_000)),
    round: (peer, lab, round) => {
      const dir = contexts.of(lab, round);
      settle(lab);
      return peer.build({ context: dir, output: NOWHERE });
    },
    finish: (lab) => contexts.discard(lab),
    limit: (lab) => {
      const copied = join(lab.folder, "copied");
      const sample = bare(["cp", "-a", contexts.of(lab, 0), copied]);
      lab.discard(copied);
      return { name: "cp -a", sample };
    },
  };
}

function unchanged(id: string, title: string, fill: Fill, target?: Workload["target"]): Workload {
  let dir = "";
  return {
    id,
    title,
    ...(target === undefined ? {} : { target }),
    prepare: (lab) => {
      dir = context(lab, id, "FROM scratch\nCOPY . /\n", fill);
    },
    warm: async (peer, lab) => {
      await peer.build({ context: dir, output: NOWHERE });
      if (!lab.isQuick) await peer.build({ context: dir, output: NOWHERE });
    },
    round: (peer) => peer.build({ context: dir, output: NOWHERE }),
    limit: () => ({ name: "find -printf", sample: bare(["find", dir, "-printf", "%s %T@ %C@\n"]) }),
  };
}

/** A bare command's time. */
export function bare(argv: readonly string[]): Sample {
  const done = run(argv);
  return { wallMs: done.wallMs, cpuMs: done.cpuMs, peakBytes: done.peakBytes, writtenBytes: undefined };
}
