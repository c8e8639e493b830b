// The real buildx client before a BuildKit of somebody's: our daemon, the one inside Docker Engine 28, or a stock buildkitd.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DockerPeer, buildxProgram, withoutBuildx, withoutDocker } from "../../test/integration/peers.ts";
import { CpuGroup } from "../ci/cpu-group.ts";
import { measure } from "../harness/meter.ts";
import type { Daemons } from "../harness/meter.ts";
import { Unsupported } from "../harness/types.ts";
import type { BuildOrder, Lab, Output, Peer, PeerKind } from "../harness/types.ts";
import { groupOf, hasProgram, withCgroup } from "./programs.ts";
import { commonArgs } from "./slipway.ts";

export const slipwayDaemon: PeerKind = {
  id: "slipway-daemon",
  title: "Slipway's daemon, buildx",
  missing: () => remedy(withoutBuildx()),
  start: (lab) =>
    startRemote(lab, "slipway-daemon", "Slipway's daemon, buildx", (address, dir) => [
      lab.slipway,
      "daemon",
      "--addr",
      address,
      "--root",
      join(dir, "store"),
    ]),
};

export const buildkitd: PeerKind = {
  id: "buildkitd",
  title: "buildkitd, buildx",
  missing: () =>
    remedy(withoutBuildx()) ||
    (hasProgram("buildkitd")
      ? undefined
      : "no buildkitd on PATH: take the release archive of moby/buildkit for this machine"),
  start: (lab) =>
    startRemote(lab, "buildkitd", "buildkitd, buildx", (address, dir) => [
      "buildkitd",
      "--addr",
      address,
      "--root",
      join(dir, "store"),
    ]),
};

export const docker28: PeerKind = {
  id: "docker-28",
  title: "Docker 28's BuildKit, buildx",
  missing: () => remedy(withoutDocker()),
  start: async (lab) => {
    const group = new CpuGroup(groupOf(lab, "modern"));
    const bridge = { name: "sb28", subnet: "10.216.0" };
    const options = { cgroup: group.path, parent: lab.folder, ownNetwork: true, bridge, remove: lab.discard };
    let engine = await DockerPeer.start(lab.registry, "modern", options);
    return buildxPeer({
      lab,
      id: "docker-28",
      title: "Docker 28's BuildKit, buildx",
      daemons: () => ({ pid: engine.pid, group }),
      command: () => engine.buildxCommand,
      output: (output) => (output.kind === "store" ? ["-t", output.name, "--load"] : outputArgs(output)),
      reset: async () => {
        await engine[Symbol.asyncDispose]();
        engine = await DockerPeer.start(lab.registry, "modern", options);
      },
      stop: async () => {
        await engine[Symbol.asyncDispose]();
        await group.remove();
      },
    });
  },
};

/** What is missing, with how to get it. */
function remedy(why: string | false): string | undefined {
  return why === false
    ? undefined
    : `${why}: dockerd, containerd and their shim from the static archive of Docker Engine 28 (or Debian unstable's docker.io and containerd, unpacked), docker-buildx from the releases of docker/buildx`;
}

async function startRemote(
  lab: Lab,
  id: string,
  title: string,
  argvOf: (address: string, dir: string) => readonly string[],
): Promise<Peer> {
  const dir = join(lab.folder, id);
  const config = join(dir, "buildx");
  mkdirSync(config, { recursive: true });
  const address = `unix://${dir}/d.sock`;
  const group = new CpuGroup(groupOf(lab, id));
  let daemon = await startDaemon(argvOf(address, dir), address, group);
  const env = { ...process.env, BUILDX_CONFIG: config, DOCKER_CONFIG: config };
  await measure(
    [{ argv: [buildxProgram, "create", "--driver", "remote", "--name", "bench", address], env }],
    lab.folder,
  );
  const restart = async () => {
    await daemon.stop();
    lab.discard(join(dir, "store"));
    daemon = await startDaemon(argvOf(address, dir), address, group);
  };
  return buildxPeer({
    lab,
    id,
    title,
    daemons: () => ({ pid: daemon.pid, group }),
    command: () => ({ argv: [buildxProgram, "--builder", "bench"], env }),
    output: (output) => (output.kind === "store" ? ["-o", `type=image,name=${output.name}`] : outputArgs(output)),
    reset: restart,
    stop: async () => {
      await daemon.stop();
      await group.remove();
      lab.discard(dir);
    },
  });
}

interface BuildxPeerOptions {
  readonly lab: Lab;
  readonly id: string;
  readonly title: string;
  readonly daemons: () => Daemons;
  readonly command: () => { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv };
  readonly output: (output: Output) => string[];
  readonly reset: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

function buildxPeer({ lab, id, title, daemons, command, output, reset, stop }: BuildxPeerOptions): Peer {
  const build = (order: BuildOrder) => {
    const { argv, env } = command();
    return {
      argv: [...argv, "build", ...commonArgs(order), ...output(order.output), order.context],
      env: order.output.kind === "load" ? { ...env, DOCKER_HOST: order.output.engine } : env,
      wantsSteps: order.wantsSteps,
    };
  };
  return {
    id,
    title,
    reset,
    build: (order) => measure([build(order)], lab.folder, daemons()),
    buildAll: (orders) => measure(orders.map(build), lab.folder, daemons()),
    [Symbol.asyncDispose]: stop,
  };
}

function outputArgs(output: Output): string[] {
  switch (output.kind) {
    case "none":
      return ["-o", "type=cacheonly"];
    case "layout":
      return ["-o", `type=oci,dest=${output.path},compression=${output.compression},force-compression=true`];
    case "push":
      return ["-o", `type=registry,name=${output.name},registry.insecure=true`];
    case "load":
      return ["-t", output.name, "--load"];
    case "store":
      throw new Unsupported("no image store");
  }
}

/** Starts a daemon and waits until its socket answers. */
async function startDaemon(
  argv: readonly string[],
  address: string,
  group: CpuGroup,
): Promise<{ readonly pid: number; readonly stop: () => Promise<void> }> {
  const path = address.replace("unix://", "");
  rmSync(path, { force: true });
  const [program = "", ...args] = withCgroup(group.path, argv);
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, SLIPWAY_NAMESPACE: undefined },
  });
  const ended = once(child, "exit");
  let said = "";
  child.stderr!.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
  for (let tries = 0; !/listening on|running server/.test(said); tries++) {
    if (tries > 300 || child.exitCode !== null) throw new Error(`${argv.join(" ")} did not start: ${said}`);
    await sleep(100);
  }
  return {
    pid: child.pid!,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
