// Keys as a stock BuildKit recorded them in an exported cache: a record's digest is that of `<source digest>@<output>`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { imageCacheKeys } from "./image-cache-keys.ts";
import type { ResolvedImage } from "./image.ts";

test("the records that BuildKit exports for an image of one layer", () => {
  const diffId = "sha256:d2e1091e72b246b45c59ef53f0046ee97f83f53cc2819b98b5621c8c1fdca260" as Digest;
  const image = {
    digest: "sha256:328930d7a8743a0398be72a76c390b6cf77c839a1c7c92229c40298bd62748c8",
    config: { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [diffId] } },
  } as unknown as ResolvedImage;
  const { manifestKey, configKey } = imageCacheKeys(image, { os: "linux", architecture: "amd64" });
  assert.equal(configKey, diffId);
  const record = (key: string) => digestOf(`${digestOf(`buildkit.source.v0:${key}`)}@0`);
  assert.equal(record(manifestKey), "sha256:a0e808c64fa1de511a49c01408998ba611900470d9d994bb8270875cfa1cf1c8");
  assert.equal(record(configKey), "sha256:8c7cc32130a2380cf01eed9928aaef6ae0e934907ef85c8ef8226d5092a3938a");
});
