// Images from an in-memory registry: what is fetched and what not, resolve modes, platforms, cache keys, hostile images.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { MemoryRegistry, RegistryClient } from "../../distribution/index.ts";
import { encodeIndex, encodeManifest, mediaTypes, parsePlatform } from "../../formats/oci/index.ts";
import type { Descriptor, Manifest } from "../../formats/oci/index.ts";
import { ContentStore } from "../../storage/content/index.ts";
import { imageCacheKeys } from "./image-cache-keys.ts";
import { ImageSource } from "./image-source.ts";
import type { ImageResolveMode, LocalImages } from "./image-source.ts";

const amd64 = parsePlatform("linux/amd64");

interface World {
  readonly registry: MemoryRegistry;
  readonly content: ContentStore;
  readonly notes: string[];
  /** A source on the same content store, as another process would have it. */
  source(local?: LocalImages): ImageSource;
}

async function world(t: TestContext): Promise<World> {
  const root = mkdtempSync(join(tmpdir(), "slipway-image-"));
  const registry = await MemoryRegistry.start();
  const client = new RegistryClient({ retry: { attempts: 2, delayMs: () => 0 } });
  t.after(async () => {
    await client[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  });
  const content = new ContentStore(root, "test");
  const notes: string[] = [];
  const onNote = (text: string) => void notes.push(text);
  return {
    registry,
    content,
    notes,
    source: (local) => new ImageSource({ content, client, onNote, ...(local === undefined ? {} : { local }) }),
  };
}

interface Made {
  readonly manifest: Descriptor;
  readonly config: Buffer;
  readonly layers: Buffer[];
  readonly diffIds: Digest[];
  readonly bytes: Uint8Array;
}

function makeImage(platform: string, layerTexts: readonly string[], change: Partial<Manifest> = {}): Made {
  const { os, architecture, variant } = parsePlatform(platform);
  const layers = layerTexts.map((text) => Buffer.from(`blob of ${text}`));
  const diffIds = layerTexts.map((text) => digestOf(text));
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os,
      variant,
      config: { Env: ["A=b"] },
      rootfs: { type: "layers", diff_ids: diffIds },
    }),
  );
  const bytes = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: digestOf(config), size: config.length },
    layers: layers.map((each) => ({ mediaType: mediaTypes.ociLayerGzip, digest: digestOf(each), size: each.length })),
    ...change,
  });
  const manifest = { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), size: bytes.byteLength };
  return { manifest, config, layers, diffIds, bytes };
}

function push(registry: MemoryRegistry, repository: string, image: Made, tag?: string): void {
  for (const each of [image.config, ...image.layers]) registry.putBlob(repository, each);
  registry.putManifest(repository, image.bytes, tag);
}

function pushIndex(
  registry: MemoryRegistry,
  tag: string,
  entries: readonly (Descriptor & { name?: string })[],
): Descriptor {
  const bytes = encodeIndex({ mediaType: mediaTypes.ociIndex, manifests: entries });
  return registry.putManifest("team/app", bytes, tag);
}

const paths = ({ requests }: MemoryRegistry) =>
  requests.map(({ method, path }) => `${method} ${path.replace("/v2/team/app/", "")}`);

test("resolving fetches manifest and config alone; a digest then needs no network, a tag one HEAD", async (t) => {
  const w = await world(t);
  const image = makeImage("linux/amd64", ["one", "two"]);
  push(w.registry, "team/app", image, "v1");
  const ref = `${w.registry.host}/team/app`;
  const resolved = await w.source().resolve(`${ref}:v1`, { platform: amd64, mode: "default" });
  assert.equal(resolved.ref, `${ref}:v1`);
  assert.equal(resolved.digest, image.manifest.digest);
  assert.equal(resolved.manifestDigest, image.manifest.digest);
  assert.equal(resolved.configDigest, digestOf(image.config));
  assert.deepEqual(Buffer.from(resolved.configBytes), image.config);
  assert.deepEqual(
    resolved.layers.map(({ descriptor, diffId }) => [descriptor.digest, diffId]),
    image.layers.map((each, at) => [digestOf(each), image.diffIds[at]]),
  );
  assert.deepEqual(paths(w.registry), [
    "HEAD manifests/v1",
    `GET manifests/${image.manifest.digest}`,
    `GET blobs/${digestOf(image.config)}`,
  ]);
  w.registry.requests.length = 0;
  const pinned = await w.source().resolve(`${ref}:v1@${image.manifest.digest}`, { platform: amd64, mode: "pull" });
  assert.deepEqual(paths(w.registry), []);
  assert.equal(pinned.manifestDigest, image.manifest.digest);
  await w.source().resolve(`${ref}:v1`, { platform: amd64, mode: "pull" });
  assert.deepEqual(paths(w.registry), ["HEAD manifests/v1"]);
});

