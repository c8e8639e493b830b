// Starting a container: the network is planned, a supervisor made, the container's root looked at through it, the runtime's files
// written, and then the supervisor is told to go.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import { findContainerRuntime, resolveUser } from "../../engine/executor/index.ts";
import type { ProcessUser } from "../../engine/executor/index.ts";
import { leaveNetworks, planNetwork, sweepNetworks } from "../networks/index.ts";
import { checkMountSources } from "../volumes/index.ts";
import { attachTo } from "./attach.ts";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";
import { Control } from "./control.ts";
import { securityOf } from "./security.ts";
import { containerSpec, processSpec } from "./spec.ts";
import type { SpecParts } from "./spec.ts";
import { writeStartFile } from "./start-file.ts";
import { lookAt } from "./state.ts";
import { launchSupervisor, supervisorProgram } from "./supervisor.ts";
import type { Attachment, AttachOptions, Healthcheck, OnNotice } from "./types.ts";

export interface StartOptions {
  readonly onNotice: OnNotice;
  readonly attach?: AttachOptions | undefined;
}

/** Starts a container that does not run. @throws CONTAINER_START, CONTAINER_BUSY, PROCESS_USER, …; what went wrong has exitCode. */
export async function startContainer(
  record: ContainerRecord,
  store: ContainerStore,
  options: StartOptions,
): Promise<Attachment | undefined> {
  const dir = store.dir(record.id);
  const target = joinedContainer(record, store);
  const runtime = findContainerRuntime();
  checkMountSources(record.mounts);
  await sweepNetworks(store.root, { keepIdle: true });
  const plan = await planNetwork(
    { ...record.config.network, exposed: record.effective.exposed },
    {
      root: store.root,
      containerId: record.id,
      containerName: record.name,
      hostname: record.effective.hostname,
      domainname: record.config.domainname ?? "",
      target,
    },
  );
  if (record.config.ipcMode?.startsWith("container:") === true)
    options.onNotice(
      "WARNING: /dev/shm of the other container is not shared yet; its System V IPC and message queues are",
    );
  for (const warning of plan.warnings) options.onNotice(`WARNING: ${warning}`);
  const files = etcFiles(record, store, plan);
  using _orders = writeStartFile({ record, store, plan, runtime });
  let launched;
  try {
    launched = await launchSupervisor(dir);
  } catch (error) {
    plan.release();
    await leaveNetworks(store.root, record.id);
    throw error;
  }
  plan.release();
  using supervisor = launched;
  const rootfs = join(`/proc/${supervisor.pid}/root`, dir, "rootfs");
  const security = securityOf(record.config);
  const user = withGroups(rootfs, resolveUser(rootfs, record.effective.user), record.config.groupAdd ?? []);
  const parts: SpecParts = {
    record,
    dir,
    user,
    security,
    files,
    hostNetwork: plan.netns.kind === "host",
    ...otherNamespaces(record, store),
    initProgram: supervisorProgram(),
  };
  writeFileSync(join(dir, "bundle", "config.json"), JSON.stringify(containerSpec(parts)), { mode: 0o600 });
  writeHealth(parts);
  store.write({ ...record, endpoints: plan.endpoints, ports: plan.ports });
  const control = await Control.open(dir);
  if (control === undefined) throw startError("the supervisor ended before the container was started", 125);
  const attachment = options.attach === undefined ? undefined : attachTo(control, options.attach, true);
  // Whoever is attached is told of the start as well; others ask for news.
  if (attachment === undefined) control.send("N");
  const answer = control.next("t", "f");
  control.send("G");
  const frame = await answer;
  if (frame?.type === "t") {
    if (attachment === undefined) control.close();
    return attachment;
  }
  const [code = "125", ...words] = (frame?.content.toString("utf8") ?? "125 the supervisor ended").split(" ");
  await control.closed;
  throw startError(words.join(" "), Number(code));
}

function startError(reason: string, exitCode: number): BuildError {
  const message = exitCode === 125 ? reason : `OCI runtime create failed: ${reason}`;
  return new BuildError(message, { code: "CONTAINER_START", status: "FailedPrecondition", exitCode });
}

/** The container whose network is shared. @throws CONTAINER_UNKNOWN, CONTAINER_NOT_RUNNING. */
function joinedContainer(
  record: ContainerRecord,
  store: ContainerStore,
): { id: string; pid: number; dir: string } | undefined {
  const { mode } = record.config.network;
  return mode.kind === "container" ? running(mode.container, store, "network") : undefined;
}

function running(name: string, store: ContainerStore, what: string): { id: string; pid: number; dir: string } {
  const other = store.find(name);
  const { state } = lookAt(store.dir(other.id));
  if (state.status !== "running" && state.status !== "paused") {
    throw new BuildError(`cannot join ${what} of a non running container: ${other.id}`, {
      code: "CONTAINER_NOT_RUNNING",
      status: "FailedPrecondition",
    });
  }
  return { id: other.id, pid: state.pid, dir: store.dir(other.id) };
}

function otherNamespaces(record: ContainerRecord, store: ContainerStore): Pick<SpecParts, "joined"> {
  const { pidMode = "", ipcMode = "" } = record.config;
  const of = (mode: string, what: string) =>
    mode.startsWith("container:") ? running(mode.slice("container:".length), store, what) : undefined;
  const pid = of(pidMode, "PID namespace");
  const ipc = of(ipcMode, "IPC namespace");
  return {
    joined: {
      pid: pid === undefined ? undefined : `/proc/${pid.pid}/ns/pid`,
      ipc: ipc === undefined ? undefined : `/proc/${ipc.pid}/ns/ipc`,
    },
  };
}

function etcFiles(
  record: ContainerRecord,
  store: ContainerStore,
  plan: Awaited<ReturnType<typeof planNetwork>>,
): SpecParts["files"] {
  const bundle = join(store.dir(record.id), "bundle");
  const at = (folder: string) => ({
    hosts: join(folder, "hosts"),
    hostname: join(folder, "hostname"),
    resolvConf: join(folder, "resolv.conf"),
  });
  if (plan.sharedDir !== undefined) return at(join(plan.sharedDir, "bundle"));
  mkdirSync(bundle, { recursive: true, mode: 0o711 });
  const files = at(bundle);
  writeFileSync(files.hosts, plan.hosts, { mode: 0o644 });
  writeFileSync(files.hostname, `${record.effective.hostname}\n`, { mode: 0o644 });
  writeFileSync(files.resolvConf, plan.resolvConf, { mode: 0o644 });
  return files;
}

/** `--group-add`: names are the image's. */
export function withGroups(rootfs: string, user: ProcessUser, groups: readonly string[]): ProcessUser {
  if (groups.length === 0) return user;
  const added = groups.map((group) => resolveUser(rootfs, `0:${group}`).gid);
  return { ...user, additionalGids: [...user.additionalGids, ...added] };
}

function writeHealth(parts: SpecParts): void {
  const { healthcheck } = parts.record.effective;
  if (healthcheck === undefined) return;
  const spec = processSpec(parts, {
    terminal: false,
    args: healthCommand(healthcheck),
    env: parts.record.effective.env,
    cwd: parts.record.effective.workingDir,
  });
  writeFileSync(join(parts.dir, "bundle", "health.json"), JSON.stringify(spec), { mode: 0o600 });
}

function healthCommand({ test = [] }: Healthcheck): readonly string[] {
  const [kind, ...words] = test;
  return kind === "CMD-SHELL" ? ["/bin/sh", "-c", words.join(" ")] : words;
}
