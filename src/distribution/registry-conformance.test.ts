// The same suite over the in-memory registry and over Debian's docker-registry, and a stock client on the in-memory registry;
// each where it is installed.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { digestOf, hexOf } from "../base/index.ts";
import { encodeIndex, encodeManifest, mediaTypes, parseReference } from "../formats/oci/index.ts";
import type { Descriptor } from "../formats/oci/index.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import { RegistryClient } from "./registry-client.ts";
import { registrySuite } from "./registry-suite.ts";
import type { RegistryUnderTest } from "./registry-suite.ts";

registrySuite("in memory", () => MemoryRegistry.start());

const program = ["/usr/bin/docker-registry", "/usr/local/bin/docker-registry"].find((path) => existsSync(path));
if (program === undefined) test("registry: docker-registry", { skip: "docker-registry is not installed" }, () => {});
else registrySuite("docker-registry", () => startReal(program));

const skopeo = ["/usr/bin/skopeo", "/usr/local/bin/skopeo"].find((path) => existsSync(path));
test(
  "skopeo pushes to the in-memory registry with a token, and our client pulls what it pushed",
  {
    skip: skopeo === undefined ? "skopeo is not installed" : false,
  },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), "slipway-skopeo-"));
    t.after(() => rmSync(root, { recursive: true, force: true }));
    const put = (bytes: Uint8Array, mediaType: string): Descriptor => {
      const digest = digestOf(bytes);
      mkdirSync(join(root, "blobs", "sha256"), { recursive: true });
      writeFileSync(join(root, "blobs", "sha256", hexOf(digest)), bytes);
      return { mediaType, digest, size: bytes.byteLength };
    };
    const tar = Buffer.alloc(1024);
    const config = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [digestOf(tar)] } };
    const manifest = encodeManifest({
      mediaType: mediaTypes.ociManifest,
      config: put(Buffer.from(JSON.stringify(config)), mediaTypes.ociConfig),
      layers: [put(gzipSync(tar), mediaTypes.ociLayerGzip)],
    });
    const annotations = { "org.opencontainers.image.ref.name": "v1" };
    const manifests = [{ ...put(manifest, mediaTypes.ociManifest), annotations }];
    writeFileSync(join(root, "index.json"), encodeIndex({ mediaType: mediaTypes.ociIndex, manifests }));
    writeFileSync(join(root, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`);

    const user = { username: "ann", password: "pw" };
    await using registry = await MemoryRegistry.start({ auth: { kind: "bearer", ...user } });
    const target = `docker://${registry.host}/team/app:v1`;
    const args = ["copy", "--dest-tls-verify=false", "--dest-creds", "ann:pw", `oci:${root}:v1`, target];
    await promisify(execFile)(skopeo!, args);
    const credentials = { lookup: () => Promise.resolve({ kind: "basic" as const, ...user }) };
    await using client = new RegistryClient({ credentials });
    const received = await client.manifest(parseReference(`${registry.host}/team/app:v1`));
    assert.deepEqual(Buffer.from(received.bytes), Buffer.from(manifest));
  },
);

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
      await (await fetch(`http://${host}/v2/`)).arrayBuffer();
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
