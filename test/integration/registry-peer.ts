// Debian's docker-registry on loopback, for tests that push to a real one.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Why there can be no registry, or false. */
export function withoutRegistry(): string | false {
  return spawnSync("docker-registry", ["--version"]).status === 0 ? false : "no docker-registry";
}

/** A registry without TLS and authentication; disposing stops it. */
export class RegistryPeer implements AsyncDisposable {
  /** As in image names: `127.0.0.1:PORT`. */
  readonly host: string;
  readonly #process: ChildProcess;

  private constructor(host: string, process: ChildProcess) {
    this.host = host;
    this.#process = process;
  }

  /** @param dir where it keeps everything; made when it is not there. */
  static async start(dir: string): Promise<RegistryPeer> {
    const port = await freePort();
    mkdirSync(dir, { recursive: true });
    const config = join(dir, "registry.yml");
    writeFileSync(
      config,
      `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(dir, "data")}}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:${port}"}\n`,
    );
    const host = `127.0.0.1:${port}`;
    const peer = new RegistryPeer(host, spawn("docker-registry", ["serve", config], { stdio: "ignore" }));
    for (let tries = 0; tries < 100; tries++) {
      const isUp = await fetch(`http://${host}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isUp) return peer;
      await sleep(100);
    }
    await peer[Symbol.asyncDispose]();
    throw new Error("the registry did not start");
  }

  /** GET below /v2/, as JSON; asks for the media types of images. */
  async json<T>(path: string): Promise<T> {
    const accept = ["oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.v2"]
      .map((type) => `application/vnd.${type}+json`)
      .join(",");
    const response = await fetch(`http://${this.host}/v2/${path}`, { headers: { accept } });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.kill();
    await once(this.#process, "exit");
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}
