// The comparison: every peer that this machine has, every workload, in interleaved rounds on fresh state; results are checked, figures
// printed, and written as JSON and as a page. `npm run bench [-- NAME…] [--quick] [--rounds N] [--peers ID,…] [--out FOLDER] [--list]`.

import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startBaseRegistry } from "./ci/base-image.ts";
import { ownDisk } from "./harness/own-disk.ts";
import { enterOwnNamespaces, folderFromOutside } from "./harness/own-namespaces.ts";
import { page } from "./harness/page.ts";
import { markdown } from "./harness/report.ts";
import { runWorkload } from "./harness/rounds.ts";
import { Unsupported } from "./harness/types.ts";
import type { Lab, Peer, PeerKind, Report, WorkloadResult } from "./harness/types.ts";
import { buildah, buildkitd, docker20, docker20BuildKit, docker28, slipway, slipwayDaemon } from "./peers/index.ts";
import { curves } from "./scaling/index.ts";
import type { Curve } from "./scaling/types.ts";
import { allWorkloads } from "./workloads/index.ts";

const kinds: readonly PeerKind[] = [slipway, slipwayDaemon, docker28, docker20, docker20BuildKit, buildkitd, buildah];

/** Runs it; prints as it goes, the tables at the end. All that it makes is in `folder`, which is the caller's to remove. */
export async function compare(args: readonly string[], program: string, folder: string): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      rounds: { type: "string" },
      peers: { type: "string" },
      out: { type: "string" },
    },
  });
  const isQuick = values.quick;
  const workloads = allWorkloads(isQuick);
  if (values.list) {
    console.log([...workloads.map(({ id, title }) => `${id}: ${title}`), "scaling: cost against size"].join("\n"));
    return;
  }
  const known = [...workloads.map(({ id }) => id), "scaling"];
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`no workload ${unknown}; there are ${known.join(", ")}`);
  if (folderFromOutside() === undefined) return enterOwnNamespaces(args, folder);
  const wants = (id: string) => positionals.length === 0 || positionals.includes(id);
  // A quick run only shows that all works: every kind of peer once, not every engine.
  const chosen = choosePeers(
    (values.peers ?? (isQuick ? "slipway,slipway-daemon,docker-28,buildah" : undefined))?.split(","),
  );
  const rounds = Number(values.rounds ?? (isQuick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds}: a number from 1`);
  const isForAll = isQuick || values.rounds !== undefined;
  const loadBefore = loadavg()[0]!;
  const started = new Date();
  await using stack = new AsyncDisposableStack();
  const { discard, isOwn } = stack.use(ownDisk(folder, (line) => console.log(line)));
  const registry = stack.use(await startBaseRegistry(join(folder, "registry"), { kind: "busybox", slipway: program }));
  const lab: Lab = { folder, slipway: program, registry: registry.host, base: registry.base, isQuick, discard, isOwn };
  const peers: Peer[] = [];
  const missing = [...chosen.missing];
  const asked = workloads.filter(
    ({ id, isVariant = false }) => wants(id) && !(isQuick && isVariant && positionals.length === 0),
  );
  for (const kind of asked.length === 0 ? [] : chosen.present) {
    try {
      peers.push(stack.use(await kind.start(lab)));
    } catch (error) {
      // Another's engine may not run on this machine; that is no failure of ours.
      if (kind.id.startsWith("slipway")) throw error;
      const why = `did not start: ${String(error).split("\n")[0]}`;
      console.log(`${kind.title} is left out: ${why}`);
      missing.push({ title: kind.title, why });
    }
  }
  const results: WorkloadResult[] = [];
  const out = values.out ?? "bench-results";
  let plots: readonly Curve[] = [];
  // After each workload, so that a run that does not come to its end leaves what it measured.
  const write = (): Report => {
    const report: Report = {
      machine: {
        processors: cpus().length,
        model: cpus()[0]?.model ?? "unknown",
        memoryBytes: totalmem(),
        kernel: release(),
        loads: [loadBefore, loadavg()[0]!],
        date: `${minute(started)} to ${minute(new Date())} UTC`,
      },
      rounds,
      workloads: results,
      missingPeers: missing,
      curves: plots,
    };
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, "report.json"), JSON.stringify(report, undefined, 1));
    writeFileSync(join(out, "report.html"), page(report));
    writeFileSync(join(out, "report.md"), `${markdown(report)}\n`);
    return report;
  };
  for (const workload of asked) {
    console.log(`${workload.id}: ${workload.title}`);
    try {
      results.push(await runWorkload(workload, { lab, peers, rounds, isForAll, tell: (line) => console.log(line) }));
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      console.log(`  left out: ${error.message}`);
    }
    write();
  }
  if (wants("scaling")) plots = await curves(lab, (line) => console.log(line));
  const report = write();
  console.log(`\n${markdown(report)}`);
  console.log(`\nwritten: ${join(out, "report.json")}, report.html, report.md`);
}

function minute(date: Date): string {
  return date.toISOString().slice(0, 16).replace("T", " ");
}

function choosePeers(ids: readonly string[] | undefined): {
  readonly present: readonly PeerKind[];
  readonly missing: readonly { readonly title: string; readonly why: string }[];
} {
  const unknown = ids?.find((id) => !kinds.some((kind) => kind.id === id));
  if (unknown !== undefined) throw new Error(`no peer ${unknown}; there are ${kinds.map(({ id }) => id).join(", ")}`);
  const asked = kinds.filter(({ id }) => ids === undefined || ids.includes(id));
  const missing = asked.flatMap((kind) => {
    const why = kind.missing();
    return why === undefined ? [] : [{ kind, title: kind.title, why }];
  });
  for (const { title, why } of missing) console.log(`${title} is left out: ${why}`);
  return { present: asked.filter((kind) => !missing.some((each) => each.kind === kind)), missing };
}
