import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf, isBuildError } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { assembleImage } from "./image-assembler.ts";
import type { AssembleOptions } from "./image-assembler.ts";
import type { ExportPlatform, ExportSource, LayerBlob } from "./types.ts";

const d = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest;
const gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
const layerA: LayerBlob = {
  descriptor: {
    mediaType: gzip,
    digest: d("a"),
    size: 10,
    annotations: { "containerd.io/uncompressed": d("1"), "buildkit/createdat": "x", "org.example": "<kept>" },
  },
  diffId: d("1"),
  createdAt: "2024-01-01T00:00:00Z",
  description: "COPY a /a # buildkit",
};
const layerB: LayerBlob = {
  descriptor: { mediaType: gzip, digest: d("b"), size: 20 },
  diffId: d("2"),
  createdAt: "2024-02-02T02:02:02.500Z",
};

const config = Buffer.from(
  `{ "os": "linux", "architecture": "amd64", "x-number": 12345678901234567890, "config": {"Labels": {"2": "b", "1": "a<b"}},
     "history": [{"created_by": "COPY a /a # buildkit", "created": "2023-05-05T05:05:05.120+00:00"}, {"created_by": "ENV A=b", "empty_layer": true}] }`,
);

function platformOf(extra: Partial<ExportPlatform> = {}): ExportPlatform {
  return {
    key: "linux/amd64",
    platform: { os: "linux", architecture: "amd64" },
    refOf: () => "ref",
    config,
    layers: {
      blobs: () => Promise.reject(new Error("not asked")),
      bring: () => Promise.reject(new Error("not asked")),
      tar: () => Promise.reject(new Error("not asked")),
    },
    openTree: () => Promise.reject(new Error("not asked")),
    ...extra,
  };
}

function sourceOf(platforms: readonly ExportPlatform[], extra: Partial<ExportSource> = {}): ExportSource {
  return { platforms, multiPlatform: false, metadata: {}, ...extra };
}

const defaults: AssembleOptions = { ociTypes: true, preferNondistributable: false, annotations: [], epoch: undefined };

function textOf(image: ReturnType<typeof assembleImage>, kind: string): string {
  return Buffer.from(image.blobs.find((blob) => blob.kind === kind)!.bytes).toString("utf8");
}

void test("a config is finished: sorted at the top, untouched inside, history given times", () => {
  const image = assembleImage(sourceOf([platformOf()]), [[layerA]], defaults);
  assert.equal(
    textOf(image, "config"),
    `{"architecture":"amd64","config":{"Labels":{"2":"b","1":"a\\u003cb"}},"created":"2023-05-05T05:05:05.12Z",` +
      `"history":[{"created":"2023-05-05T05:05:05.12Z","created_by":"COPY a /a # buildkit"},` +
      `{"created":"2023-05-05T05:05:05.12Z","created_by":"ENV A=b","empty_layer":true}],` +
      `"os":"linux","rootfs":{"type":"layers","diff_ids":["${d("1")}"]},"x-number":12345678901234567890}`,
  );
});

void test("a manifest is laid out as Go's MarshalIndent does, internal annotations left out", () => {
  const image = assembleImage(sourceOf([platformOf()]), [[layerA]], {
    ...defaults,
    annotations: [{ kind: "manifest", platform: "", key: "k", value: "v&w" }],
  });
  const size = textOf(image, "config").length;
  assert.equal(
    textOf(image, "manifest"),
    `{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "${digestOf(textOf(image, "config"))}",
    "size": ${size}
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "${d("a")}",
      "size": 10,
      "annotations": {
        "org.example": "\\u003ckept\\u003e"
      }
    }
  ],
  "annotations": {
    "k": "v\\u0026w"
  }
}`,
  );
  assert.deepEqual(image.root, {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: digestOf(textOf(image, "manifest")),
    size: textOf(image, "manifest").length,
    platform: { os: "linux", architecture: "amd64" },
  });
});

