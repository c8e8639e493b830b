// What the dead left. A supervisor that was killed took its container, mounts and namespaces along; its control groups, the rules of its
// ports and, with `--rm`, its files are left to the next command that looks. So is all of another boot, and half-made containers.

import { readdirSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { runToEnd } from "../../system/process/index.ts";
import { sweepNetworks } from "../networks/index.ts";
import { dropUnborn } from "../volumes/index.ts";
import { isLocked } from "./container-store.ts";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";
import { logEvent } from "./events.ts";
import { finishRemovals, removeContainer, removeOutside } from "./remove.ts";
import { cgroupPath, ownPids, removals } from "./start-file.ts";
import { lookAt, noteKilled } from "./state.ts";

const CGROUPS = "/sys/fs/cgroup";

/** Never fails for what can't be cleared away; costs a look at each container. */
export async function sweepContainers(store: ContainerStore): Promise<void> {
  const ids = store.ids();
  let any = false;
  for (const id of ids) {
    const dir = store.dir(id);
    const record = store.read(id);
    if (record === undefined) {
      if (store.isBeingMade(id) || store.read(id) !== undefined) continue;
      dropUnborn(store.root, id);
      removeContainer(dir);
      continue;
    }
    const { alive, wasKilled, state } = lookAt(dir);
    if (alive) continue;
    // Whoever made it to run it once was killed before it ran.
    const abandoned =
      state.status === "created" && record.config.autoRemove && hasFile(dir, "making") && !store.isBeingMade(id);
    // Orders without anybody who carries them out: its starter holds the file, then the supervisor its lock.
    const orphaned = hasFile(dir, "start") && !isLocked(join(dir, "start")) && !lookAt(dir).alive;
    if (!wasKilled && !abandoned && !orphaned) continue;
    if (hasFile(dir, "start")) await clearAway(record, store);
    if (wasKilled) {
      noteKilled(dir, state);
      logEvent(store, "die", record, { exitCode: "137" });
    }
    any = true;
    if ((wasKilled || abandoned) && record.config.autoRemove) await removeRecord(record, store);
  }
  for (const name of store.names()) {
    const holder = readText(store.namePath(name));
    if (holder !== "" && !store.ids().includes(holder)) store.freeName(name, holder);
  }
  finishRemovals(store.folder);
  dropUnborn(store.root, undefined);
  if (any) await sweepNetworks(store.root);
}

/** Removes a container that does not run, its name and its anonymous volumes, and what its supervisor may have left. */
export async function removeRecord(
  record: ContainerRecord,
  store: ContainerStore,
  options = { volumes: true },
): Promise<void> {
  if (hasFile(store.dir(record.id), "start")) await clearAway(record, store);
  const [name, ...volumes] = removals(record, store);
  // The folder last: as long as it is there, a removal that was cut short is begun again.
  if (options.volumes) for (const path of volumes) removeOutside(path);
  removeOutside(name!);
  removeContainer(store.dir(record.id));
  logEvent(store, "destroy", record);
}

/** Control groups and rules of a container whose supervisor is gone. */
async function clearAway(record: ContainerRecord, store: ContainerStore): Promise<void> {
  const dir = store.dir(record.id);
  await endProcesses(record);
  const orders = readText(join(dir, "start")).split("\0");
  const values = (key: string) =>
    orders.filter((each) => each.startsWith(`${key}=`)).map((each) => each.slice(key.length + 1));
  for (const line of values("host-down")) {
    const argv = line.split("\u001f").map((word) => word.replace("@NETNS@", join(dir, "netns")));
    await runToEnd(argv).catch(() => undefined);
  }
  for (const path of values("member")) rmSync(path, { force: true });
  // Processes that have just ended are counted a little longer.
  for (let attempt = 0; attempt < 200 && controlGroups(record).length > 0; attempt++) {
    for (const group of controlGroups(record)) removeGroups(group);
    if (controlGroups(record).length > 0) await endProcesses(record);
    if (controlGroups(record).length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const name of ["start", "control", "netns", "state.new"]) rmSync(join(dir, name), { force: true });
  for (const name of ["rootfs", "runtime"]) {
    try {
      rmdirSync(join(dir, name));
    } catch {
      // Not there.
    }
  }
}

/** Processes in a namespace of their own died with the supervisor; those that share another one are found by their control group. */
async function endProcesses(record: ContainerRecord): Promise<void> {
  const patienceMs = 5000;
  const end = Date.now() + patienceMs;
  for (;;) {
    const pids = processesOf(record);
    if (pids.length === 0 || Date.now() > end) return;
    if (!ownPids(record)) {
      for (const pid of pids) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // Gone already.
        }
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Processes of a container, as this process's namespace numbers them. */
export function processesOf(record: Pick<ContainerRecord, "id" | "config">): number[] {
  const pids = new Set<number>();
  for (const group of controlGroups(record)) collectProcesses(group, pids);
  return [...pids].sort((a, b) => a - b);
}

function collectProcesses(group: string, into: Set<number>): void {
  for (const line of readText(join(group, "cgroup.procs")).split("\n")) if (Number(line) > 0) into.add(Number(line));
  for (const entry of listFolders(group)) collectProcesses(join(group, entry), into);
}

/** The container's folder in every hierarchy that has one. */
export function controlGroups(record: Pick<ContainerRecord, "id" | "config">): string[] {
  const path = cgroupPath(record);
  return ["", ...listFolders(CGROUPS)]
    .map((name) => join(CGROUPS, name, path))
    .filter((each) => statSync(each, { throwIfNoEntry: false }) !== undefined);
}

function removeGroups(path: string): void {
  for (const name of listFolders(path)) removeGroups(join(path, name));
  try {
    rmdirSync(path);
  } catch {
    // Busy or gone: the next sweep looks again.
  }
}

function listFolders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function hasFile(dir: string, name: string): boolean {
  return statSync(join(dir, name), { throwIfNoEntry: false }) !== undefined;
}
