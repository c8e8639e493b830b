// Authorization, retries, resumed blobs, redirects, mirrors and limits, each against an in-memory registry that misbehaves.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { digestOf, isBuildError } from "../base/index.ts";
import { encodeManifest, MAX_MANIFEST_BYTES, mediaTypes, parseReference, withDigest } from "../formats/oci/index.ts";
import type { Descriptor, Reference } from "../formats/oci/index.ts";
import type { Credential, Credentials } from "./credentials.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import type { Fault, MemoryRegistryOptions } from "./memory-registry.ts";
import { RegistryClient } from "./registry-client.ts";
import type { RegistryClientOptions } from "./registry-client.ts";

const layer = Buffer.from("0123456789abcdef".repeat(20_000));
const blob: Descriptor = { mediaType: mediaTypes.ociLayer, digest: digestOf(layer), size: layer.length };
const config: Descriptor = { mediaType: mediaTypes.ociConfig, digest: digestOf("{}"), size: 2 };
const manifest = encodeManifest({ mediaType: mediaTypes.ociManifest, config, layers: [blob] });
const retry = { attempts: 4, delayMs: () => 0 };

interface Setup extends AsyncDisposable {
  readonly registry: MemoryRegistry;
  readonly client: RegistryClient;
  readonly ref: Reference;
}

