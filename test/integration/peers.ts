// Real peers to test against: Docker Engine 28 with the containerd image store, driven by buildx. Looked for in the folder that
// SLIPWAY_PEERS names, else below /opt; tests that need one skip, and say why, where it is missing.

import { get } from "node:http";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, mkdirSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { lockFile } from "../../src/system/linux/index.ts";

const run = promisify(execFile);
const bin = join(process.env["SLIPWAY_PEERS"] ?? installedPeers(), "bin");

/** The first folder of /opt that has both programs. */
function installedPeers(): string {
  const names = existsSync("/opt") ? readdirSync("/opt").sort() : [];
  const folders = names.map((name) => join("/opt", name));
  return (
    folders.find((each) => ["dockerd", "docker-buildx"].every((name) => existsSync(join(each, "bin", name)))) ?? "/opt"
  );
}

const classicEngine = "/usr/sbin/dockerd";

/** Why the distribution's Docker Engine, with its classic image store, can't be used here, or false. */
export function withoutClassicDocker(): string | false {
  if (process.getuid?.() !== 0) return "Docker Engine needs root";
  return existsSync(classicEngine) ? false : `no ${classicEngine}; install the distribution's docker.io`;
}

/** The real buildx. */
export const buildxProgram: string = join(bin, "docker-buildx");

/** Why buildx can't be used here, or false. */
export function withoutBuildx(): string | false {
  return existsSync(buildxProgram)
    ? false
    : `no ${buildxProgram}; set SLIPWAY_PEERS to a folder with bin/docker-buildx`;
}

/** Why the modern Docker Engine can't be used here, or false. */
export function withoutDocker(): string | false {
  if (process.getuid?.() !== 0) return "Docker Engine needs root";
  const missing = ["dockerd", "containerd", "docker-buildx"].filter((name) => !existsSync(join(bin, name)));
  return missing.length === 0
    ? false
    : `${missing.join(", ")} not in ${bin}; set SLIPWAY_PEERS to a folder with bin/ of them`;
}

/** A Docker Engine of its own. Dispose to stop it and remove all that it made. */
export class DockerPeer implements AsyncDisposable {
  /** Its main process. */
  readonly pid: number;
  readonly #home: string;
  readonly #stop: () => Promise<void>;

  private constructor(home: string, pid: number, stop: () => Promise<void>) {
    this.pid = pid;
    this.#home = home;
    this.#stop = stop;
  }

  /** Where it listens, as DOCKER_HOST has it. */
  get host(): string {
    return `unix://${this.#home}/d.sock`;
  }

