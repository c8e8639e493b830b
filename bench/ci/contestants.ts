// Who takes part in the CI benchmark, and how each does a job: a fresh engine, a fresh store, commands as a workflow has them.

import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CpuGroup } from "./cpu-group.ts";
import { DockerPeer } from "../../test/integration/peers.ts";
import { run } from "../measure.ts";
import { readPhases } from "./phases.ts";
import type { Phases } from "./phases.ts";
import { changedService, greeting, imageName, serviceNames, writeBakeFile } from "./services.ts";

export type Job = (typeof allJobs)[number];
export type Tool = "slipway" | "slipway-run" | "buildx" | "docker" | "docker-buildkit";

export interface Contestant {
  readonly id: string;
  readonly name: string;
  /** Absent: images are run from the builder's own store. */
  readonly engine?: "classic" | "modern";
  readonly tool: Tool;
  readonly jobs: readonly Job[];
}

/** In their order: later ones need what earlier ones leave. */
export const allJobs = ["plain", "export", "restored", "changed"] as const;

export const contestants: readonly Contestant[] = [
  { id: "slipway-run", name: "Slipway, run from its store", tool: "slipway-run", jobs: allJobs },
  { id: "slipway-20", name: "Slipway, into Docker 20.10", engine: "classic", tool: "slipway", jobs: allJobs },
  { id: "slipway-28", name: "Slipway, into Docker 28", engine: "modern", tool: "slipway", jobs: allJobs },
  { id: "buildkit-28", name: "Docker 28's BuildKit, buildx bake", engine: "modern", tool: "buildx", jobs: allJobs },
  {
    id: "docker-20",
    name: "Docker 20.10, docker build, six in turn",
    engine: "classic",
    tool: "docker",
    jobs: ["plain"],
  },
  {
    id: "docker-20-buildkit",
    name: "Docker 20.10, DOCKER_BUILDKIT=1, six in turn",
    engine: "classic",
    tool: "docker-buildkit",
    jobs: ["plain"],
  },
];

export interface JobResult {
  readonly wallMs: number;
  readonly restoreMs: number;
  /** Of builder, engine and steps. */
  readonly cpuMs: number | undefined;
  /** Most that the builder's own processes held at once. */
  readonly peakBytes: number;
  readonly phases: Phases | undefined;
  /** Of the cache folders after the job; undefined without a cache. */
  readonly cacheBytes: number | undefined;
  readonly cacheFolders: number;
}

export interface Bench {
  readonly group: CpuGroup;
  readonly folder: string;
  readonly slipway: string;
  readonly registry: string;
  readonly base: string;
  /** Contexts of the services: as they are, and with the changed line. */
  readonly contexts: { readonly plain: string; readonly changed: string };
  /** Frees the space of a file or folder; no-op where there is nothing. */
  readonly discard: (path: string) => void;
}

/** Runs one job from nothing to the end; the cache that it leaves replaces the contestant's earlier one. @throws when a result is wrong. */
export async function runJob(bench: Bench, contestant: Contestant, job: Job): Promise<JobResult> {
  const { tool } = contestant;
  const { group } = bench;
  const work = join(bench.folder, "job");
  bench.discard(work);
  const contexts = join(work, "project");
  cpSync(job === "changed" ? bench.contexts.changed : bench.contexts.plain, contexts, { recursive: true });
  const loaded = job === "changed" ? [changedService] : serviceNames;
  const saved = join(bench.folder, "saved", contestant.id);
  settle();
  const cache = join(contexts, "cache");
  const cacheDir = (service: string) => (tool === "buildx" ? `cache/${service}` : "cache");
  const usesCache = job !== "plain";
  writeBakeFile(contexts, {
    base: bench.base,
    loaded,
    isKept: tool === "slipway-run",
    cacheFrom: job === "restored" || job === "changed" ? (name) => `type=local,src=${cacheDir(name)}` : undefined,
    cacheTo: job === "export" || job === "changed" ? (name) => `type=local,dest=${cacheDir(name)},mode=max` : undefined,
  });
  let result: JobResult;
  {
    await using engine =
      contestant.engine === undefined
        ? undefined
        : await DockerPeer.start(bench.registry, contestant.engine, {
            cgroup: group.path,
            parent: bench.folder,
            ownNetwork: true,
            remove: bench.discard,
          });
    const before = group.usedMs();
    const restored = job === "restored" || job === "changed" ? run(["cp", "-a", saved, cache]) : undefined;
    const state = join(work, "state");
    const built =
      tool === "docker" || tool === "docker-buildkit"
        ? inTurn(bench, tool, engine!, contexts)
        : bake(bench, tool, engine, contexts, state);
    const after = group.usedMs();
    const sizes = usesCache ? folderBytes(cache) : undefined;
    result = {
      wallMs: built.wallMs + (restored?.wallMs ?? 0),
      restoreMs: restored?.wallMs ?? 0,
      cpuMs:
        before === undefined || after === undefined ? undefined : built.cpuMs + (restored?.cpuMs ?? 0) + after - before,
      peakBytes: tool.startsWith("slipway") ? built.peakBytes : built.peakBytes + peakOf(engine!.pid),
      phases: built.phases,
      cacheBytes: sizes,
      cacheFolders: usesCache && tool === "buildx" ? serviceNames.length : 1,
    };
    for (const service of loaded) {
      const args = ["run", "--rm", "--network", "none", imageName(service)];
      const said =
        engine === undefined
          ? run([bench.slipway, "--root", state, ...args], { env: ours() })
          : await engine.docker(args);
      check(said.stdout, service, job === "changed");
    }
  }
  if (job === "export") {
    bench.discard(saved);
    mkdirSync(join(bench.folder, "saved"), { recursive: true });
    run(["cp", "-a", cache, saved]);
  }
  bench.discard(work);
  return result;
}

