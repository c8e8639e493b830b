// OCI layout folders: names, digests, platforms, layers, and folders that lie.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { digestOf, hexOf } from "../../base/index.ts";
import { RegistryClient } from "../../distribution/index.ts";
import { encodeIndex, encodeManifest, mediaTypes, parsePlatform } from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import { ContentStore } from "../../storage/content/index.ts";
import { ImageSource } from "./image-source.ts";
import { OciLayoutSource } from "./oci-layout.ts";

const platform = parsePlatform("linux/amd64");
const layer = Buffer.from("a layer");
const diffId = digestOf("its tar");

function layout(t: TestContext): {
  directory: string;
  content: ContentStore;
  put: (bytes: Uint8Array, type: string) => Descriptor;
} {
  const root = mkdtempSync(join(tmpdir(), "slipway-layout-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const directory = join(root, "layout");
  mkdirSync(join(directory, "blobs", "sha256"), { recursive: true });
  writeFileSync(join(directory, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`);
  return {
    directory,
    content: new ContentStore(join(root, "content"), "test"),
    put: (bytes, mediaType) => {
      const digest = digestOf(bytes);
      writeFileSync(join(directory, "blobs", "sha256", hexOf(digest)), bytes);
      return { mediaType, digest, size: bytes.byteLength };
    },
  };
}

function putImage(put: (bytes: Uint8Array, type: string) => Descriptor, architecture = "amd64"): Descriptor {
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture, rootfs: { type: "layers", diff_ids: [diffId] } }),
  );
  const manifest = encodeManifest({
    mediaType: mediaTypes.ociManifest,
    config: put(config, mediaTypes.ociConfig),
    layers: [put(layer, mediaTypes.ociLayer)],
  });
  return put(manifest, mediaTypes.ociManifest);
}

function writeIndex(directory: string, manifests: readonly Descriptor[]): void {
  writeFileSync(join(directory, "index.json"), encodeIndex({ mediaType: mediaTypes.ociIndex, manifests }));
}

test("by digest, by tag, by the only name; layers come into the content store when fetched", async (t) => {
  const { directory, content, put } = layout(t);
  const image = putImage(put);
  const source = new OciLayoutSource(content);
  writeIndex(directory, [{ ...image, annotations: { "org.opencontainers.image.ref.name": "v1" } }]);
  for (const ref of [`app@${image.digest}`, "app:v1", "app", `host.example/app:v1@${image.digest}`]) {
    const resolved = await source.resolve(ref, { platform, directory });
    assert.equal(resolved.digest, image.digest, ref);
    assert.deepEqual(resolved.layers[0]?.diffId, diffId);
  }
  const { remote, layers } = await source.resolve("app", { platform, directory });
  assert.equal(content.has(digestOf(layer)), false);
  await using client = new RegistryClient();
  await new ImageSource({ content, client }).openRemote(remote).fetch(layers[0]!.descriptor);
  assert.deepEqual(Buffer.from(content.read(digestOf(layer))), layer);
});

test("an index inside is searched for the platform", async (t) => {
  const { directory, content, put } = layout(t);
  const [amd, arm] = [putImage(put), putImage(put, "arm64")];
  const manifests = [
    { ...arm, platform: parsePlatform("linux/arm64") },
    { ...amd, platform },
  ];
  const index = put(encodeIndex({ mediaType: mediaTypes.ociIndex, manifests }), mediaTypes.ociIndex);
  const source = new OciLayoutSource(content);
  const resolved = await source.resolve(`app@${index.digest}`, { platform, directory });
  assert.deepEqual([resolved.digest, resolved.manifestDigest], [index.digest, amd.digest]);
  // Several manifests of one name, one for each platform, as some tools write them.
  const annotations = { "io.containerd.image.name": "docker.io/library/app:latest" };
  writeIndex(
    directory,
    manifests.map((each) => ({ ...each, annotations })),
  );
  assert.equal((await source.resolve("app", { platform, directory })).manifestDigest, amd.digest);
});

test("what is missing or damaged is told", async (t) => {
  const { directory, content, put } = layout(t);
  const source = new OciLayoutSource(content);
  const image = putImage(put);
  const resolve = (ref: string, at = directory) => source.resolve(ref, { platform, directory: at });
  await assert.rejects(resolve("app"), { code: "INVALID_LAYOUT" });
  writeIndex(directory, [image, image]);
  await assert.rejects(resolve("app:other"), { code: "IMAGE_NOT_FOUND", message: "app:other: not found" });
  await assert.rejects(resolve(`app@${digestOf("nothing")}`), { code: "IMAGE_NOT_FOUND" });
  await assert.rejects(resolve("app", join(directory, "none")), { code: "INVALID_LAYOUT" });
  writeFileSync(join(directory, "blobs", "sha256", hexOf(image.digest)), "{}");
  await assert.rejects(resolve(`app@${image.digest}`), { code: "DIGEST_MISMATCH" });
  for (const text of ["", "[]", "null", `{"imageLayoutVersion":"2.0.0"}`]) {
    writeFileSync(join(directory, "oci-layout"), text);
    await assert.rejects(resolve(`app@${image.digest}`), { code: "INVALID_LAYOUT" }, text);
  }
});

test("a layer whose bytes are others is not kept", async (t) => {
  const { directory, content, put } = layout(t);
  const image = putImage(put);
  const { remote, layers } = await new OciLayoutSource(content).resolve(`app@${image.digest}`, { platform, directory });
  writeFileSync(join(directory, "blobs", "sha256", hexOf(digestOf(layer))), "b layer");
  await using client = new RegistryClient();
  const opened = new ImageSource({ content, client }).openRemote(remote);
  await assert.rejects(opened.fetch(layers[0]!.descriptor), { code: "DIGEST_MISMATCH" });
  rmSync(join(directory, "blobs"), { recursive: true });
  await assert.rejects(opened.fetch(layers[0]!.descriptor), { code: "INVALID_LAYOUT" });
  assert.equal(content.has(digestOf(layer)), false);
});