  /**
   * Starts an engine that pulls from `registry` without TLS: the modern one with containerd's image store, or the distribution's
   * with the classic one. One at a time on a machine, for they share a bridge, unless the network namespace is the caller's own. With
   * `cgroup`, a path below the hierarchies, it and its containers run in that group.
   */
  static async start(
    registry: string,
    kind: "modern" | "classic" = "modern",
    options: {
      readonly cgroup?: string;
      readonly parent?: string;
      readonly ownNetwork?: boolean;
      /** A bridge of its own and that bridge's subnet (`10.214.0`), for several engines in one network namespace. */
      readonly bridge?: { readonly name: string; readonly subnet: string };
      /** Removes all that it made, when it has stopped. */
      readonly remove?: (home: string) => void;
    } = {},
  ): Promise<DockerPeer> {
    const { cgroup, parent = tmpdir(), ownNetwork = false, bridge } = options;
    const remove = options.remove ?? ((path: string) => rmSync(path, { recursive: true, force: true }));
    const home = mkdtempSync(join(parent, "slipway-dockerd-"));
    const lock = openSync(join(ownNetwork ? home : tmpdir(), "slipway-dockerd.lock"), "a");
    while (!lockFile(lock, "exclusive")) await sleep(200);
    const config = join(home, "daemon.json");
    writeFileSync(
      config,
      JSON.stringify({
        ...(kind === "modern" ? { features: { "containerd-snapshotter": true } } : {}),
        "insecure-registries": [registry],
      }),
    );
    const log = openSync(join(home, "log"), "w");
    const args = ["--config-file", config, "--data-root", join(home, "root"), "--exec-root", join(home, "exec")];
    args.push("-H", `unix://${home}/d.sock`, "-p", join(home, "pid"), "--iptables=false", "--ip6tables=false");
    if (bridge === undefined) args.push("--bip", "10.213.0.1/24");
    else {
      await run("ip", ["link", "add", bridge.name, "type", "bridge"]);
      await run("ip", ["address", "add", `${bridge.subnet}.1/24`, "dev", bridge.name]);
      await run("ip", ["link", "set", bridge.name, "up"]);
      args.push("--bridge", bridge.name);
    }
    if (cgroup !== undefined) args.push("--cgroup-parent", join("/", cgroup));
    const path = process.env["PATH"];
    const program = kind === "modern" ? join(bin, "dockerd") : classicEngine;
    const enter = `for procs in /sys/fs/cgroup/*/${cgroup}/cgroup.procs /sys/fs/cgroup/${cgroup}/cgroup.procs; do
      if [ -e "$procs" ]; then echo $$ > "$procs" || true; fi
    done; exec "$@"`;
    const [first = "", ...others] = cgroup === undefined ? [program] : ["sh", "-c", enter, "sh", program];
    const child = spawn(first, [...others, ...args], {
      stdio: ["ignore", log, log],
      env: { ...process.env, PATH: kind === "modern" ? `${bin}:${path}` : path },
    });
    const ended = once(child, "exit");
    const peer = new DockerPeer(home, child.pid ?? 0, async () => {
      child.kill("SIGTERM");
      await ended;
      // Left by containers with the host's network.
      await run("umount", [join(home, "exec/netns/default")]).catch(() => undefined);
      await run("ip", ["link", "del", bridge?.name ?? "docker0"]).catch(() => undefined);
      closeSync(log);
      closeSync(lock);
      remove(home);
    });
    for (let tries = 0; tries < 150 && child.exitCode === null; tries++) {
      if (await peer.ping()) return peer;
      await sleep(200);
    }
    await peer[Symbol.asyncDispose]();
    throw new Error("dockerd did not start");
  }

  /** Whether it answers. */
  ping(): Promise<boolean> {
    return new Promise((resolve) => {
      const request = get({ socketPath: `${this.#home}/d.sock`, path: "/_ping" }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      request.on("error", () => resolve(false));
    });
  }

  /** The environment and first words of a command that drives its BuildKit with buildx. */
  get buildxCommand(): { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv } {
    const buildxConfig = join(this.#home, "buildx");
    mkdirSync(buildxConfig, { recursive: true });
    return {
      argv: [join(bin, "docker-buildx"), "--builder", "default"],
      env: { ...process.env, DOCKER_HOST: this.host, BUILDX_CONFIG: buildxConfig },
    };
  }

  /** Runs docker's own command against the engine. */
  docker(args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    return run("docker", args, { env: { PATH: process.env["PATH"], DOCKER_HOST: this.host, HOME: this.#home } });
  }

  /** Runs buildx against the engine's own BuildKit. */
  buildx(args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    const { argv, env } = this.buildxCommand;
    return run(argv[0]!, [...argv.slice(1), ...args], { env });
  }

  /** Builds; resolves with each step's state. A step from the cache whose layer is then brought for the output stays cached. */
  async build(args: readonly string[]): Promise<Map<string, "cached" | "done">> {
    const { stderr } = await this.buildx(["build", "--progress", "rawjson", "--provenance=false", ...args]);
    const states = new Map<string, "cached" | "done">();
    for (const line of stderr.split("\n").filter((each) => each.startsWith("{"))) {
      const { vertexes = [] } = JSON.parse(line) as {
        vertexes?: { name: string; cached?: boolean; completed?: string }[];
      };
      for (const { name, cached, completed } of vertexes) {
        if (cached === true) states.set(name, "cached");
        else if (completed !== undefined && !states.has(name)) states.set(name, "done");
      }
    }
    return states;
  }

  async prune(): Promise<void> {
    await this.buildx(["prune", "-af"]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop();
  }
}