async function setup(server: MemoryRegistryOptions = {}, options: RegistryClientOptions = {}): Promise<Setup> {
  const registry = await MemoryRegistry.start(server);
  registry.putBlob("team/app", layer);
  registry.putManifest("team/app", manifest, "v1");
  const client = new RegistryClient({ retry, ...options });
  return {
    registry,
    client,
    ref: parseReference(`${registry.host}/team/app:v1`),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** Gives the same fault for the first `times` requests that match. */
function faults(pattern: RegExp, times: number, fault: Fault): NonNullable<MemoryRegistryOptions["fault"]> {
  let left = times;
  return ({ method, path }) => (pattern.test(`${method} ${path}`) && left-- > 0 ? fault : undefined);
}

function holding(credential: Credential | undefined): Credentials & { hosts: string[] } {
  const hosts: string[] = [];
  return {
    hosts,
    lookup: (host) => {
      hosts.push(host);
      return Promise.resolve(credential);
    },
  };
}

const user = { username: "ann", password: "s3cret-pass" } as const;
const bearer = { kind: "bearer", ...user } as const;

test("a tag costs one HEAD request", async () => {
  await using s = await setup();
  const { descriptor, bytes } = await s.client.resolve(s.ref);
  assert.deepEqual(descriptor, {
    mediaType: mediaTypes.ociManifest,
    digest: digestOf(manifest),
    size: manifest.length,
  });
  assert.equal(bytes, undefined);
  assert.deepEqual(
    s.registry.requests.map(({ method, path }) => `${method} ${path}`),
    ["HEAD /v2/team/app/manifests/v1"],
  );
});

test("a registry that does not say the digest, or knows no HEAD, is asked for the manifest", async () => {
  for (const fault of [
    { kind: "without", header: "docker-content-digest" },
    { kind: "without", header: "content-type" },
    { kind: "status", status: 405 },
  ] as const) {
    await using s = await setup({ fault: faults(/^HEAD/, 9, fault) });
    const { descriptor, bytes } = await s.client.resolve(s.ref);
    assert.equal(descriptor.digest, digestOf(manifest));
    assert.deepEqual(Buffer.from(bytes!), Buffer.from(manifest));
  }
});

test("basic authorization: sent only once asked for", async () => {
  const credentials = holding({ kind: "basic", ...user });
  await using s = await setup({ auth: { kind: "basic", ...user } }, { credentials });
  await s.client.resolve(s.ref);
  await s.client.manifest(s.ref);
  assert.deepEqual(
    s.registry.requests.map((each) => each.authorization?.split(" ")[0]),
    [undefined, "Basic", "Basic"],
  );
  assert.deepEqual(credentials.hosts, [s.registry.host]);
});

test("bearer tokens: anonymous, by password, by identity token; fetched once for many requests", async () => {
  const cases = [
    { auth: { ...bearer, anonymousPull: true }, credential: undefined },
    { auth: bearer, credential: { kind: "basic", ...user } },
    { auth: { ...bearer, identityToken: "refresh-me" }, credential: { kind: "identity", token: "refresh-me" } },
  ] as const;
  for (const { auth, credential } of cases) {
    await using s = await setup({ auth }, { credentials: holding(credential) });
    await Promise.all(Array.from({ length: 8 }, () => s.client.manifest(s.ref)));
    assert.equal(s.registry.count(/ \/token/), 1);
    const { path, method } = s.registry.requests.find((each) => each.path.startsWith("/token"))!;
    if (method === "GET") assert.match(path, /^\/token\?service=memory&scope=repository%3Ateam%2Fapp%3Apull$/);
  }
});

test("a token that ends is renewed", async () => {
  await using s = await setup({ auth: bearer }, { credentials: holding({ kind: "basic", ...user }) });
  await s.client.manifest(s.ref);
  s.registry.revokeTokens();
  await s.client.manifest(s.ref);
  await s.client.manifest(s.ref);
  assert.equal(s.registry.count(/ \/token/), 2);
});

test("refused access names the repository, never the secret", async () => {
  const wrong = { kind: "basic", username: "ann", password: "wrong-pa55" } as const;
  for (const auth of [bearer, { kind: "basic", ...user }] as const) {
    for (const credential of [undefined, wrong]) {
      await using s = await setup({ auth }, { credentials: holding(credential) });
      await assert.rejects(s.client.resolve(s.ref), (error: unknown) => {
        assert.ok(isBuildError(error));
        assert.equal(error.code, "REGISTRY_ACCESS_DENIED");
        assert.equal(error.status, "PermissionDenied");
        assert.match(error.message, /^pull access denied, repository does not exist or may require authorization/);
        assert.match(error.hint ?? "", new RegExp(`${s.registry.host}/team/app`));
        assert.doesNotMatch(JSON.stringify([error.message, error.hint, error.stack]), /pa55|s3cret/);
        return true;
      });
    }
  }
});

test("anonymous tokens without the scope are told as docker tells it", async () => {
  await using s = await setup({ auth: bearer });
  await assert.rejects(s.client.resolve(s.ref), {
    message:
      "pull access denied, repository does not exist or may require authorization: " +
      "server message: insufficient_scope: authorization failed",
  });
});

test("403 carries the registry's own words", async () => {
  const body = JSON.stringify({ errors: [{ code: "DENIED", message: "key vault\u001b[31m says no" }] });
  await using s = await setup({ fault: faults(/^GET/, 9, { kind: "status", status: 403, body }) });
  await assert.rejects(s.client.manifest(s.ref), {
    code: "REGISTRY_ACCESS_DENIED",
    message: /: server message: denied: key vault \[31m says no$/,
  });
});

test("a failing credential helper stops nothing that needs no credentials, and is told when access is refused", async () => {
  const { BuildError } = await import("../base/index.ts");
  const credentials = {
    lookup: () =>
      Promise.reject(new BuildError("docker-credential-x is not installed", { code: "CREDENTIALS_FAILED" })),
  };
  {
    await using s = await setup({ auth: { ...bearer, anonymousPull: true } }, { credentials });
    await s.client.manifest(s.ref);
  }
  await using s = await setup({ auth: bearer }, { credentials });
  await assert.rejects(s.client.manifest(s.ref), { hint: /docker-credential-x is not installed/ });
});

test("retries what may pass: 5xx, 429, broken connections; gives up after its attempts", async () => {
  for (const fault of [
    { kind: "status", status: 503 },
    { kind: "status", status: 429, headers: { "retry-after": "0" } },
    { kind: "drop" },
  ] as const) {
    await using s = await setup({ fault: faults(/./, 3, fault) });
    assert.equal((await s.client.manifest(s.ref)).descriptor.digest, digestOf(manifest));
    assert.equal(s.registry.requests.length, 4);
  }
  {
    await using s = await setup({ fault: faults(/./, 99, { kind: "status", status: 502 }) });
    await assert.rejects(s.client.manifest(s.ref), {
      code: "REGISTRY_FAILED",
      retryable: true,
      message: `unexpected status from GET request to http://${s.registry.host}/v2/team/app/manifests/v1: 502`,
    });
    assert.equal(s.registry.requests.length, 4);
  }
  {
    const body = JSON.stringify({ errors: [{ code: "TOOMANYREQUESTS", message: "slow down" }] });
    await using s = await setup({ fault: faults(/./, 99, { kind: "status", status: 429, body }) });
    await assert.rejects(s.client.manifest(s.ref), {
      code: "REGISTRY_THROTTLED",
      message: `registry ${s.registry.host} refuses more requests for now (429): toomanyrequests: slow down`,
    });
  }
  await using s = await setup({ fault: faults(/./, 99, { kind: "drop" }) });
  await assert.rejects(s.client.manifest(s.ref), { code: "REGISTRY_UNREACHABLE", status: "Unavailable" });
  assert.equal(s.registry.requests.length, 4);
});

test("a registry that is not there is told at once", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  await using client = new RegistryClient({ retry: { attempts: 9, delayMs: () => assert.fail("no retry was due") } });
  await assert.rejects(client.resolve(parseReference(`127.0.0.1:${port}/team/app:v1`)), {
    code: "REGISTRY_UNREACHABLE",
    message: `registry 127.0.0.1:${port} can't be reached: connection refused`,
  });
});

test("a blob goes on where the connection broke", async () => {
  await using s = await setup({ fault: faults(/^GET .*blobs/, 2, { kind: "cut", afterBytes: 100_000 }) });
  assert.deepEqual(await collect(s.client.blobs(s.ref).open(blob, 0)), layer);
  assert.deepEqual(
    s.registry.requests.map((each) => each.range),
    [undefined, "bytes=100000-", "bytes=200000-"],
  );
});

test("a blob goes on even where ranges are ignored", async () => {
  let requests = 0;
  await using s = await setup({
    fault: () => (++requests === 1 ? { kind: "cut", afterBytes: 100_000 } : { kind: "no-range" }),
  });
  assert.deepEqual(await collect(s.client.blobs(s.ref).open(blob, 0)), layer);
});

test("a blob whose connection always breaks ends in an error", async () => {
  await using s = await setup({ fault: faults(/./, 999, { kind: "cut", afterBytes: 10 }) });
  await assert.rejects(collect(s.client.blobs(s.ref).open(blob, 0)), { code: "REGISTRY_UNREACHABLE" });
  assert.equal(s.registry.requests.length, 4);
});

test("manifests of other bytes than their digest are refused", async () => {
  await using s = await setup({ fault: faults(/./, 99, { kind: "corrupt" }) });
  await assert.rejects(s.client.manifest(withDigest(s.ref, digestOf(manifest))), { code: "REGISTRY_BAD_ANSWER" });
  await assert.rejects(s.client.manifest(s.ref), { code: "REGISTRY_BAD_ANSWER" });
});

test("manifests beyond 4 MiB are refused, announced or not", async () => {
  const huge = Buffer.from(
    JSON.stringify({ mediaType: mediaTypes.ociIndex, manifests: [], pad: "x".repeat(MAX_MANIFEST_BYTES) }),
  );
  const server = createServer((request, response) => {
    response.setHeader("content-type", mediaTypes.ociIndex);
    response.setHeader("docker-content-digest", digestOf(huge));
    if (request.method === "HEAD") response.setHeader("content-length", huge.length);
    if (request.method === "HEAD") response.end();
    else response.end(huge);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await using client = new RegistryClient({ retry });
    const ref = parseReference(`127.0.0.1:${(server.address() as AddressInfo).port}/team/app:v1`);
    await assert.rejects(client.resolve(ref), { code: "REGISTRY_BAD_ANSWER", message: /^rejecting \d+ byte manifest/ });
    await assert.rejects(client.manifest(ref), {
      code: "REGISTRY_BAD_ANSWER",
      message: /sends more than 4194304 bytes$/,
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test("redirects are followed without the authorization; loops and bad ones are refused", async () => {
  await using target = await setup();
  const location = `http://${target.registry.host}/v2/team/app/blobs/${blob.digest}`;
  await using s = await setup(
    { auth: bearer, fault: faults(/blobs/, 99, { kind: "redirect", location }) },
    { credentials: holding({ kind: "basic", ...user }) },
  );
  assert.deepEqual(await collect(s.client.blobs(s.ref).open(blob, 0)), layer);
  assert.deepEqual(
    target.registry.requests.map((each) => each.authorization),
    [undefined],
  );
  for (const bad of [`/v2/team/app/blobs/${blob.digest}`, "http://[", "ftp://127.0.0.1/x"]) {
    await using looping = await setup({ fault: faults(/blobs/, 99, { kind: "redirect", location: bad }) });
    await assert.rejects(collect(looping.client.blobs(looping.ref).open(blob, 0)), { code: "REGISTRY_BAD_ANSWER" });
  }
});

test("mirrors come first, the registry itself where they fail", async () => {
  await using origin = await setup();
  await using mirror = await setup();
  await using s = {
    client: new RegistryClient({ retry, registries: { [origin.registry.host]: { mirrors: [mirror.registry.host] } } }),
    [Symbol.asyncDispose]: () => s.client[Symbol.asyncDispose](),
  };
  await s.client.manifest(origin.ref);
  assert.equal(origin.registry.requests.length, 0);
  const ns = encodeURIComponent(origin.registry.host);
  assert.equal(mirror.registry.requests[0]!.path, `/v2/team/app/manifests/v1?ns=${ns}`);
  for (const fault of [{ kind: "status", status: 404 }, { kind: "drop" }, { kind: "status", status: 401 }] as const) {
    mirror.registry.fault = () => fault;
    await s.client.manifest(origin.ref);
  }
  mirror.registry.fault = () => ({ kind: "corrupt" });
  await s.client.manifest(withDigest(origin.ref, digestOf(manifest)));
  assert.equal(origin.registry.requests.length, 4);
  assert.equal(s.client.blobs(origin.ref).sources, 2);
});

test("an aborted request rejects with the signal's reason", async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await using client = new RegistryClient({ retry });
    const controller = new AbortController();
    const reason = new Error("enough");
    server.on("request", () => controller.abort(reason));
    const ref = parseReference(`127.0.0.1:${(server.address() as AddressInfo).port}/team/app:v1`);
    await assert.rejects(client.resolve(ref, controller.signal), reason);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test("an insecure registry is tried with https, then without", async () => {
  await using s = await setup();
  await using client = new RegistryClient({ retry, registries: { [s.registry.host]: { insecure: true } } });
  assert.equal((await client.resolve(s.ref)).descriptor.digest, digestOf(manifest));
  await using strict = new RegistryClient({ retry, registries: { [s.registry.host]: { http: false } } });
  await assert.rejects(strict.resolve(s.ref), { code: "REGISTRY_UNREACHABLE" });
});

test("a registry that fails is not asked a second way", async () => {
  await using s = await setup({ fault: faults(/./, 99, { kind: "status", status: 500 }) });
  await assert.rejects(s.client.resolve(s.ref), { code: "REGISTRY_FAILED", message: /from HEAD request to .*: 500$/ });
  assert.equal(s.registry.requests.length, 4);
});