test("the same image asked for many times at once is resolved once", async (t) => {
  const w = await world(t);
  push(w.registry, "team/app", makeImage("linux/amd64", ["one"]), "latest");
  const source = w.source();
  const ref = `${w.registry.host}/team/app`;
  await Promise.all(Array.from({ length: 6 }, () => source.resolve(ref, { platform: amd64, mode: "default" })));
  assert.equal(w.registry.requests.length, 3);
});

test("layers are fetched through the text of an earlier process", async (t) => {
  const w = await world(t);
  const image = makeImage("linux/amd64", ["one", "two"]);
  push(w.registry, "team/app", image, "v1");
  const { layers, remote } = await w
    .source()
    .resolve(`${w.registry.host}/team/app:v1`, { platform: amd64, mode: "pull" });
  const opened = w.source().openRemote(remote);
  for (const { descriptor } of layers) await opened.fetch(descriptor);
  for (const each of image.layers) assert.deepEqual(Buffer.from(w.content.read(digestOf(each))), each);
  const count = w.registry.requests.length;
  await opened.fetch(layers[0]!.descriptor);
  assert.equal(w.registry.requests.length, count);
  for (const text of ["", "null", "{}", `{"kind":"registry"}`, "[1"]) {
    assert.throws(() => w.source().openRemote(text), { code: "INVALID_REMOTE" });
  }
});

test("an index gives the best manifest for the platform, the index's digest, and a clear error for none", async (t) => {
  const w = await world(t);
  const images = ["linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/386"].map((name) => ({
    name,
    ...makeImage(name, [name]),
  }));
  for (const each of images) push(w.registry, "team/app", each);
  const index = pushIndex(w.registry, "multi", [
    { ...images[0]!.manifest, platform: { os: "unknown", architecture: "unknown" } },
    ...images.map(({ manifest, name }) => ({ ...manifest, platform: parsePlatform(name) })),
  ]);
  const ref = `${w.registry.host}/team/app:multi`;
  const cases = { "linux/amd64": 0, "linux/arm/v7": 2, "linux/arm/v6": 1, "linux/arm64": 2, "linux/amd64/v3": 0 };
  for (const [name, at] of Object.entries(cases)) {
    const resolved = await w.source().resolve(ref, { platform: parsePlatform(name), mode: "pull" });
    assert.equal(resolved.digest, index.digest);
    assert.equal(resolved.manifestDigest, images[at]!.manifest.digest, name);
  }
  await assert.rejects(w.source().resolve(ref, { platform: parsePlatform("linux/s390x"), mode: "pull" }), {
    code: "NO_MATCHING_PLATFORM",
    message: `no match for platform in manifest ${index.digest}: not found`,
    hint: "wanted linux/s390x; the image has linux/amd64, linux/arm/v6, linux/arm/v7, linux/386",
  });
});

test("manifests without a platform in the index are judged by their config; indexes may nest", async (t) => {
  const w = await world(t);
  const arm = makeImage("linux/arm64", ["arm"]);
  const amd = makeImage("linux/amd64", ["amd"]);
  for (const each of [arm, amd]) push(w.registry, "team/app", each);
  const inner = pushIndex(w.registry, "inner", [arm.manifest, amd.manifest]);
  pushIndex(w.registry, "outer", [inner]);
  const ref = `${w.registry.host}/team/app:outer`;
  const resolved = await w.source().resolve(ref, { platform: amd64, mode: "pull" });
  assert.equal(resolved.manifestDigest, amd.manifest.digest);
});

