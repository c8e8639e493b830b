// What a container is now: the supervisor's `state` file, believed as far as the supervisor lives. Its lock is the kernel's word for
// that; a container that ran under one that is gone has been killed with it.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isLocked } from "./container-store.ts";
import type { ContainerState, ContainerStatus, HealthState } from "./types.ts";

export const NEVER = "0001-01-01T00:00:00Z";

export const created: ContainerState = {
  status: "created",
  exitCode: 0,
  error: "",
  oomKilled: false,
  pid: 0,
  supervisorPid: 0,
  startedAt: NEVER,
  finishedAt: NEVER,
  restartCount: 0,
};

const statuses: ReadonlySet<string> = new Set<ContainerStatus>([
  "created",
  "running",
  "paused",
  "restarting",
  "exited",
  "dead",
]);

/** The state and whether the supervisor lives; `wasKilled` when it should but does not. */
export interface Look {
  readonly state: ContainerState;
  readonly alive: boolean;
  readonly wasKilled: boolean;
}

export function lookAt(dir: string): Look {
  // The lock first: a supervisor that ends between the two looks has written its last state before.
  const alive = isLocked(join(dir, "lock"));
  const state = readState(dir);
  const lives = state.status === "running" || state.status === "paused" || state.status === "restarting";
  if (alive || !lives) return { state, alive, wasKilled: false };
  const again = readState(dir);
  if (again.status === "exited") return { state: again, alive, wasKilled: false };
  return { state: killed(again), alive, wasKilled: true };
}

/** Writes down that the supervisor of a container was killed. */
export function noteKilled(dir: string, state: ContainerState): void {
  const path = join(dir, "state");
  writeFileSync(`${path}.dead`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${path}.dead`, path);
}

export function parseState(text: string): ContainerState {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return created;
  }
  const number = (name: string) => (typeof value[name] === "number" ? (value[name] as number) : 0);
  const string = (name: string, otherwise = "") =>
    typeof value[name] === "string" ? (value[name] as string) : otherwise;
  const status = string("status");
  return {
    status: statuses.has(status) ? (status as ContainerStatus) : "created",
    exitCode: number("exitCode"),
    error: string("error"),
    oomKilled: value["oomKilled"] === true,
    pid: number("pid"),
    supervisorPid: number("supervisorPid"),
    startedAt: string("startedAt", NEVER),
    finishedAt: string("finishedAt", NEVER),
    restartCount: number("restartCount"),
    ...(value["health"] === undefined ? {} : { health: value["health"] as HealthState }),
  };
}

function readState(dir: string): ContainerState {
  try {
    return parseState(readFileSync(join(dir, "state"), "utf8"));
  } catch {
    return created;
  }
}

function killed(state: ContainerState): ContainerState {
  const { health: _health, ...rest } = state;
  return {
    ...rest,
    status: "exited",
    exitCode: 137,
    error: "its supervisor was killed",
    pid: 0,
    supervisorPid: 0,
    finishedAt: new Date().toISOString(),
  };
}
