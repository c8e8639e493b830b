// Our daemon as a process, and the real buildx as its client.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildxProgram } from "../integration/peers.ts";
import { exitOf, hasEnded, until } from "./children.ts";
import { program, type Outcome, type Project } from "./project.ts";

export interface DaemonPeerOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Dispose to end it. */
export class DaemonPeer implements AsyncDisposable {
  readonly address: string;
  readonly process: ChildProcess;
  readonly #project: Project;
  #output = "";

  private constructor(project: Project, address: string, process: ChildProcess) {
    this.#project = project;
    this.address = address;
    this.process = process;
    process.stderr!.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
  }

  /** Starts it and makes it buildx's builder "ours". */
  static async start(project: Project, options: DaemonPeerOptions = {}): Promise<DaemonPeer> {
    const address = `unix://${join(project.dir, "d.sock")}`;
    await rm(join(project.dir, "buildx"), { recursive: true, force: true });
    const child = spawn(process.execPath, [program, "daemon", "--addr", address, ...(options.args ?? [])], {
      cwd: project.dir,
      env: { ...process.env, SLIPWAY_ROOT: project.state, ...options.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const peer = new DaemonPeer(project, address, child);
    try {
      await until(
        () => peer.#output.includes("listening on") || hasEnded(child),
        () => `the daemon did not start: ${peer.#output}`,
      );
      if (hasEnded(child)) throw new Error(`the daemon did not start: ${peer.#output}`);
      const made = await peer.buildxRaw(["create", "--driver", "remote", "--name", "ours", address]);
      if (made.code !== 0) throw new Error(made.output);
      return peer;
    } catch (error) {
      // Left alive it would keep the test's process, which then never fails.
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What it said. */
  get log(): string {
    return this.#output;
  }

  /** Runs buildx with this builder to its end. */
  buildx(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    input?: string | Buffer,
  ): Promise<Outcome> {
    return this.buildxRaw(["--builder", "ours", ...args], env, input);
  }

  async buildxRaw(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    input?: string | Buffer,
  ): Promise<Outcome> {
    const child = this.spawnBuildx(args, env);
    child.stdin!.end(input);
    let output = "";
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, output };
  }

  spawnBuildx(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const config = join(this.#project.dir, "buildx");
    mkdirSync(config, { recursive: true });
    return spawn(buildxProgram, args, {
      cwd: this.#project.dir,
      env: {
        ...process.env,
        BUILDX_CONFIG: config,
        DOCKER_CONFIG: config,
        BUILDKIT_PROGRESS: "plain",
        SSH_AUTH_SOCK: "",
        ...env,
      },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: 120_000,
    });
  }

  /** Ends it as a service manager does; resolves with its exit code. */
  async stop(): Promise<number | null> {
    this.process.kill("SIGTERM");
    return await exitOf(this.process);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (hasEnded(this.process)) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    const killer = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(killer);
  }
}

/** A docker-registry of its own. Dispose to end it. */
export class RegistryPeer implements AsyncDisposable {
  readonly host: string;
  readonly #process: ChildProcess;
  readonly #dir: string;

  private constructor(host: string, dir: string, process: ChildProcess) {
    this.host = host;
    this.#dir = dir;
    this.#process = process;
  }

  /** @param auth the `auth:` section of its configuration */
  static async start(dir: string, write: (file: string, text: string) => void, auth = ""): Promise<RegistryPeer> {
    const port = await freePort();
    const config = join(dir, "registry.yml");
    mkdirSync(dir, { recursive: true });
    const storage = `storage: {filesystem: {rootdirectory: ${join(dir, "blobs")}}, delete: {enabled: true}}`;
    write(config, `version: 0.1\nlog: {level: error}\n${storage}\nhttp: {addr: "127.0.0.1:${port}"}\n${auth}`);
    const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
    const peer = new RegistryPeer(`127.0.0.1:${port}`, dir, child);
    for (let tries = 0; tries < 200; tries++) {
      const up = await fetch(`http://${peer.host}/v2/`).then(
        () => true,
        () => false,
      );
      if (up) return peer;
      await sleep(50);
    }
    throw new Error("docker-registry did not start");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}