test("modes: local first, registry first with the local image behind it, registry alone", async (t) => {
  const w = await world(t);
  const remote = makeImage("linux/amd64", ["remote"]);
  const kept = makeImage("linux/amd64", ["kept"]);
  for (const each of [kept.bytes, kept.config]) w.content.add(each);
  push(w.registry, "team/app", remote, "v1");
  const { host } = w.registry;
  const ref = (tag: string) => `${host}/team/app:${tag}`;
  const asked: string[] = [];
  const local: LocalImages = {
    lookup: (name) => {
      asked.push(name);
      return { digest: kept.manifest.digest };
    },
  };
  const resolve = (tag: string, mode: ImageResolveMode) => w.source(local).resolve(ref(tag), { platform: amd64, mode });

  assert.equal((await resolve("v1", "local")).digest, kept.manifest.digest);
  assert.equal(w.registry.requests.length, 0);
  assert.deepEqual(asked.splice(0), [ref("v1")]);

  assert.equal((await resolve("v1", "default")).digest, remote.manifest.digest);
  assert.equal((await resolve("v1", "pull")).digest, remote.manifest.digest);
  assert.deepEqual([asked, w.notes], [[], []]);

  const image = await resolve("v2", "default");
  assert.equal(image.digest, kept.manifest.digest);
  assert.deepEqual(w.notes.splice(0), [`using the local image ${ref("v2")}: ${ref("v2")}: not found`]);
  await assert.rejects(resolve("v2", "pull"), { code: "IMAGE_NOT_FOUND" });

  const opened = w.source().openRemote(image.remote);
  await assert.rejects(opened.fetch(image.layers[0]!.descriptor), { code: "BLOB_NOT_FOUND" });
  w.content.add(kept.layers[0]!);
  await opened.fetch(image.layers[0]!.descriptor);

  w.registry.fault = () => ({ kind: "drop" });
  assert.equal((await resolve("v1", "default")).digest, kept.manifest.digest);
  assert.match(w.notes[0]!, /can't be reached: /);
  await assert.rejects(resolve("v1", "pull"), { code: "REGISTRY_UNREACHABLE" });
});

test("a local image of another platform, or not whole, does not count", async (t) => {
  const w = await world(t);
  const remote = makeImage("linux/arm64", ["remote"]);
  push(w.registry, "team/app", remote, "v1");
  const kept = makeImage("linux/amd64", ["kept"]);
  const index = encodeIndex({
    mediaType: mediaTypes.ociIndex,
    manifests: [{ ...kept.manifest, platform: amd64 }],
  });
  const digest = w.content.add(index);
  const source = w.source({ lookup: () => ({ digest }) });
  const ref = `${w.registry.host}/team/app:v1`;
  for (const platform of [parsePlatform("linux/arm64"), amd64]) {
    assert.equal((await source.resolve(ref, { platform, mode: "local" })).digest, remote.manifest.digest);
  }
});

test("checksum and layer limit", async (t) => {
  const w = await world(t);
  const image = makeImage("linux/amd64", ["one", "two", "three"]);
  push(w.registry, "team/app", image, "v1");
  const ref = `${w.registry.host}/team/app:v1`;
  const options = { platform: amd64, mode: "pull" } as const;
  const checksum = digestOf("other");
  await assert.rejects(w.source().resolve(ref, { ...options, checksum }), {
    code: "CHECKSUM_MISMATCH",
    message: `image digest ${image.manifest.digest} for ${ref} does not match expected checksum ${checksum}`,
  });
  const limited = await w.source().resolve(ref, { ...options, checksum: image.manifest.digest, layerLimit: 2 });
  assert.deepEqual(
    limited.layers.map((each) => each.diffId),
    image.diffIds.slice(0, 2),
  );
  await assert.rejects(w.source().resolve(ref, { ...options, layerLimit: 4 }), {
    message: /layer limit 4 is greater than the number of layers in the image 3$/,
  });
});

test("cache keys: JSON of what was asked for, and the chain of diff IDs", async (t) => {
  const w = await world(t);
  const image = makeImage("linux/amd64", ["one", "two"]);
  push(w.registry, "team/app", image, "v1");
  const resolved = await w.source().resolve(`${w.registry.host}/team/app:v1`, { platform: amd64, mode: "pull" });
  const { digest } = image.manifest;
  const chain = digestOf(`${image.diffIds[0]} ${image.diffIds[1]}`);
  assert.deepEqual(imageCacheKeys(resolved, amd64), {
    manifestKey: digestOf(`{"Digest":"${digest}","OS":"linux","Arch":"amd64"}`),
    configKey: chain,
  });
  const windows = { os: "windows", architecture: "arm", variant: "v7", osVersion: "10.0", osFeatures: ["a"] };
  assert.deepEqual(imageCacheKeys(resolved, windows, 1), {
    manifestKey: digestOf(
      `{"Digest":"${digest}","OS":"windows","Arch":"arm","Variant":"v7","OSVersion":"10.0","OSFeatures":["a"],"Limit":1}`,
    ),
    configKey: image.diffIds[0],
  });
  const empty = { ...resolved, config: { ...resolved.config, rootfs: { type: "layers", diff_ids: [] } } };
  const keys = imageCacheKeys(empty, amd64);
  assert.equal(keys.configKey, keys.manifestKey);
});

test("damaged blobs of the store are fetched again", async (t) => {
  const w = await world(t);
  const image = makeImage("linux/amd64", ["one"]);
  push(w.registry, "team/app", image, "v1");
  const ref = `${w.registry.host}/team/app:v1`;
  await w.source().resolve(ref, { platform: amd64, mode: "pull" });
  const { writeFileSync } = await import("node:fs");
  for (const digest of [image.manifest.digest, digestOf(image.config)]) writeFileSync(w.content.path(digest), "torn");
  const again = await w.source().resolve(`${ref}@${image.manifest.digest}`, { platform: amd64, mode: "pull" });
  assert.deepEqual(Buffer.from(again.configBytes), image.config);
});

test("what is no image of this world is refused", async (t) => {
  const w = await world(t);
  const ref = (tag: string) => `${w.registry.host}/team/app:${tag}`;
  const good = makeImage("linux/amd64", ["one"]);
  push(w.registry, "team/app", good);
  const layer = { mediaType: mediaTypes.ociLayerGzip, digest: digestOf("x"), size: 1 };
  const config = { mediaType: mediaTypes.ociConfig, digest: digestOf(good.config), size: good.config.length };
  const manifests: [string, Partial<Manifest>, RegExp][] = [
    [
      "artifact",
      { config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" } },
      /not a container image/,
    ],
    ["count", { layers: [layer, layer] }, /mismatched image rootfs and manifest layers: 1 diff IDs, 2 layers$/],
    ["type", { layers: [{ ...layer, mediaType: "application/x-encrypted" }] }, /layer 0 has the unknown type/],
    ["size", { config: { ...config, size: 1 << 30 } }, /its config has 1073741824 bytes/],
  ];
  for (const [tag, change, message] of manifests) {
    push(w.registry, "team/app", makeImage("linux/amd64", ["one"], change), tag);
    // The config must not be here already, or its announced size would not matter.
    w.content.delete(digestOf(good.config));
    await assert.rejects(w.source().resolve(ref(tag), { platform: amd64, mode: "pull" }), {
      code: "INVALID_IMAGE",
      message,
    });
  }
  let deep = pushIndex(w.registry, "deep", [good.manifest]);
  for (let depth = 0; depth < 6; depth++) deep = pushIndex(w.registry, "deep", [deep]);
  await assert.rejects(w.source().resolve(ref("deep"), { platform: amd64, mode: "pull" }), {
    code: "INVALID_IMAGE",
    message: /indexes within indexes/,
  });
});
