// The same suite over the in-memory registry and over Debian's docker-registry, where that is installed.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { MemoryRegistry } from "./memory-registry.ts";
import { registrySuite } from "./registry-suite.ts";
import type { RegistryUnderTest } from "./registry-suite.ts";

registrySuite("in memory", () => MemoryRegistry.start());

const program = ["/usr/bin/docker-registry", "/usr/local/bin/docker-registry"].find((path) => existsSync(path));
if (program === undefined) test("registry: docker-registry", { skip: "docker-registry is not installed" }, () => {});
else registrySuite("docker-registry", () => startReal(program));

async function startReal(path: string): Promise<RegistryUnderTest> {
  const root = mkdtempSync(join(tmpdir(), "slipway-registry-"));
  const host = `127.0.0.1:${await freePort()}`;
  const config = {
    version: 0.1,
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(root, "data") } },
    http: { addr: host },
  };
  // JSON is YAML too.
  writeFileSync(join(root, "config.yml"), JSON.stringify(config));
  const child = spawn(path, ["serve", join(root, "config.yml")], { stdio: "ignore" });
  const ended = once(child, "exit");
  for (let tries = 0; tries < 200; tries++) {
    try {
      await (await request(`http://${host}/v2/`)).body.dump();
      break;
    } catch {
      await sleep(50);
    }
  }
  return {
    host,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
