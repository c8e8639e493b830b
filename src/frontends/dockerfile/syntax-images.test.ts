import assert from "node:assert/strict";
import { test } from "node:test";
import { isBuiltIn } from "./syntax-images.ts";

test("official frontends of every tag and digest are served, others are not", () => {
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
    assert.equal(isBuiltIn(image), true, image);
  for (const image of [
    "",
    "dockerfile",
    "docker/dockerfile-other:1",
    "example.com/docker/dockerfile:1",
    "evil/docker/dockerfile",
    "docker/dockerfile@sha256:1",
  ]) {
    assert.equal(isBuiltIn(image), false, image);
  }
});
