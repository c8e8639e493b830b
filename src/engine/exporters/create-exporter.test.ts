import assert from "node:assert/strict";
import { test } from "node:test";
import { isBuildError } from "../../base/index.ts";
import { createExporter } from "./index.ts";

void test("exporters are called what BuildKit calls them", () => {
  const names = ["image", "oci", "docker", "local", "tar"].map((type) => createExporter(type, {}).name);
  assert.deepEqual(names, [
    "exporting to image",
    "exporting to oci image format",
    "exporting to docker image format",
    "exporting to client directory",
    "exporting to client tarball",
  ]);
});

void test("what BuildKit's clients send is understood", () => {
  createExporter("image", {
    name: "a,b:1",
    compression: "zstd",
    "compression-level": "22",
    "force-compression": "",
    "oci-mediatypes": "1",
    "prefer-nondist-layers": "false",
    "rewrite-timestamp": "false",
    "oci-artifact": "true",
    "attestation-inline": "true",
    "annotation-manifest[linux/arm64].k": "v",
    "source-date-epoch": "0",
    "containerimage.inlinecache": "x",
    store: "",
    unpack: "true",
    push: "false",
    "name-canonical": "",
  });
  createExporter("oci", { tar: "false", compression: "uncompressed" });
  createExporter("docker", { tar: "" });
  createExporter("local", {
    "platform-split": "false",
    mode: "Delete",
    "source-date-epoch": "",
    "attestation-prefix": "p",
  });
});

void test("bad attributes are refused before anything is built", () => {
  const cases: [type: string, attributes: Record<string, string>, code: string, message: string][] = [
    ["none", {}, "EXPORTER_UNKNOWN", 'exporter "none" could not be found'],
    ["image", { push: "true" }, "EXPORT_NAME_MISSING", "tag is needed when pushing to registry"],
    [
      "image",
      { "push-by-digest": "", name: "example.invalid/a:b" },
      "EXPORT_ATTRIBUTE_INVALID",
      "can't push tagged ref example.invalid/a:b by digest",
    ],
    ["image", { push: "maybe" }, "EXPORT_ATTRIBUTE_INVALID", 'non-bool value specified for push: "maybe"'],
    [
      "oci",
      { compression: "estargz", "oci-mediatypes": "false" },
      "EXPORT_ATTRIBUTE_INVALID",
      'exporter option "compression=estargz" conflicts with "oci-mediatypes=false"',
    ],
    ["oci", { compression: "lz4" }, "EXPORT_ATTRIBUTE_INVALID", "unsupported compression type lz4"],
    [
      "oci",
      { "compression-level": "x" },
      "EXPORT_ATTRIBUTE_INVALID",
      "non-integer value x specified for compression-level",
    ],
    ["oci", { "compression-level": "10" }, "EXPORT_ATTRIBUTE_INVALID", "compression-level 10 is out of range"],
    ["oci", { "oci-mediatypes": "" }, "EXPORT_ATTRIBUTE_INVALID", 'non-bool value specified for oci-mediatypes: ""'],
    [
      "oci",
      { "rewrite-timestamp": "" },
      "EXPORT_ATTRIBUTE_INVALID",
      'non-bool value specified for rewrite-timestamp: ""',
    ],
    ["oci", { "annotation-nonsense.k": "v" }, "EXPORT_ATTRIBUTE_INVALID", "unrecognized annotation type nonsense"],
    ["oci", { "annotation[a/b/c/d/e].k": "v" }, "INVALID_PLATFORM", ""],
    ["oci", { compresion: "zstd" }, "EXPORT_ATTRIBUTE_INVALID", 'the oci exporter has no attribute "compresion"'],
    ["oci", { name: "UPPER" }, "INVALID_REFERENCE", ""],
    ["oci", { "source-date-epoch": "now" }, "EXPORT_ATTRIBUTE_INVALID", "invalid source-date-epoch: now"],
    ["local", { mode: "move" }, "EXPORT_ATTRIBUTE_INVALID", 'invalid local exporter mode "move"'],
    ["tar", { name: "a" }, "EXPORT_ATTRIBUTE_INVALID", 'the tar exporter has no attribute "name"'],
    ["tar", { "platform-split": "x" }, "EXPORT_ATTRIBUTE_INVALID", 'non-bool value specified for platform-split: "x"'],
  ];
  for (const [type, attributes, code, message] of cases) {
    assert.throws(
      () => createExporter(type, attributes),
      (error: unknown) => {
        assert.ok(isBuildError(error), String(error));
        assert.equal(error.code, code);
        if (message !== "") assert.equal(error.message, message);
        return true;
      },
      JSON.stringify(attributes),
    );
  }
});
