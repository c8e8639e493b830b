// The cache as a folder, many builds at once, garbage collection, and the start of the command itself.

import { join } from "node:path";
import { run } from "../measure.ts";
import { buildxProgram } from "../../test/integration/peers.ts";
import { Unsupported } from "../harness/types.ts";
import type { CachePlace, Lab, Output, Sample, Workload } from "../harness/types.ts";
import { context, fresh, manyFiles } from "./contexts.ts";
import { bare } from "./trees.ts";

const NOWHERE: Output = { kind: "none" };
const noExport = "no cache export but within images";
const withoutExport = { "docker-20": noExport, "docker-20-buildkit": noExport };
const withoutPlace = {
  folder: { ...withoutExport, buildah: "no cache export to a folder" },
  registry: { ...withoutExport, buildah: "pushes an image for each step while it builds: not compared" },
};

export function storeWorkloads(isQuick: boolean): Workload[] {
  return [
    cacheExport(isQuick, { id: "cache-export", place: "folder", mode: "max" }, { ratio: 0.3 }),
    cacheExport(isQuick, { id: "cache-export-min", place: "folder", mode: "min" }),
    cacheExport(isQuick, { id: "cache-export-registry", place: "registry", mode: "max" }),
    cacheImport(isQuick, { id: "cache-import", place: "folder" }),
    cacheImport(isQuick, { id: "cache-import-registry", place: "registry" }),
    atOnce(isQuick ? 3 : 16),
    collect(isQuick),
    start("--help", { ms: 80 }),
    start("--version"),
  ];
}

/** Three layers: 5,000 files, a large file made by a step, and a small one. */
function cachedContext(lab: Lab, id: string, isQuick: boolean): string {
  const file = `FROM ${lab.base}\nARG SALT\nCOPY data /data\nRUN dd if=/dev/urandom of=/large bs=1M count=${isQuick ? 1 : 100} 2>/dev/null && echo $SALT\nRUN echo $SALT > /small\n`;
  return context(lab, id, file, (to) => manyFiles(join(to, "data"), isQuick ? 100 : 5000));
}

interface CacheKind {
  readonly id: string;
  readonly place: CachePlace["kind"];
}

function cachePlace(lab: Lab, place: CachePlace["kind"], name: string): CachePlace {
  return place === "folder"
    ? { kind: "folder", path: join(lab.folder, name) }
    : { kind: "registry", name: `${lab.registry}/bench/${name}:1` };
}

const placeNames = { folder: "a folder", registry: "a registry" };

function cacheExport(
  isQuick: boolean,
  { id, place, mode }: CacheKind & { readonly mode: "min" | "max" },
  target?: Workload["target"],
): Workload {
  let dir = "";
  return {
    id,
    title: `cache export to ${placeNames[place]}, mode=${mode}, after the build`,
    ...(target === undefined ? { isVariant: true } : { target }),
    without: withoutPlace[place],
    prepare: (lab) => {
      dir = cachedContext(lab, id, isQuick);
    },
    round: async (peer, lab) => {
      const salt = fresh();
      // What a registry has, it would not be sent again.
      const to = cachePlace(lab, place, place === "folder" ? "cache-out" : `${id}-${peer.id}-${salt}`);
      if (to.kind === "folder") lab.discard(to.path);
      const args = { SALT: salt };
      await peer.build({ context: dir, output: NOWHERE, args });
      return peer.build({ context: dir, output: NOWHERE, args, cacheTo: { ...to, mode } });
    },
  };
}

