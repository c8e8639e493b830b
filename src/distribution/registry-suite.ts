// What every registry must do, as tests: the in-memory one passes the same as a real one, so that tests built on it say something.
// Images are pushed over HTTP; the client under test pulls them.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { digestOf } from "../base/index.ts";
import { encodeIndex, encodeManifest, mediaTypes, parseReference, withDigest } from "../formats/oci/index.ts";
import type { Descriptor } from "../formats/oci/index.ts";
import { RegistryClient } from "./registry-client.ts";

/** A registry under test. */
export interface RegistryUnderTest extends AsyncDisposable {
  /** `host:port` on loopback. */
  readonly host: string;
}

/** Pushes a blob in one piece, as clients do: POST, then PUT. */
async function pushBlob(host: string, repository: string, bytes: Uint8Array): Promise<Descriptor> {
  const digest = digestOf(bytes);
  const started = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: "POST" });
  await started.arrayBuffer();
  assert.equal(started.status, 202);
  const location = new URL(started.headers.get("location")!, `http://${host}`);
  location.searchParams.set("digest", digest);
  const stored = await fetch(location, {
    method: "PUT",
    body: Buffer.from(bytes),
    headers: { "content-type": "application/octet-stream" },
  });
  await stored.arrayBuffer();
  assert.equal(stored.status, 201);
  assert.equal(stored.headers.get("docker-content-digest"), digest);
  return { mediaType: mediaTypes.ociLayer, digest, size: bytes.byteLength };
}

