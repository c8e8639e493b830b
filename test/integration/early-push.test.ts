// A push sends layers while others are still packed, each once; what fails then fails the push, and manifests come last.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf } from "../../src/base/index.ts";
import { MemoryRegistry, RegistryClient } from "../../src/distribution/index.ts";
import type { Fault } from "../../src/distribution/index.ts";
import { createExporter, ImageStore, imagesSchema } from "../../src/engine/exporters/index.ts";
import type { ExportContext, ExportSource, LayerBlob, LayerSource } from "../../src/engine/exporters/index.ts";
import { ContentStore } from "../../src/storage/content/index.ts";
import { openDatabase } from "../../src/system/database/index.ts";

const home = mkdtempSync(join(tmpdir(), "slipway-early-push-"));
const content = new ContentStore(join(home, "content"), "test");
const db = openDatabase(join(home, "store.db"), { migrations: [imagesSchema] });
const images = new ImageStore(db, content, () => 5000);
let registry: MemoryRegistry;
let client: RegistryClient;
before(async () => {
  registry = await MemoryRegistry.start();
  client = new RegistryClient({ registries: { [registry.host]: { insecure: true } } });
});
after(async () => {
  await client[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  db.close();
  rmSync(home, { recursive: true, force: true });
});

const layer = (text: string): LayerBlob => {
  const bytes = Buffer.from(text);
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  return { descriptor: { mediaType, digest: content.add(bytes), size: bytes.length }, diffId: digestOf(bytes) };
};

/** The second layer is had once `isTime` says so. */
function sourceOf(name: string, isTime: () => boolean): { source: ExportSource; layers: readonly LayerBlob[] } {
  const [first, second] = [layer(`${name} one`), layer(`${name} two`)];
  const from: LayerSource = {
    blobs: async (_options, signal, onBlob) => {
      onBlob?.(first, 0);
      while (!isTime()) await sleep(5, undefined, { signal });
      onBlob?.(second, 1);
      return [first, second];
    },
    bring: () => Promise.reject(new Error("all is here")),
    tar: () => Promise.reject(new Error("not asked")),
  };
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: {} }));
  const platform = {
    key: "linux/amd64",
    platform: { os: "linux", architecture: "amd64" },
    refOf: () => "ref",
    config,
    layers: from,
    openTree: () => Promise.reject(new Error("not asked")),
  };
  return { source: { platforms: [platform], multiPlatform: false, metadata: {} }, layers: [first, second] };
}

function push(name: string, source: ExportSource): Promise<Record<string, string>> {
  const context: ExportContext = {
    content,
    images,
    jobs: { run: () => Promise.reject(new Error("no jobs here")) },
    pusher: () => client.pusher(),
    progress: () => undefined,
    warn: (text) => assert.fail(text),
    signal: new AbortController().signal,
  };
  const attributes = { name: `${registry.host}/${name}:1`, push: "true", store: "false" };
  return createExporter("image", attributes).export(source, undefined, context);
}

const sent = (name: string, { descriptor }: LayerBlob): number =>
  registry.count(new RegExp(`^PUT /v2/${name}/blobs/.*${descriptor.digest.slice("sha256:".length)}`));

test("a layer is sent before the next one is packed, and once", async () => {
  const { source, layers } = sourceOf("early", () => sent("early", layers[0]!) === 1);
  await push("early", source);
  assert.deepEqual(
    layers.map((each) => sent("early", each)),
    [1, 1],
  );
  assert.match(registry.requests.at(-1)!.path, /^\/v2\/early\/manifests\/1$/);
});

test("a registry that takes no layer fails the push", async () => {
  registry.fault = ({ method }): Fault | undefined => (method === "POST" ? { kind: "status", status: 400 } : undefined);
  const { source } = sourceOf("never", () => registry.count(/^POST \/v2\/never\//) > 0);
  await assert.rejects(push("never", source), /unexpected status from POST request to .*: 400/);
  registry.fault = undefined;
  assert.equal(registry.count(/^PUT \/v2\/never\//), 0);
});

test("where packing fails, nothing is tagged", async () => {
  const { source } = sourceOf("torn", () => {
    throw new Error("the disk broke");
  });
  await assert.rejects(push("torn", source), /the disk broke/);
  assert.equal(registry.count(/^PUT \/v2\/torn\/manifests/), 0);
});