/** A fresh store and a cache: nothing is run again, and a layout is written. */
function cacheImport(isQuick: boolean, { id, place }: CacheKind): Workload {
  let dir = "";
  return {
    id,
    title: `fresh store, cache from ${placeNames[place]}, image as a layout`,
    ...(place === "folder" ? {} : { isVariant: true }),
    without: withoutPlace[place],
    prepare: (lab) => {
      dir = cachedContext(lab, id, isQuick);
    },
    warm: async (peer, lab) => {
      await peer.build({
        context: dir,
        output: NOWHERE,
        args: { SALT: "one" },
        cacheTo: { ...cachePlace(lab, place, `cache-${peer.id}`), mode: "max" },
      });
    },
    round: async (peer, lab) => {
      await peer.reset();
      const path = join(lab.folder, "imported.tar");
      const cacheFrom = cachePlace(lab, place, `cache-${peer.id}`);
      const sample = await peer.build({
        context: dir,
        output: { kind: "layout", path, compression: "gzip" },
        args: { SALT: "one" },
        cacheFrom,
      });
      lab.discard(path);
      return sample;
    },
  };
}

function atOnce(count: number): Workload {
  let dirs: string[] = [];
  return {
    id: "16-builds",
    title: `${count} builds at once, each with a step of its own`,
    prepare: (lab) => {
      dirs = Array.from({ length: count }, (_, at) =>
        context(
          lab,
          `at-once-${at}`,
          `FROM ${lab.base}\nARG SALT\nRUN echo shared > /shared\nRUN echo $SALT ${at} > /own\n`,
        ),
      );
    },
    warm: async (peer, lab) => {
      if (!lab.isQuick) await peer.build({ context: dirs[0]!, output: NOWHERE, args: { SALT: "warm" } });
    },
    round: (peer) => {
      const args = { SALT: fresh() };
      return peer.buildAll(dirs.map((dir) => ({ context: dir, output: NOWHERE, args })));
    },
  };
}

/** Only ours: other stores would need an hour to be filled. */
function collect(isQuick: boolean): Workload {
  const [files, copies] = isQuick ? [2, 10] : [100, 100];
  const why = "only Slipway's store is filled: with a peer it takes too long";
  return {
    id: "collect",
    title: `prune of a store with ${(files * copies).toLocaleString("en")} records`,
    rounds: 1,
    without: Object.fromEntries(
      ["slipway-daemon", "docker-20", "docker-20-buildkit", "docker-28", "buildkitd", "buildah"].map((id) => [id, why]),
    ),
    prepare: () => undefined,
    round: (_peer, lab): Promise<Sample> => {
      const root = join(lab.folder, "collect-root");
      for (let file = 0; file < files; file++) {
        const lines = Array.from({ length: copies }, (_, at) => `COPY f /${file}-${at}\n`).join("");
        const dir = context(lab, `collect-${file}`, `FROM scratch\n${lines}`, (to) => manyFiles(join(to, "f"), 1));
        run([lab.slipway, "build", "--root", root, "--progress", "quiet", "-o", "type=cacheonly", dir]);
      }
      const records = () =>
        run([lab.slipway, "du", "--root", root, "--format", "json"]).stdout.split("\n").filter(Boolean).length;
      const before = records();
      if (before < files * copies) throw new Error(`the store has ${before} records, not ${files * copies}`);
      const sample = bare([lab.slipway, "prune", "--root", root, "-a", "-f"]);
      const after = records();
      console.log(`  ${before} records before, ${after} after`);
      if (after > 0) throw new Error(`the emptied store has ${after} records`);
      lab.discard(root);
      return Promise.resolve(sample);
    },
  };
}

function start(flag: string, target?: Workload["target"]): Workload {
  return {
    id: `start${flag}`,
    title: `start-up, \`${flag}\``,
    ...(target === undefined ? {} : { target }),
    rounds: 9,
    without: { "slipway-daemon": "the same command", "docker-20-buildkit": "the same command" },
    prepare: () => undefined,
    round: (peer, lab) => {
      const commands: Record<string, readonly string[]> = {
        slipway: [lab.slipway, flag],
        "docker-28": [buildxProgram, ...(flag === "--version" ? ["version"] : [flag])],
        "docker-20": ["docker", flag],
        buildah: ["buildah", flag],
      };
      const argv = commands[peer.id];
      if (argv === undefined) throw new Unsupported("no client of its own");
      return Promise.resolve(bare(argv));
    },
  };
}
