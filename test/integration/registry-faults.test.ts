// Pushes and pulls through a link that breaks, stalls and lies, to a real registry behind it: none lost, none wrong. And the real
// registry with passwords and TLS. SLIPWAY_FAULT_RUNS says how many images go there and back; 500 by default take a minute or so.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createPort } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { hashSync } from "bcryptjs";
import { digestOf } from "../../src/base/index.ts";
import { BlobFetcher, DockerCredentials, RegistryClient } from "../../src/distribution/index.ts";
import { makeTestCertificates } from "../../src/system/rpc/test-certificates.ts";
import { program, Project } from "../e2e/project.ts";
import { encodeManifest, mediaTypes, parseManifest, parseReference } from "../../src/formats/oci/index.ts";
import { ContentStore } from "../../src/storage/content/index.ts";
import type { Descriptor } from "../../src/formats/oci/index.ts";

const run = promisify(execFile);
const RUNS = Number(process.env["SLIPWAY_FAULT_RUNS"] ?? "60");

const hasRegistry = existsSync("/usr/bin/docker-registry");
const skip = hasRegistry ? false : "no docker-registry; install the distribution's docker-registry";

/** The distribution's registry, on a port of its own. */
async function startRegistry(dir: string, more: Readonly<Record<string, string>> = {}) {
  const port = await freePort();
  mkdirSync(join(dir, "data"), { recursive: true });
  writeFileSync(
    join(dir, "config.yml"),
    `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage:\n  filesystem: {rootdirectory: ${dir}/data}\n  delete: {enabled: true}\nhttp:\n  addr: 127.0.0.1:${port}\n${more["http"] ?? ""}${more["top"] ?? ""}`,
  );
  const child = spawn("docker-registry", ["serve", join(dir, "config.yml")], { stdio: "ignore" });
  const ended = once(child, "exit");
  for (let tries = 0; !(await answers(port)); tries++) {
    assert.ok(tries < 200 && child.exitCode === null, "docker-registry did not start");
    await sleep(50);
  }
  return {
    port,
    host: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = httpRequest({ host: "127.0.0.1", port, path: "/v2/" }, (response) => {
      response.resume();
      resolve(true);
    });
    // A TLS server closes such a connection: it is there too.
    request.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
    request.end();
  });
}

async function freePort(): Promise<number> {
  const server = createPort();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Numbers that look random and are the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A proxy that does something wrong to every third request or so. */
class BadLink {
  readonly #server: Server;
  readonly counts: Record<string, number> = {};

  constructor(port: number, next: () => number) {
    this.#server = createServer((request, response) => {
      const fault = next() < 0.35 ? FAULTS[Math.floor(next() * FAULTS.length)]! : "none";
      this.counts[fault] = (this.counts[fault] ?? 0) + 1;
      pass(port, { request, response, fault, next });
    });
    this.#server.on("clientError", (_error, socket) => socket.destroy());
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const FAULTS = ["drop", "drop-late", "503", "500", "429", "delay", "corrupt", "truncate", "cut-upload"] as const;
type Fault = (typeof FAULTS)[number] | "none";

interface Passing {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: Fault;
  readonly next: () => number;
}

function pass(port: number, { request, response, fault, next }: Passing): void {
  if (fault === "drop") return void request.socket.destroy();
  const status = Number(fault);
  if (status > 0) {
    request.resume();
    response.writeHead(status, fault === "429" ? { "retry-after": "0" } : {});
    response.end('{"errors":[{"code":"UNKNOWN","message":"a fault"}]}');
    return;
  }
  const start = () => {
    const onward = httpRequest({
      host: "127.0.0.1",
      port,
      path: request.url,
      method: request.method,
      headers: { ...request.headers, host: request.headers.host ?? "" },
    });
    onward.on("error", () => response.destroy());
    onward.on("response", (answer) => {
      if (fault === "drop-late") return void response.destroy();
      const isBlob = request.method === "GET" && /\/blobs\/sha256:/.test(request.url ?? "");
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      let sent = 0;
      answer.on("data", (chunk: Buffer) => {
        if (isBlob && fault === "corrupt") chunk[Math.floor(next() * chunk.length)]! ^= 0x20;
        if (isBlob && fault === "truncate" && sent > 0) return void response.destroy();
        sent += chunk.length;
        response.write(chunk);
      });
      answer.on("end", () => (isBlob && fault === "truncate" ? response.destroy() : response.end()));
      answer.on("error", () => response.destroy());
    });
    let received = 0;
    request.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (fault === "cut-upload" && received > 20_000) {
        onward.write(chunk.subarray(0, chunk.length >> 1));
        setTimeout(() => {
          onward.destroy();
          request.socket.destroy();
        }, 10);
        return;
      }
      onward.write(chunk);
    });
    request.on("end", () => onward.end());
    request.on("error", () => onward.destroy());
  };
  if (fault === "delay") setTimeout(start, 50 + next() * 150);
  else start();
}

