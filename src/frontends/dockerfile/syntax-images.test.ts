import assert from "node:assert/strict";
import { test } from "node:test";
import { isBuildError } from "../../base/index.ts";
import { requireBuiltIn } from "./syntax-images.ts";

test("official frontends of every tag and digest are served, others refused by name", () => {
  const digest = `@sha256:${"a".repeat(64)}`;
  for (const image of [
    "docker/dockerfile",
    "docker/dockerfile:1",
    "docker/dockerfile:1.7-labs",
    `docker/dockerfile:1.20${digest}`,
    `docker.io/docker/dockerfile${digest}`,
    "docker.io/docker/dockerfile-upstream:master",
    "docker/dockerfile-upstream:master-labs",
  ])
    requireBuiltIn(image);
  for (const image of [
    "",
    "dockerfile",
    "docker/dockerfile-other:1",
    "example.com/docker/dockerfile:1",
    "evil/docker/dockerfile",
    "docker/dockerfile@sha256:1",
  ]) {
    assert.throws(
      () => requireBuiltIn(image),
      (error) => isBuildError(error) && error.code === "SYNTAX_IMAGE" && error.message.includes(`image ${image} `),
    );
  }
});
