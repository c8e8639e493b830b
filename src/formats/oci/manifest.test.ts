// Manifests, indexes, configs and descriptors: what is read, what is refused, what is written.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { digestOf, isBuildError } from "../../base/index.ts";
import {
  descriptorJson,
  encodeIndex,
  encodeManifest,
  goJson,
  goQuote,
  manifestMediaType,
  MAX_MANIFEST_BYTES,
  mediaTypes,
  parseImageConfig,
  parseIndex,
  parseManifest,
  parsePlatform,
  parseReference,
  platformOf,
  referenceString,
} from "./index.ts";
import type { Descriptor } from "./index.ts";

const digest = digestOf("blob");
const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const config = { mediaType: mediaTypes.ociConfig, digest, size: 3 };

test("manifests and indexes come back as they were written", () => {
  const full: Descriptor = {
    mediaType: mediaTypes.ociLayerZstd,
    digest,
    size: 7,
    urls: ["https://layers.example/x"],
    annotations: { b: "<2>", a: "1" },
    data: "AAAA",
    platform: { os: "windows", architecture: "arm", variant: "v7", osVersion: "10.0", osFeatures: ["win32k"] },
    artifactType: "application/x",
  };
  const manifest = {
    mediaType: mediaTypes.ociManifest,
    artifactType: "application/y",
    config,
    layers: [full],
    subject: config,
    annotations: { z: "1" },
  };
  assert.deepEqual(parseManifest(encodeManifest(manifest)), manifest);
  const index = { mediaType: mediaTypes.dockerIndex, manifests: [full, config] };
  assert.deepEqual(parseIndex(encodeIndex(index)), index);
});