void test("layers that the history lacks are added; entries that have no layer become empty", () => {
  const more = assembleImage(sourceOf([platformOf()]), [[layerA, layerB]], defaults);
  assert.deepEqual((JSON.parse(textOf(more, "config")) as { history: unknown }).history, [
    { created: "2023-05-05T05:05:05.12Z", created_by: "COPY a /a # buildkit" },
    { created: "2024-02-02T02:02:02.5Z", created_by: "ENV A=b", empty_layer: true },
    { created: "2024-02-02T02:02:02.5Z", created_by: "created by buildkit", comment: "buildkit.exporter.image.v0" },
  ]);
  const fewer = assembleImage(sourceOf([platformOf()]), [[]], defaults);
  assert.deepEqual((JSON.parse(textOf(fewer, "config")) as { history: unknown }).history, [
    { created: "2023-05-05T05:05:05.12Z", created_by: "COPY a /a # buildkit", empty_layer: true },
    { created: "2023-05-05T05:05:05.12Z", created_by: "ENV A=b", empty_layer: true },
  ]);
});

void test("entries without a time get their layer's, and those of no layer the first new layer's", () => {
  const plain = Buffer.from(
    `{"os":"linux","architecture":"amd64","history":[{"created":"2020-01-01T00:00:00Z","created_by":"base"},{"created_by":"ENV","empty_layer":true},{"created_by":"RUN"}]}`,
  );
  const image = assembleImage(sourceOf([platformOf({ config: plain })]), [[layerA, layerB]], defaults);
  assert.deepEqual(JSON.parse(textOf(image, "config")), {
    architecture: "amd64",
    created: "2024-02-02T02:02:02.5Z",
    history: [
      { created: "2020-01-01T00:00:00Z", created_by: "base" },
      { created: "2024-02-02T02:02:02.5Z", created_by: "ENV", empty_layer: true },
      { created: "2024-02-02T02:02:02.5Z", created_by: "RUN" },
    ],
    os: "linux",
    rootfs: { type: "layers", diff_ids: [d("1"), d("2")] },
  });
});

void test("SOURCE_DATE_EPOCH clamps what is new and leaves the base image's history", () => {
  const history = `[{"created":"2024-06-01T00:00:00Z","created_by":"base"},{"created":"2024-06-02T00:00:00Z","created_by":"RUN"}]`;
  const bytes = Buffer.from(
    `{"os":"linux","architecture":"amd64","created":"2024-06-02T00:00:00Z","history":${history}}`,
  );
  const base = Buffer.from(
    `{"os":"linux","architecture":"amd64","history":[{"created_by":"base","created":"2024-06-01T00:00:00Z"}]}`,
  );
  const platform = platformOf({ config: bytes, baseConfig: base, sourceDateEpoch: 1_000_000_000n });
  const image = assembleImage(sourceOf([platform]), [[layerA, layerB]], defaults);
  const found = JSON.parse(textOf(image, "config")) as { created: string; history: unknown };
  assert.equal(found.created, "2001-09-09T01:46:40Z");
  assert.deepEqual(found.history, [
    { created: "2024-06-01T00:00:00Z", created_by: "base" },
    { created: "2001-09-09T01:46:40Z", created_by: "RUN" },
  ]);
  assert.equal(image.sourceDateEpoch, 1_000_000_000n);
  const without = assembleImage(sourceOf([platform]), [[layerA, layerB]], {
    ...defaults,
    epoch: { seconds: undefined },
  });
  assert.equal((JSON.parse(textOf(without, "config")) as { created: string }).created, "2024-06-02T00:00:00Z");
});

