// The supervisor's orders: `key=value` records ended by NUL. Read by native/supervisor/start-file.c, of the same version.

import { closeSync, openSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants } from "node:os";
import { BuildError } from "../../base/index.ts";
import { lockFile } from "../../system/linux/index.ts";
import type { ContainerRuntime } from "../../engine/executor/index.ts";
import type { NetworkPlan } from "../networks/index.ts";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";
import type { Healthcheck } from "./types.ts";

const WORD_END = "\u001f";
const SECOND_NS = 1_000_000_000;

export interface StartOrders {
  readonly record: ContainerRecord;
  readonly store: ContainerStore;
  readonly plan: NetworkPlan;
  readonly runtime: ContainerRuntime;
}

/** Writes the orders; the file is locked until what is returned is disposed: so long somebody is about to have them carried out. */
export function writeStartFile({ record, store, plan, runtime }: StartOrders): Disposable {
  const { config, effective } = record;
  const dir = store.dir(record.id);
  const records: [string, string | number | boolean | undefined][] = [
    ["id", record.id],
    ["name", record.name],
    ["image", record.image.reference],
    ...[runtime.path].map((word): [string, string] => ["runtime", word]),
    ...record.lower.map((path): [string, string] => ["lower", path]),
    ["upper", join(dir, "upper")],
    ["work", join(dir, "work")],
    ...overlayOptions().map((option): [string, string] => ["overlay-option", option]),
    ["tty", config.tty],
    ["stdin-open", config.openStdin],
    ["stdin-once", config.stdinOnce ?? false],
    ["own-pids", ownPids(record)],
    ["restore-cgroups", runtime.cgroupsHidden],
    ["netns", plan.netns.kind],
    ["netns-path", plan.netns.kind === "join" ? plan.netns.path : undefined],
    ...commands("host-up", plan.hostUp),
    ...commands("inside-up", plan.insideUp),
    ...commands("host-down", plan.hostDown),
    ...commands(
      "helper",
      plan.helpers.map(({ words }) => words),
    ),
    ...plan.members.map((path): [string, string] => ["member", path]),
    ["log", config.log?.driver !== "none"],
    ["log-size", logSize(config.log?.options["max-size"])],
    ["log-files", config.log?.options["max-file"]],
    ["restart", config.restart?.name],
    ["restart-max", config.restart?.maximumRetryCount],
    ["stop-signal", signalNumber(effective.stopSignal)],
    ["stop-timeout", config.stopTimeoutSec],
    ...healthRecords(effective.healthcheck),
    ["cgroup", cgroupPath(record)],
    ["events", store.eventsPath],
    ["drop-mounts", join(store.root, "run")],
    ["auto-remove", config.autoRemove],
    ...(config.autoRemove ? removals(record, store) : []).map((path): [string, string] => ["remove", path]),
  ];
  const text = records
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === "boolean" ? (value ? 1 : 0) : value}\0`)
    .join("");
  const path = join(dir, "start");
  const fd = openSync(`${path}.new`, "w", 0o600);
  lockFile(fd, "exclusive", true);
  writeFileSync(fd, text);
  renameSync(`${path}.new`, path);
  return { [Symbol.dispose]: () => closeSync(fd) };
}

/** What goes with a container besides its folder. */
export function removals(record: ContainerRecord, store: ContainerStore): string[] {
  const anonymous = record.mounts.filter(({ anonymous: each }) => each === true);
  return [
    store.namePath(record.name),
    ...anonymous.flatMap(({ volumeName }) =>
      volumeName === undefined ? [] : [join(store.root, "volumes", volumeName)],
    ),
  ];
}

/**
 * Whether the supervisor has a process namespace of its own. Containers that see others' processes can't have one that hides them, and
 * namespaces of another container are found by its processes.
 */
export function ownPids({ config: { pidMode = "", ipcMode = "" } }: Pick<ContainerRecord, "config">): boolean {
  return (pidMode === "" || pidMode === "private") && !ipcMode.startsWith("container:");
}

export function cgroupPath({ id, config }: Pick<ContainerRecord, "id" | "config">): string {
  return join("/", config.cgroupParent === undefined ? "slipway" : config.cgroupParent, id);
}

/** Number of a signal by name (with or without SIG) or number. @throws SIGNAL_INVALID. */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const real = /^SIGRTMIN(?:\+(\d{1,2}))?$/.exec(name);
  const number = /^\d{1,2}$/.test(text)
    ? Number(text)
    : real !== null
      ? 34 + Number(real[1] ?? 0)
      : (constants.signals as Readonly<Record<string, number>>)[name];
  if (number === undefined || number < 1 || number > 64) {
    throw new BuildError(`Invalid signal: ${text.slice(0, 100)}`, {
      code: "SIGNAL_INVALID",
      status: "InvalidArgument",
    });
  }
  return number;
}

function overlayOptions(): string[] {
  return ["index=off", "metacopy=off", "redirect_dir=off", "volatile"];
}

function commands(key: string, lists: readonly (readonly string[])[]): [string, string][] {
  return lists.map((words) => [key, words.join(WORD_END)]);
}

/** Docker's sizes: `10m`, `1g`, `500k`, `-1`. */
function logSize(text: string | undefined): number | undefined {
  const match = /^(-?\d+)\s*([kmg]?)b?$/i.exec(text ?? "");
  if (match === null) return undefined;
  const factor = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match[2]!.toLowerCase()] ?? 1;
  return Number(match[1]) * factor;
}

function healthRecords(health: Healthcheck | undefined): [string, number | boolean][] {
  if (health === undefined) return [];
  const or = (value: number | undefined, otherwise: number) => value || otherwise;
  return [
    ["health", true],
    ["health-interval", or(health.intervalNs, 30 * SECOND_NS)],
    ["health-timeout", or(health.timeoutNs, 30 * SECOND_NS)],
    ["health-start-period", or(health.startPeriodNs, 0)],
    ["health-start-interval", or(health.startIntervalNs, 5 * SECOND_NS)],
    ["health-retries", or(health.retries, 3)],
  ];
}