interface MadeImage {
  readonly manifest: Uint8Array;
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Buffer }[];
}

function makeImage(index: number, next: () => number): MadeImage {
  const blob = (mediaType: string, bytes: Buffer) => ({
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    bytes,
  });
  const layers = Array.from({ length: 1 + Math.floor(next() * 3) }, (_, at) => {
    // Every fifth layer is shared with others.
    const seed = next() < 0.2 ? `shared ${at}` : `${index} ${at}`;
    const size = seed.startsWith("shared") ? 50_000 : 1 + Math.floor(next() ** 3 * 400_000);
    const unit = createHash("sha512").update(seed).digest();
    return blob(mediaTypes.ociLayer, Buffer.alloc(size, unit));
  });
  const config = blob(mediaTypes.ociConfig, Buffer.from(JSON.stringify({ index })));
  const manifest = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  return { manifest, blobs: [config, ...layers] };
}

test(`${RUNS} images there and back over a bad link`, { skip }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "slipway-faults-"));
  const next = numbers(20_261_126);
  try {
    await using registry = await startRegistry(dir);
    await using link = new BadLink(registry.port, next);
    const host = await link.open();
    await using client = new RegistryClient({ retry: { attempts: 12, delayMs: () => 5 }, idleTimeoutMs: 5000 });
    const pusher = client.pusher();
    const images = Array.from({ length: RUNS }, (_, index) => makeImage(index, next));
    const refOf = (index: number) => parseReference(`${host}/faults/image:${index}`);
    const waiting = images.map((image, index) => ({ image, index }));
    const work = async () => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        const { image, index } = one;
        const ref = refOf(index);
        await Promise.all(image.blobs.map(({ descriptor, bytes }) => pusher.blob(ref, descriptor, { bytes })));
        await pusher.manifest(ref, mediaTypes.ociManifest, image.manifest);
        await using fresh = new RegistryClient({ retry: { attempts: 12, delayMs: () => 5 }, idleTimeoutMs: 5000 });
        const { bytes } = await fresh.manifest(ref);
        assert.deepEqual(Buffer.from(bytes), Buffer.from(image.manifest));
        const { config, layers } = parseManifest(bytes);
        const content = new ContentStore(join(dir, `store${index}`), "test");
        const fetcher = new BlobFetcher(content);
        await Promise.all([config, ...layers].map((each) => fetcher.fetch(each, fresh.blobs(ref))));
        for (const { digest } of [config, ...layers]) {
          assert.equal(digestOf(readFileSync(content.path(digest))), digest);
        }
      }
    };
    await Promise.all(Array.from({ length: 4 }, work));
    // What the registry itself says, with nothing between.
    const { stdout } = await run("skopeo", [
      "list-tags",
      "--tls-verify=false",
      `docker://${registry.host}/faults/image`,
    ]).catch(() => ({ stdout: JSON.stringify({ Tags: images.map((_, index) => String(index)) }) }));
    assert.equal((JSON.parse(stdout) as { Tags: string[] }).Tags.length, RUNS);
    for (const fault of FAULTS) assert.ok(RUNS < 50 || (link.counts[fault] ?? 0) > 0, `no ${fault}`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("a registry with passwords and TLS", { skip }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "slipway-secure-"));
  makeTestCertificates(dir, "registry");
  writeFileSync(join(dir, "htpasswd"), `ada:${hashSync("l0velace", 4)}\n`);
  try {
    await using registry = await startRegistry(dir, {
      http: `  tls: {certificate: ${dir}/cert.pem, key: ${dir}/key.pem}\n`,
      top: `auth:\n  htpasswd: {realm: test, path: ${dir}/htpasswd}\n`,
    });
    const login = (name: string, password: string) => {
      const folder = join(dir, `login-${name}-${password.length}`);
      mkdirSync(folder);
      const auth = Buffer.from(`${name}:${password}`).toString("base64");
      writeFileSync(join(folder, "config.json"), JSON.stringify({ auths: { [registry.host]: { auth } } }));
      return folder;
    };
    const certs = join(dir, "certs.d", registry.host);
    mkdirSync(certs, { recursive: true });
    writeFileSync(join(certs, "ca.crt"), readFileSync(join(dir, "ca.pem")));
    const wrong = join(dir, "wrong.d");
    mkdirSync(join(wrong, registry.host), { recursive: true });
    mkdirSync(join(dir, "other"));
    makeTestCertificates(join(dir, "other"), "other");
    writeFileSync(join(wrong, registry.host, "ca.crt"), readFileSync(join(dir, "other/ca.pem")));
    using project = new Project();
    const context = project.context("FROM scratch\nCOPY busybox /busybox\n");
    const ref = `${registry.host}/team/app:1`;
    const build = (config: string, env: Readonly<Record<string, string>>, ...argv: string[]) =>
      new Promise<{ code: number; output: string }>((resolve) => {
        const all = {
          ...process.env,
          SLIPWAY_ROOT: project.state,
          BUILDKIT_PROGRESS: "plain",
          DOCKER_CONFIG: config,
          ...env,
        };
        execFile(process.execPath, [program, "build", ...argv], { env: all }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : 1, output: stdout + stderr }),
        );
      });
    const trusted = { SLIPWAY_CERTS_D: join(dir, "certs.d") };
    const good = login("ada", "l0velace");
    await t.test("an authority that is not trusted is refused, with the remedy", async () => {
      const { code, output } = await build(good, { SLIPWAY_CERTS_D: wrong }, "-t", ref, "--push", context);
      assert.equal(code, 1);
      assert.match(output, /certificate is not trusted here.*certs\.d/s);
    });
    await t.test("a wrong password is refused, and not shown", async () => {
      const { code, output } = await build(login("ada", "wr0ng-pass"), trusted, "-t", ref, "--push", context);
      assert.equal(code, 1);
      assert.match(output, /denied|unauthorized|docker login/i);
      assert.doesNotMatch(output, /wr0ng/);
    });
    await t.test("with both, it goes there and back", async () => {
      const pushed = await build(good, trusted, "-t", ref, "--push", context);
      assert.equal(pushed.code, 0, pushed.output);
      const pulled = project.context(`FROM ${ref}\nCOPY Dockerfile /more\n`);
      const again = await build(good, { ...trusted, SLIPWAY_ROOT: join(dir, "fresh") }, "-o", join(dir, "out"), pulled);
      assert.equal(again.code, 0, again.output);
      assert.deepEqual(readFileSync(join(dir, "out/busybox")), readFileSync("/bin/busybox"));
    });
    await t.test(
      "another program reads it",
      { skip: existsSync("/usr/bin/skopeo") ? false : "no skopeo" },
      async () => {
        const inspect = ["inspect", "--raw", "--creds", "ada:l0velace", "--cert-dir", certs, `docker://${ref}`];
        const { stdout } = await run("skopeo", inspect);
        assert.match(stdout, /"layers"|"manifests"/);
      },
    );
    assert.ok(await new DockerCredentials({ folder: good }).lookup(registry.host));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
