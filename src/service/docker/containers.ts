// Containers, volumes and pulls of a Docker Engine: just what a builder in a container needs. Spec: Docker Engine API v1.41.

import { BuildError } from "../../base/index.ts";
import type { EngineClient, EngineResponse } from "./engine-client.ts";

export interface ContainerState {
  readonly isRunning: boolean;
  /** By the engine's clock. */
  readonly startedAtMs: number;
  /** Volumes by name. */
  readonly volumes: readonly string[];
}

/** The container of that name; undefined where there is none. @throws ENGINE_FAILED, ENGINE_UNREACHABLE. */
export async function findContainer(
  client: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<ContainerState | undefined> {
  const response = await client.call("GET", `/containers/${encodeURIComponent(name)}/json`, signal);
  if (response.status === 404) return undefined;
  const found = JSON.parse(expect(response, 200)) as {
    State: { Running: boolean; Restarting: boolean; StartedAt: string };
    Mounts?: readonly { Type: string; Name?: string }[];
  };
  return {
    isRunning: found.State.Running && !found.State.Restarting,
    startedAtMs: Date.parse(found.State.StartedAt),
    volumes: (found.Mounts ?? []).flatMap(({ Type, Name }) => (Type === "volume" && Name !== undefined ? [Name] : [])),
  };
}

/** The volumes that an image declares; undefined where the engine does not have the image. */
export async function imageVolumes(
  client: EngineClient,
  image: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const response = await client.call("GET", `/images/${encodeURIComponent(image)}/json`, signal);
  if (response.status === 404) return undefined;
  const { Config } = JSON.parse(expect(response, 200)) as { Config?: { Volumes?: Record<string, unknown> | null } };
  return Object.keys(Config?.Volumes ?? {});
}

/** Has the engine pull an image, without credentials. @throws IMAGE_PULL_FAILED. */
export async function pullImage(client: EngineClient, image: string, signal: AbortSignal): Promise<void> {
  const last = image.slice(image.lastIndexOf("/") + 1);
  // Without a tag the engine would pull all of them.
  const name = /[:@]/.test(last) ? image : `${image}:latest`;
  const response = await client.call("POST", `/images/create?fromImage=${encodeURIComponent(name)}`, signal);
  const said = response.status === 200 ? pullError(response.text) : message(response);
  if (said === undefined) return;
  throw new BuildError(`Docker Engine at ${client.host} can't pull ${image}: ${said}`, {
    code: "IMAGE_PULL_FAILED",
    status: "Unavailable",
    hint: "pull or load it there yourself, or name another with --driver-opt image=NAME",
  });
}

/** An answer of 200 may still tell of a failure, in one of its lines. */
function pullError(text: string): string | undefined {
  for (const line of text.split("\n").filter((each) => each.trim() !== "")) {
    const { error } = JSON.parse(line) as { error?: string };
    if (error !== undefined) return error;
  }
  return undefined;
}

/** False where the name is taken. @throws ENGINE_FAILED. */
export async function createContainer(
  client: EngineClient,
  name: string,
  settings: unknown,
  signal: AbortSignal,
): Promise<boolean> {
  const path = `/containers/create?name=${encodeURIComponent(name)}`;
  const response = await client.send("POST", path, settings, signal);
  if (response.status === 409) return false;
  expect(response, 201);
  return true;
}

/** @throws ENGINE_FAILED. */
export async function startContainer(client: EngineClient, name: string, signal: AbortSignal): Promise<void> {
  expect(await client.call("POST", `/containers/${encodeURIComponent(name)}/start`, signal), 204, 304);
}

/** Waits for its end, which the engine forces after ten seconds. @throws ENGINE_FAILED. */
export async function stopContainer(client: EngineClient, name: string, signal: AbortSignal): Promise<void> {
  expect(await client.call("POST", `/containers/${encodeURIComponent(name)}/stop?t=10`, signal), 204, 304);
}

/** With the volumes that have no name. @throws ENGINE_FAILED. */
export async function removeContainer(client: EngineClient, name: string, signal: AbortSignal): Promise<void> {
  const path = `/containers/${encodeURIComponent(name)}?force=true&v=true`;
  expect(await client.send("DELETE", path, undefined, signal), 204, 404);
}

/** @throws ENGINE_FAILED. */
export async function removeVolume(client: EngineClient, name: string, signal: AbortSignal): Promise<void> {
  expect(await client.send("DELETE", `/volumes/${encodeURIComponent(name)}`, undefined, signal), 204, 404);
}

/** The last lines that a container wrote; "" where there are none to be had. */
export async function containerLog(client: EngineClient, name: string, signal: AbortSignal): Promise<string> {
  const path = `/containers/${encodeURIComponent(name)}/logs?stdout=true&stderr=true&tail=5`;
  const { status, text } = await client.call("GET", path, signal);
  // The headers of the frames, and whatever else is no text.
  return status === 200 ? text.replaceAll(/[^\P{C}\n]|\uFFFD/gu, "").trim() : "";
}

/** What decides how a privileged container is made. */
export async function engineTraits(
  client: EngineClient,
  signal: AbortSignal,
): Promise<{ readonly cgroupDriver: string; readonly hasUserNamespaces: boolean }> {
  const { CgroupDriver, SecurityOptions } = JSON.parse(expect(await client.call("GET", "/info", signal), 200)) as {
    CgroupDriver?: string;
    SecurityOptions?: readonly string[] | null;
  };
  return {
    cgroupDriver: CgroupDriver ?? "",
    hasUserNamespaces: (SecurityOptions ?? []).some((each) => each.split(",").includes("name=userns")),
  };
}

function expect(response: EngineResponse, ...statuses: readonly number[]): string {
  if (statuses.includes(response.status)) return response.text;
  throw new BuildError(`Docker Engine answered ${response.status}: ${message(response)}`, {
    code: "ENGINE_FAILED",
    status: "Unavailable",
  });
}

function message({ text }: EngineResponse): string {
  try {
    const { message: said } = JSON.parse(text) as { message?: string };
    return (said ?? text).trim().slice(0, 400);
  } catch {
    return text.trim().slice(0, 400);
  }
}