/** What the job before left to be written, and the memory that it filled, are not this one's: the same job took twice as long after another. */
function settle(): void {
  run(["sync"]);
  writeFileSync("/proc/sys/vm/drop_caches", "3");
}

interface Built {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly phases: Phases | undefined;
}

function ours(engine?: DockerPeer): NodeJS.ProcessEnv {
  return { ...process.env, DOCKER_HOST: engine?.host, SLIPWAY_NAMESPACE: undefined };
}

function bake(bench: Bench, tool: Tool, engine: DockerPeer | undefined, contexts: string, root: string): Built {
  const { argv, env } = tool === "buildx" ? engine!.buildxCommand : { argv: [bench.slipway], env: ours(engine) };
  const state = tool === "buildx" ? [] : ["--root", root];
  // Attestations are left out: the engine's own builder makes them for some outputs, and they say nothing of the job.
  const plain = tool === "buildx" ? ["--provenance=false"] : [];
  const done = run(
    [...argv, "bake", ...state, ...plain, "-f", "docker-bake.json", "--allow", "fs=*", "--progress", "rawjson"],
    {
      cwd: contexts,
      env,
    },
  );
  return { ...done, phases: readPhases(done.stderr) };
}

function inTurn(bench: Bench, tool: "docker" | "docker-buildkit", engine: DockerPeer, contexts: string): Built {
  const env = { ...process.env, DOCKER_HOST: engine.host, DOCKER_BUILDKIT: tool === "docker" ? "0" : "1" };
  const runs = serviceNames.map((service) =>
    run(["/usr/bin/docker", "build", "-t", imageName(service), "--build-arg", `BASE=${bench.base}`, service], {
      cwd: contexts,
      env,
    }),
  );
  return {
    wallMs: runs.reduce((sum, each) => sum + each.wallMs, 0),
    cpuMs: runs.reduce((sum, each) => sum + each.cpuMs, 0),
    peakBytes: Math.max(...runs.map((each) => each.peakBytes)),
    phases: undefined,
  };
}

const seen = new Map<string, string>();

/** What a loaded image said when it was run: it must say what its sources say, and hold what everybody else's holds. */
function check(stdout: string, service: string, isChanged: boolean): void {
  const wanted = greeting(service, isChanged);
  if (!stdout.startsWith(`${wanted} modules `))
    throw new Error(`${service}: said ${JSON.stringify(stdout)}, not ${wanted}`);
  const known = seen.get(wanted);
  if (known !== undefined && known !== stdout)
    throw new Error(`${service}: said ${stdout} where another builder's said ${known}`);
  seen.set(wanted, stdout);
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => statSync(join(folder, path)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}

/** Largest resident sets of an engine's main process and of the children that it has, added. */
function peakOf(pid: number): number {
  const peak = (each: number) =>
    Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${each}/status`, "utf8"))?.[1] ?? 0) * 1024;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  return [pid, ...children.map(Number)].reduce((sum, each) => sum + peak(each), 0);
}
