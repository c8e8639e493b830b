// What a container costs over the bare runtime: from "the image is built" (an engine is open, the image in its store) to the first byte
// of output, against `runc run` of the very same bundle on a mounted root, in turns. And what a supervisor weighs.
// `npm run bench containers [ROUNDS]`; needs root.

import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../../src/engine/index.ts";
import { findContainerRuntime } from "../../src/engine/executor/index.ts";
import { openContainers } from "../../src/running/containers/index.ts";
import type { ContainerConfig, Containers } from "../../src/running/containers/index.ts";
import { sweepNetworks } from "../../src/running/networks/index.ts";
import { mountOverlay, unmount } from "../../src/system/linux/index.ts";

const home = join(import.meta.dirname, "../..");

/** Prints the table. */
export async function benchContainers(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(process.env["SLIPWAY_BENCH_DIR"] ?? tmpdir(), "slipway-bench-"));
  const root = join(folder, "state");
  try {
    buildImage(folder, root);
    await using engine = await Engine.open({ root });
    await using containers = await openContainers({ root, engine });
    const rows: [string, number[]][] = [];
    using bare = await bareBundle(containers, folder);
    const measures: [string, () => Promise<number>][] = [
      ["bare runtime, same bundle", () => bare.firstOutputMs()],
      ["slipway, --network none", () => firstOutputMs(containers, "none")],
      ["slipway, --network host", () => firstOutputMs(containers, "host")],
      ["slipway, the default bridge", () => firstOutputMs(containers, "bridge")],
    ];
    for (const [name, measure] of measures) {
      await measure();
      rows.push([name, []]);
    }
    for (let round = 0; round < rounds; round++)
      for (const [at, [, measure]] of measures.entries()) rows[at]![1].push(await measure());
    const base = median(rows[0]![1]);
    console.log(
      `First output, ms (median of ${rounds}; least); over the bare runtime (${findContainerRuntime().path})`,
    );
    for (const [name, values] of rows) {
      const over = median(values) - base;
      console.log(
        `${name} | ${median(values).toFixed(1)} | ${Math.min(...values).toFixed(1)} | ${over >= 0 ? "+" : ""}${over.toFixed(1)}`,
      );
    }
    console.log(`A supervisor's memory, KiB | ${await supervisorKiB(containers)}`);
  } finally {
    // Whoever looks last takes away the bridge that nobody lives on.
    await sweepNetworks(root);
    rmSync(folder, { recursive: true, force: true });
  }
}

function buildImage(folder: string, root: string): void {
  const context = join(folder, "context");
  mkdirSync(context);
  copyFileSync("/bin/busybox", join(context, "busybox"));
  writeFileSync(
    join(context, "Dockerfile"),
    'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox","--install","-s","/bin"]\n',
  );
  const { status, stderr } = spawnSync(join(home, "slipway"), ["build", "-q", "--root", root, "-t", "box", context]);
  if (status !== 0) throw new Error(String(stderr));
}

function config(network: "none" | "host" | "bridge", command: readonly string[]): ContainerConfig {
  return {
    image: "box",
    command,
    env: [],
    labels: {},
    tty: false,
    openStdin: false,
    autoRemove: true,
    network: {
      mode: network === "bridge" ? { kind: "networks", endpoints: [{ network, aliases: [] }] } : { kind: network },
      ports: [],
      publishAll: false,
      exposed: [],
      dns: [],
      dnsSearch: [],
      dnsOptions: [],
      extraHosts: [],
    },
    mounts: [],
  };
}

async function firstOutputMs(containers: Containers, network: "none" | "host" | "bridge"): Promise<number> {
  const begun = performance.now();
  let first = 0;
  const { id } = await containers.create(config(network, ["echo", "x"]));
  const stdout = { write: () => void (first ||= performance.now()) };
  const attachment = await containers.start(id, { attach: { streams: { stdout } } });
  await attachment?.ended;
  return first - begun;
}

/** The bundle of a container that ran, on a root of its own. */
async function bareBundle(
  containers: Containers,
  folder: string,
): Promise<Disposable & { firstOutputMs(): Promise<number> }> {
  const { id, dir } = await containers.create({ ...config("none", ["echo", "x"]), autoRemove: false });
  await (
    await containers.start(id, { attach: { streams: {} } })
  )?.ended;
  const bundle = join(folder, "bundle");
  const rootfs = join(bundle, "rootfs");
  for (const each of [rootfs, join(bundle, "upper"), join(bundle, "work")]) mkdirSync(each, { recursive: true });
  const record = JSON.parse(readFileSync(join(dir, "config.json"), "utf8")) as { lower: string[] };
  mountOverlay(rootfs, { lower: record.lower.toReversed(), upper: join(bundle, "upper"), work: join(bundle, "work") });
  const spec = JSON.parse(readFileSync(join(dir, "bundle/config.json"), "utf8")) as {
    root: { path: string };
    linux: { namespaces: { type: string; path?: string }[]; cgroupsPath: string };
  };
  spec.root.path = rootfs;
  for (const namespace of spec.linux.namespaces) delete namespace.path;
  let count = 0;
  const { path } = findContainerRuntime();
  return {
    firstOutputMs: () => {
      const name = `slipway-bench-${process.pid}-${++count}`;
      spec.linux.cgroupsPath = `/slipway/${name}`;
      writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
      const begun = performance.now();
      const child = spawn(path, ["--root", join(folder, "runtime"), "run", "--bundle", bundle, name], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let first = 0;
      child.stdout.once("data", () => (first = performance.now()));
      return new Promise((resolve) => child.once("close", () => resolve(first - begun)));
    },
    [Symbol.dispose]: () => unmount(rootfs),
  };
}

async function supervisorKiB(containers: Containers): Promise<number> {
  const { id } = await containers.create(config("bridge", ["sleep", "1000"]));
  await containers.start(id);
  const { state } = await containers.inspect(id);
  const ofOne = (pid: number): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  const children = readFileSync(`/proc/${state.supervisorPid}/task/${state.supervisorPid}/children`, "utf8")
    .split(" ")
    .filter(Boolean)
    .map(Number);
  // With the helper of its network; the container's own process is not it.
  const all = [state.supervisorPid, ...children.filter((pid) => pid !== state.pid)];
  const sum = all.reduce((total, pid) => total + ofOne(pid), 0);
  await containers.remove(id, { force: true }).catch(() => undefined);
  return sum;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