void test("docker's media types reach config, manifest and layers, and layers lose annotations", () => {
  const image = assembleImage(sourceOf([platformOf()]), [[layerA]], { ...defaults, ociTypes: false });
  const manifest = JSON.parse(textOf(image, "manifest")) as {
    mediaType: string;
    config: { mediaType: string };
    layers: unknown;
  };
  assert.equal(manifest.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  assert.equal(manifest.config.mediaType, "application/vnd.docker.container.image.v1+json");
  assert.deepEqual(manifest.layers, [
    { mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", digest: d("a"), size: 10 },
  ]);
});

void test("foreign layers become ordinary ones unless they are to stay", () => {
  const foreign: LayerBlob = {
    descriptor: {
      mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
      digest: d("c"),
      size: 1,
      urls: ["https://example/x"],
    },
    diffId: d("3"),
  };
  const layersOf = (preferNondistributable: boolean) =>
    assembleImage(sourceOf([platformOf()]), [[foreign]], { ...defaults, preferNondistributable }).images[0]!.layers;
  assert.deepEqual(layersOf(false), [{ mediaType: gzip, digest: d("c"), size: 1 }]);
  assert.deepEqual(layersOf(true), [
    {
      mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      digest: d("c"),
      size: 1,
      urls: ["https://example/x"],
    },
  ]);
});

void test("several platforms make an index with annotations where they belong", () => {
  const arm = platformOf({
    key: "linux/arm64",
    platform: { os: "linux", architecture: "arm64", variant: "v8" },
    config: Buffer.alloc(0),
  });
  const source = sourceOf([platformOf(), arm], {
    multiPlatform: true,
    metadata: { "annotation-index.from": Buffer.from("frontend") },
  });
  const image = assembleImage(source, [[layerA], []], {
    ...defaults,
    annotations: [
      { kind: "manifest", platform: "", key: "a", value: "all" },
      { kind: "manifest", platform: "linux/arm64", key: "a", value: "arm" },
      { kind: "manifest-descriptor", platform: "linux/arm64", key: "m", value: "arm" },
      { kind: "index-descriptor", platform: "", key: "i", value: "d" },
    ],
  });
  const manifests = image.blobs
    .filter(({ kind }) => kind === "manifest")
    .map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString()) as { annotations: unknown });
  assert.deepEqual(
    manifests.map(({ annotations }) => annotations),
    [{ a: "all" }, { a: "arm" }],
  );
  assert.deepEqual(JSON.parse(textOf(image, "index")), {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      { ...image.images[0]!.manifest, platform: { architecture: "amd64", os: "linux" } },
      { ...image.images[1]!.manifest, annotations: { m: "arm" }, platform: { architecture: "arm64", os: "linux" } },
    ],
    annotations: { from: "frontend" },
  });
  assert.deepEqual(image.root.annotations, { i: "d" });
  assert.equal(image.isIndex, true);
  const bare = JSON.parse(
    Buffer.from(image.blobs.findLast(({ kind }) => kind === "config")!.bytes).toString(),
  ) as object;
  assert.deepEqual(bare, {
    architecture: "arm64",
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], WorkingDir: "/" },
    created: null,
    history: [],
    os: "linux",
    rootfs: { type: "layers", diff_ids: [] },
  });
});

void test("what has no place is refused", () => {
  const refused = (source: ExportSource, options: Partial<AssembleOptions>, message: RegExp): void => {
    const layers = source.platforms.map(() => []);
    assert.throws(
      () => assembleImage(source, layers, { ...defaults, ...options }),
      (error: unknown) => isBuildError(error) && message.test(error.message),
    );
  };
  const one = sourceOf([platformOf()]);
  const index = [{ kind: "index", platform: "", key: "a", value: "b" }] as const;
  refused(one, { annotations: index }, /^index annotations not supported for single platform export$/);
  refused(one, { annotations: index, ociTypes: false }, /^cannot export annotations with "oci-mediatypes=false"$/);
  refused(
    sourceOf([platformOf(), platformOf()]),
    {},
    /^cannot export multiple platforms without multi-platform enabled$/,
  );
  const two = sourceOf([platformOf(), platformOf({ key: "linux/386" })], { multiPlatform: true });
  refused(
    two,
    { annotations: [{ kind: "manifest", platform: "linux/s390x", key: "a", value: "b" }] },
    /^invalid annotation: no platform linux\/s390x found in source$/,
  );
  for (const [text, message] of [
    ["{", /^the image config is not valid JSON$/],
    ["[]", /^invalid image config for export: it is not an object$/],
    [`{"os":"linux"}`, /^invalid image config for export: missing architecture$/],
    [`{"os":"","architecture":"x"}`, /^invalid image config for export: missing os$/],
    [
      `{"os":"linux","architecture":"x","history":[1]}`,
      /^invalid image config for export: history entry 0 is not an object$/,
    ],
    [
      `{"os":"linux","architecture":"x","history":[{"created":"yesterday"}]}`,
      /^the image config has an invalid time "yesterday"$/,
    ],
  ] as const) {
    refused(sourceOf([platformOf({ config: Buffer.from(text) })]), {}, message);
  }
});