test("the JSON is Go's, byte for byte", () => {
  const text = Buffer.from(
    encodeManifest({
      mediaType: mediaTypes.ociManifest,
      config,
      layers: [{ ...config, annotations: { b: "<&>", a: "\u2028" }, platform: parsePlatform("linux/arm/v6") }],
    }),
  ).toString();
  assert.equal(
    text,
    `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
      `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"${digest}","size":3},` +
      `"layers":[{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"${digest}","size":3,` +
      `"annotations":{"a":"\\u2028","b":"\\u003c\\u0026\\u003e"},"platform":{"architecture":"arm","os":"linux","variant":"v6"}}]}`,
  );
  const map = new Map([
    ["ö", 1],
    ["z", 2],
    ["\u{10000}", 3],
    ["\uffff", 4],
  ]);
  assert.equal(goJson(map), `{"z":2,"ö":1,"\uffff":4,"\u{10000}":3}`);
  assert.equal(
    goJson({ a: undefined, b: null, c: [undefined, 1n, true], d: Buffer.from("hi"), e: "\u007f\u0001\b" }),
    `{"b":null,"c":[null,1,true],"d":"aGk=","e":"\u007f\\u0001\\b"}`,
  );
  assert.throws(() => goJson(Number.NaN));
  assert.equal(goQuote('a"\\\u0001\u007f\u00a0é\u{1f600}\u200b'), '"a\\"\\\\\\x01\\x7f\\u00a0é\u{1f600}\\u200b"');
  assert.deepEqual(JSON.parse(goJson(descriptorJson(config))), config);
});

test("the type of a manifest is its mediaType's, or else its shape's; what could be both is refused", () => {
  const cases: [unknown, string][] = [
    [{ mediaType: mediaTypes.dockerManifest, config }, mediaTypes.dockerManifest],
    [{ mediaType: mediaTypes.dockerIndex, manifests: [] }, mediaTypes.dockerIndex],
    [{ config, layers: [] }, mediaTypes.ociManifest],
    [{ config: { ...config, mediaType: mediaTypes.dockerConfig }, layers: [] }, mediaTypes.dockerManifest],
    [{ manifests: [] }, mediaTypes.ociIndex],
    [{ schemaVersion: 1, fsLayers: [] }, mediaTypes.dockerManifestV1],
    [{ mediaType: "application/other" }, "application/other"],
  ];
  for (const [value, expected] of cases) assert.equal(manifestMediaType(bytes(value)), expected);
  const bad = [
    { config, manifests: [] },
    { mediaType: mediaTypes.ociIndex, config },
    { mediaType: mediaTypes.ociManifest, manifests: [] },
    { mediaType: mediaTypes.ociIndex, layers: [] },
  ];
  for (const value of bad) assert.throws(() => manifestMediaType(bytes(value)), { code: "INVALID_IMAGE" });
});

test("bad manifests are refused with what is wrong", () => {
  const cases: [unknown, RegExp][] = [
    ["{", /^the image manifest is not valid JSON$/],
    ["[]", /^the image manifest is not an object$/],
    [Buffer.from([0x22, 0xff, 0x22]).toString("latin1"), /not an object$/],
    [{ layers: [] }, /^config of the image manifest is not an object$/],
    [{ config: { ...config, digest: "sha256:../../etc" } }, /^config of the image manifest has an invalid digest/],
    [{ config: { ...config, digest: `sha512:${"a".repeat(128)}` } }, /has an invalid digest/],
    [{ config: { ...config, size: -1 } }, /has an invalid size$/],
    [{ config: { ...config, size: 1.5 } }, /has an invalid size$/],
    [{ config: { ...config, size: "1" } }, /has an invalid size$/],
    [{ config: { ...config, mediaType: 1 } }, /has no media type$/],
    [{ config, layers: {} }, /^layers of the image manifest are not a list$/],
    [{ config, layers: [config, null] }, /^layer 1 of the image manifest is not an object$/],
    [{ config, layers: Array.from({ length: 10_001 }, () => config) }, /are more than 10000$/],
    [{ config: { ...config, annotations: { a: 1 } } }, /has a value that is no text$/],
    [
      { config: { ...config, platform: { os: 1 } } },
      /^os of the platform of config of the image manifest is not a text$/,
    ],
    [{ manifests: [] }, /^not an image manifest but an index$/],
    [{ schemaVersion: 1, fsLayers: [] }, /Docker's schema 1, which is no longer supported$/],
    [{ mediaType: "application/other" }, /but something of type "application\/other"$/],
  ];
  for (const [value, message] of cases) {
    assert.throws(
      () => parseManifest(bytes(value)),
      { code: "INVALID_IMAGE", message },
      JSON.stringify(value).slice(0, 99),
    );
  }
  assert.throws(() => parseManifest(Buffer.alloc(MAX_MANIFEST_BYTES + 1, 0x20)), /more than 4194304$/);
  assert.throws(() => parseIndex(bytes({ config })), { message: "not an image index but an image manifest" });
});

test("image configs: defaults for what is missing, unknown fields kept, wrong types refused", () => {
  const minimal = { architecture: "", os: "", rootfs: { type: "", diff_ids: [] } };
  assert.deepEqual(parseImageConfig(bytes("{}")), minimal);
  const full = {
    architecture: "arm",
    os: "linux",
    variant: "v7",
    "os.version": "1",
    "os.features": ["f"],
    created: "2026-01-01T00:00:00Z",
    config: { Env: ["A=b"], Cmd: ["x"], Labels: { a: "b" }, Volumes: { "/v": {} }, Custom: 1 },
    rootfs: { type: "layers", diff_ids: [digest] },
    history: [{ created_by: "x", empty_layer: true }],
    "moby.buildkit.cache.v0": "AAAA",
  };
  const parsed = parseImageConfig(bytes(full));
  assert.deepEqual(parsed, full);
  assert.deepEqual(platformOf(parsed), {
    os: "linux",
    architecture: "arm",
    variant: "v7",
    osVersion: "1",
    osFeatures: ["f"],
  });
  const nulls = { architecture: "amd64", os: "linux", config: { Env: null, Cmd: null }, rootfs: null, history: null };
  assert.deepEqual(parseImageConfig(bytes(nulls)), {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "", diff_ids: [] },
  });
  const bad = [
    { os: 1 },
    { rootfs: [] },
    { rootfs: { type: 1 } },
    { rootfs: { diff_ids: ["sha256:1"] } },
    { config: [] },
    { config: { Env: "A=b" } },
    { config: { Cmd: [1] } },
    { config: { User: {} } },
    { config: { Labels: [] } },
    { history: {} },
    { history: [1] },
  ];
  for (const value of bad)
    assert.throws(() => parseImageConfig(bytes(value)), { code: "INVALID_IMAGE" }, JSON.stringify(value));
});

test("no bytes crash the parsers", () => {
  const parsers = [parseManifest, parseIndex, parseImageConfig, manifestMediaType];
  const json = fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), json), (input) => {
      for (const parse of parsers) {
        try {
          parse(input);
        } catch (error) {
          assert.ok(isBuildError(error), String(error));
        }
      }
    }),
  );
});

test("references: what is read prints to something that reads the same; no text takes long", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-zA-Z0-9./:@_-]{0,40}$/), (text) => {
      try {
        const ref = parseReference(text);
        assert.deepEqual(parseReference(referenceString(ref)), ref);
      } catch (error) {
        assert.ok(isBuildError(error), String(error));
      }
    }),
  );
  for (const text of ["a".repeat(50_000), "a-".repeat(50_000), "a.".repeat(50_000), `${"a/".repeat(50_000)}!`]) {
    assert.throws(() => parseReference(text), { code: "INVALID_REFERENCE" });
  }
});