async function pushManifest(host: string, path: string, bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
  const answer = await fetch(`http://${host}/v2/${path}`, {
    method: "PUT",
    body: Buffer.from(bytes),
    headers: { "content-type": mediaType },
  });
  await answer.arrayBuffer();
  assert.equal(answer.status, 201);
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** Defines the tests for one registry. */
export function registrySuite(name: string, start: () => Promise<RegistryUnderTest>): void {
  describe(`registry: ${name}`, () => {
    let registry: RegistryUnderTest;
    let client: RegistryClient;
    const layer = Buffer.from("layer ".repeat(50_000));
    const config = Buffer.from(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }),
    );
    let manifestBytes: Uint8Array;
    let manifest: Descriptor;
    let index: Descriptor;

    before(async () => {
      registry = await start();
      client = new RegistryClient({ retry: { attempts: 2, delayMs: () => 0 } });
      const configDescriptor = {
        ...(await pushBlob(registry.host, "team/app", config)),
        mediaType: mediaTypes.ociConfig,
      };
      const layerDescriptor = await pushBlob(registry.host, "team/app", layer);
      manifestBytes = encodeManifest({
        mediaType: mediaTypes.ociManifest,
        config: configDescriptor,
        layers: [layerDescriptor],
      });
      manifest = await pushManifest(registry.host, "team/app/manifests/v1", manifestBytes, mediaTypes.ociManifest);
      const indexBytes = encodeIndex({
        mediaType: mediaTypes.ociIndex,
        manifests: [{ ...manifest, platform: { os: "linux", architecture: "amd64" } }],
      });
      index = await pushManifest(registry.host, "team/app/manifests/multi", indexBytes, mediaTypes.ociIndex);
    });
    after(async () => {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    });
    const ref = (rest: string) => parseReference(`${registry.host}/team/app${rest}`);

    test("resolves tags and digests to descriptors", async () => {
      assert.deepEqual((await client.resolve(ref(":v1"))).descriptor, manifest);
      assert.deepEqual((await client.resolve(ref(":multi"))).descriptor, index);
      assert.deepEqual((await client.resolve(ref(`@${manifest.digest}`))).descriptor, manifest);
      assert.deepEqual((await client.resolve(ref(`:multi@${manifest.digest}`))).descriptor, manifest);
    });

    test("gives manifests byte for byte", async () => {
      const received = await client.manifest(withDigest(ref(""), manifest.digest));
      assert.deepEqual(received.descriptor, manifest);
      assert.deepEqual(Buffer.from(received.bytes), Buffer.from(manifestBytes));
      assert.equal((await client.manifest(ref(":multi"))).descriptor.mediaType, mediaTypes.ociIndex);
    });

    test("gives blobs", async () => {
      const descriptor = { mediaType: mediaTypes.ociLayer, digest: digestOf(layer), size: layer.length };
      assert.deepEqual(await collect(client.blobs(ref("")).open(descriptor, 0)), layer);
    });

    test("answers part of a blob", async () => {
      const answer = await fetch(`http://${registry.host}/v2/team/app/blobs/${digestOf(layer)}`, {
        headers: { range: "bytes=100000-" },
      });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers.get("content-range"), `bytes 100000-${layer.length - 1}/${layer.length}`);
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), layer.subarray(100_000));
    });

    test("does not know other tags, digests, repositories and blobs", async () => {
      const missing = digestOf("nothing");
      const name = `${registry.host}/team/app`;
      await assert.rejects(client.resolve(ref(":v2")), { code: "IMAGE_NOT_FOUND", message: `${name}:v2: not found` });
      await assert.rejects(client.manifest(ref(`@${missing}`)), { message: `${name}@${missing}: not found` });
      const other = parseReference(`${registry.host}/none/such:v1`);
      await assert.rejects(client.resolve(other), { message: `${registry.host}/none/such:v1: not found` });
      const blob = { mediaType: mediaTypes.ociLayer, digest: missing, size: 1 };
      await assert.rejects(collect(client.blobs(ref("")).open(blob, 0)), {
        code: "BLOB_NOT_FOUND",
        message: `blob ${missing} of ${name}: not found`,
      });
    });

    test("takes blobs once, in one piece, from memory and from files", async () => {
      const pusher = client.pusher();
      const target = parseReference(`${registry.host}/team/pushed`);
      const dir = mkdtempSync(join(tmpdir(), "slipway-push-"));
      try {
        const bytes = Buffer.from("pushed ".repeat(400_000));
        const descriptor = { mediaType: mediaTypes.ociLayer, digest: digestOf(bytes), size: bytes.length };
        writeFileSync(join(dir, "blob"), bytes);
        assert.equal(await pusher.hasBlob(target, descriptor), false);
        const sent: number[] = [];
        const onProgress = (each: number) => void sent.push(each);
        const outcomes = await Promise.all([
          pusher.blob(target, descriptor, { path: join(dir, "blob") }, { onProgress }),
          pusher.blob(target, descriptor, { bytes }),
        ]);
        assert.deepEqual(outcomes, ["uploaded", "uploaded"]);
        assert.equal(sent.at(-1), bytes.length);
        assert.equal(await pusher.blob(target, descriptor, { bytes }), "exists");
        assert.deepEqual(await collect(client.blobs(target).open(descriptor, 0)), bytes);
        const empty = { mediaType: mediaTypes.ociLayer, digest: digestOf(""), size: 0 };
        assert.equal(await pusher.blob(target, empty, { bytes: Buffer.alloc(0) }), "uploaded");
      } finally {
        rmSync(dir, { recursive: true });
      }
    });

    test("mounts blobs of another repository", async () => {
      const target = parseReference(`${registry.host}/team/mounted`);
      const descriptor = { mediaType: mediaTypes.ociLayer, digest: digestOf(layer), size: layer.length };
      const nowhere = { bytes: Buffer.alloc(0) };
      assert.equal(await client.pusher().blob(target, descriptor, nowhere, { mountFrom: "team/app" }), "mounted");
      assert.deepEqual(await collect(client.blobs(target).open(descriptor, 0)), layer);
    });

    test("takes manifests under tags and digests", async () => {
      const pusher = client.pusher();
      const pushed = await pusher.manifest(ref(":again"), mediaTypes.ociManifest, manifestBytes);
      assert.deepEqual(pushed, manifest);
      assert.deepEqual((await client.resolve(ref(":again"))).descriptor, manifest);
      await assert.rejects(pusher.manifest(ref(":bad"), mediaTypes.ociManifest, Buffer.from("{")));
    });

    test("refuses bytes under another digest", async () => {
      const started = await fetch(`http://${registry.host}/v2/team/app/blobs/uploads/`, { method: "POST" });
      await started.arrayBuffer();
      const location = new URL(started.headers.get("location")!, `http://${registry.host}`);
      location.searchParams.set("digest", digestOf("other"));
      const stored = await fetch(location, { method: "PUT", body: "bytes" });
      await stored.arrayBuffer();
      assert.equal(stored.status, 400);
    });
  });
}
