// What can be reached: registries, Docker Engine, builders.

import { isBuildError, messageOf } from "../../base/index.ts";
import { headerOf, Transport } from "../../distribution/index.ts";
import { connectNode, nodeLocation } from "../builders/index.ts";
import type { BuilderConfig } from "../builder-store/index.ts";
import { dockerEndpoint, EngineClient } from "../docker/index.ts";
import type { Finding } from "./finding.ts";

const ANSWER_MS = 5000;

type Environment = Readonly<Record<string, string | undefined>>;

/** Asks each registry for its version page: a refusal for want of a password is an answer too. */
export async function registryFindings(hosts: readonly string[]): Promise<Finding[]> {
  await using transport = new Transport({ idleTimeoutMs: ANSWER_MS, retry: { attempts: 1 } });
  return await Promise.all(hosts.map((host) => registry(transport, host)));
}

async function registry(transport: Transport, host: string): Promise<Finding> {
  const area = `registry ${host}`;
  const server = host === "docker.io" ? "registry-1.docker.io" : host;
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(server);
  try {
    const started = performance.now();
    const url = new URL(`${isLocal ? "http" : "https"}://${server}/v2/`);
    const response = await transport.send({ method: "GET", url, headers: {} }, AbortSignal.timeout(ANSWER_MS));
    for await (const _chunk of response.body);
    const ms = Math.round(performance.now() - started);
    if (response.status === 200 || response.status === 401) {
      const how =
        response.status === 401
          ? `asks for ${headerOf(response, "www-authenticate")?.split(" ")[0] ?? "a login"}`
          : "open";
      return { area, state: "good", text: `answers in ${ms} ms, ${how}` };
    }
    return {
      area,
      state: "missing",
      text: `answers ${response.status}`,
      cost: "pulls and pushes fail",
      remedy: "check the address",
    };
  } catch (error) {
    return {
      area,
      state: "missing",
      text: messageOf(error),
      cost: "images that are not here can't be pulled",
      remedy: "check the network and proxy (HTTPS_PROXY), or name a mirror in slipwayd.toml",
    };
  }
}

/** Docker Engine, where one is named or usual. It is not needed: only --load wants one. */
export async function engineFinding(env: Environment): Promise<Finding> {
  const area = "docker engine";
  try {
    const endpoint = dockerEndpoint(env);
    const client = new EngineClient(endpoint);
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      const version = JSON.parse((await client.call("GET", "/version", signal)).text) as { Version?: string };
      const info = JSON.parse((await client.call("GET", "/info", signal)).text) as {
        DriverStatus?: readonly (readonly [string, string])[];
      };
      const isContainerd = info.DriverStatus?.some(
        ([key, value]) => key === "driver-type" && value.includes("containerd"),
      );
      const text = `${version.Version ?? "?"} at ${endpoint.host}, ${isContainerd === true ? "containerd's image store" : "classic image store"}`;
      return isContainerd === true
        ? { area, state: "good", text }
        : {
            area,
            state: "slow",
            text,
            cost: "its own BuildKit (driver docker) exports no caches and no several platforms; --load works",
            remedy: '"features": {"containerd-snapshotter": true} in its daemon.json',
          };
    } finally {
      client.close();
    }
  } catch (error) {
    return {
      area,
      state: "good",
      text: "none",
      cost: "none is needed, but --load has nowhere to load to",
      ...(isBuildError(error) && error.code !== "ENGINE_UNREACHABLE" ? { remedy: error.message } : {}),
    };
  }
}

/** Asks every node of every builder at once; what fails is a finding, never an error. */
export async function builderFindings(configs: readonly BuilderConfig[], env: Environment): Promise<Finding[]> {
  const nodes = configs.flatMap((config) => config.nodes.map((node) => ({ config, node })));
  return await Promise.all(
    nodes.map(async ({ config, node }): Promise<Finding> => {
      const area = `builder ${config.name}`;
      try {
        const signal = AbortSignal.timeout(ANSWER_MS);
        await using connection = await connectNode(config, node, { env, signal });
        const started = performance.now();
        await connection.control.listWorkers({}, { signal });
        const ms = Math.round(performance.now() - started);
        return { area, state: "good", text: `${await nodeLocation(config.driver, node, env)} answers in ${ms} ms` };
      } catch (error) {
        return {
          area,
          state: "missing",
          text: messageOf(error),
          cost: "builds with it fail",
          remedy: `start it, or: slipway rm ${config.name}`,
        };
      }
    }),
  );
}
