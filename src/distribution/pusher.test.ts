import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../base/index.ts";
import { mediaTypes, parseReference } from "../formats/oci/index.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import type { Fault, LoggedRequest, MemoryRegistryOptions } from "./memory-registry.ts";
import { RegistryClient } from "./registry-client.ts";

const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => (at * 7919) >> 3));
const descriptor = { mediaType: mediaTypes.ociLayer, digest: digestOf(bytes), size: bytes.length };
const retry = { attempts: 4, delayMs: () => 0 };

/** Faults for the first requests that match, in turn. */
function faults(pattern: RegExp, ...list: Fault[]): (request: LoggedRequest) => Fault | undefined {
  return ({ method, path }) => (pattern.test(`${method} ${path}`) ? list.shift() : undefined);
}

async function world(
  options: MemoryRegistryOptions = {},
  client: ConstructorParameters<typeof RegistryClient>[0] = {},
) {
  const registry = await MemoryRegistry.start(options);
  const registries = new RegistryClient({ retry, ...client });
  const ref = parseReference(`${registry.host}/team/app`);
  return {
    registry,
    pusher: registries.pusher(),
    ref,
    stored: async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of registries.blobs(ref).open(descriptor, 0)) chunks.push(chunk);
      return digestOf(Buffer.concat(chunks));
    },
    [Symbol.asyncDispose]: async () => {
      await registries[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

test("an upload that broke goes on where it stopped", async () => {
  await using w = await world({ fault: faults(/^PUT .*uploads/, { kind: "cut-upload", afterBytes: 1_000_000 }) });
  assert.equal(await w.pusher.blob(w.ref, descriptor, { bytes }), "uploaded");
  assert.equal(await w.stored(), descriptor.digest);
  assert.equal(w.registry.count(/^PATCH /), 1);
  assert.equal(w.registry.count(/^POST .*uploads/), 1);
});

test("a chunk that broke goes on too", async () => {
  await using w = await world({
    fault: faults(
      /^(PUT|PATCH) .*uploads/,
      { kind: "cut-upload", afterBytes: 500_000 },
      { kind: "cut-upload", afterBytes: 700_001 },
    ),
  });
  assert.equal(await w.pusher.blob(w.ref, descriptor, { bytes }), "uploaded");
  assert.equal(await w.stored(), descriptor.digest);
});

test("an upload that the registry forgot begins again", async () => {
  await using w = await world({
    fault: faults(/^(PUT|GET) .*uploads/, { kind: "cut-upload", afterBytes: 10 }, { kind: "status", status: 404 }),
  });
  assert.equal(await w.pusher.blob(w.ref, descriptor, { bytes }), "uploaded");
  assert.equal(await w.stored(), descriptor.digest);
  assert.equal(w.registry.count(/^POST .*uploads/), 2);
});

test("a registry that is busy is asked again; one that stays so is an error", async () => {
  await using w = await world({ fault: faults(/^PUT .*uploads/, { kind: "status", status: 503 }) });
  assert.equal(await w.pusher.blob(w.ref, descriptor, { bytes }), "uploaded");
  w.registry.fault = () => ({ kind: "status", status: 503 });
  const other = { ...descriptor, digest: digestOf("other"), size: 5 };
  await assert.rejects(w.pusher.blob(w.ref, other, { bytes: Buffer.from("other") }), { code: "REGISTRY_FAILED" });
});

test("a token is fetched for pushing; without the right the push is denied, and no secret is told", async () => {
  const user = { username: "ann", password: "pw-secret" };
  const lookup = (password: string) => ({
    lookup: () => Promise.resolve({ kind: "basic" as const, ...user, password }),
  });
  await using w = await world({ auth: { kind: "bearer", ...user } }, { credentials: lookup("pw-secret") });
  assert.equal(await w.pusher.blob(w.ref, descriptor, { bytes }), "uploaded");
  await using denied = await world({ auth: { kind: "bearer", ...user } }, { credentials: lookup("wrong-secret") });
  await assert.rejects(denied.pusher.blob(denied.ref, descriptor, { bytes }), (error: Error) => {
    assert.match(error.message, /^push access denied/);
    assert.doesNotMatch(`${error.message} ${JSON.stringify(error)}`, /secret/);
    return true;
  });
});

test("a body that is not the digest's is refused, and not sent again for ever", async () => {
  await using w = await world();
  const lie = { ...descriptor, digest: digestOf("something else") };
  await assert.rejects(w.pusher.blob(w.ref, lie, { bytes }), { code: "REGISTRY_FAILED", message: /digest_invalid/ });
  assert.equal(w.registry.count(/^PUT /), 1);
});
