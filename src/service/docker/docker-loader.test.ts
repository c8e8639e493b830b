// What is asked of an engine for an image that it has, and for one that it has not. The answers are those of Docker 20.10 and 28, cut short.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { digestOf } from "../../base/index.ts";
import type { LoadedImage } from "../../engine/index.ts";
import { DockerLoader } from "./docker-loader.ts";
import { EngineClient } from "./engine-client.ts";

const image: LoadedImage = {
  names: ["docker.io/library/app:1", "docker.io/team/app:latest"],
  manifest: digestOf("manifest"),
  config: digestOf("config"),
  layers: [
    { diffId: digestOf("one"), blob: digestOf("blob one") },
    { diffId: digestOf("two"), blob: digestOf("blob two") },
  ],
};
const signal = new AbortController().signal;

/** An engine that gives these answers to GETs, and takes every POST; `asked` fills with what it was asked. */
async function engine(answers: Readonly<Record<string, unknown>>) {
  const folder = mkdtempSync(join(tmpdir(), "slipway-loader-"));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "" } = request;
    asked.push(`${method} ${url.replaceAll(image.config, "CONFIG").replaceAll(image.manifest, "MANIFEST")}`);
    const answer = method === "GET" ? answers[url] : {};
    response.writeHead(answer === undefined ? 404 : method === "GET" ? 200 : 201).end(JSON.stringify(answer ?? {}));
  });
  const path = join(folder, "docker.sock");
  server.listen(path);
  await once(server, "listening");
  const loader = new DockerLoader(new EngineClient({ host: `unix://${path}`, tls: undefined }));
  return {
    asked,
    loader,
    async [Symbol.asyncDispose]() {
      loader[Symbol.dispose]();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

suite("what an engine is asked", () => {
  test("the classic store has the image under its names: one question", async () => {
    await using classic = await engine({
      [`/images/${image.config}/json`]: { Id: image.config, RepoTags: ["app:1", "team/app:latest", "old:1"] },
    });
    const survey = await classic.loader.survey(image, signal);
    assert.deepEqual(survey, { complete: true, knownLayers: 2, form: "docker" });
    assert.deepEqual(classic.asked, ["GET /images/CONFIG/json"]);
    assert.equal(await classic.loader.form(signal), "docker");
    assert.equal(classic.asked.length, 1);
  });

  test("names that it lacks are given, and no others", async () => {
    await using classic = await engine({
      [`/images/${image.config}/json`]: { Id: image.config, RepoTags: ["app:1"] },
    });
    assert.equal((await classic.loader.survey(image, signal)).complete, true);
    assert.deepEqual(classic.asked, ["GET /images/CONFIG/json", "POST /images/CONFIG/tag?repo=team%2Fapp&tag=latest"]);
  });

  test("an image that the classic store lacks: its form, and layers of other images", async () => {
    await using classic = await engine({
      "/info": { DriverStatus: [["Backing Filesystem", "extfs"]] },
      "/images/json?all=1": [{ Id: "sha256:other" }],
      "/images/sha256:other/json": { RootFS: { Layers: [image.layers[0]!.diffId] } },
    });
    const survey = await classic.loader.survey(image, signal);
    assert.deepEqual(survey, { complete: false, knownLayers: 1, form: "docker" });
    assert.deepEqual(classic.asked, [
      "GET /images/CONFIG/json",
      "GET /info",
      "GET /images/json?all=1",
      "GET /images/sha256:other/json",
    ]);
    await classic.loader.survey(image, signal);
    assert.deepEqual(classic.asked.slice(4), ["GET /images/CONFIG/json", "GET /images/json?all=1"]);
  });

  const containerd = {
    "/info": { DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]] },
    "/version": { ApiVersion: "1.51" },
  };

  test("containerd's store knows the manifest, and tells whether all of it is there", async () => {
    const look = `/images/${image.manifest}/json?manifests=1`;
    const whole = { Id: image.manifest, RepoTags: ["app:1"], Manifests: [{ ID: image.manifest, Available: true }] };
    await using modern = await engine({ ...containerd, [look]: whole });
    const survey = await modern.loader.survey(image, signal);
    assert.deepEqual(survey, { complete: true, knownLayers: 2, form: "oci" });
    assert.deepEqual(modern.asked, [
      "GET /images/CONFIG/json",
      "GET /info",
      "GET /version",
      "GET /images/MANIFEST/json?manifests=1",
      "POST /images/MANIFEST/tag?repo=team%2Fapp&tag=latest",
    ]);
  });

  test("an image whose blobs are not all there is not there", async () => {
    const look = `/images/${image.manifest}/json?manifests=1`;
    const torn = { Id: image.manifest, RepoTags: ["app:1"], Manifests: [{ ID: image.manifest, Available: false }] };
    await using modern = await engine({ ...containerd, [look]: torn, "/images/json?all=1": [] });
    const survey = await modern.loader.survey(image, signal);
    assert.deepEqual(survey, { complete: false, knownLayers: 0, form: "oci" });
  });

  test("a store that answers to the config with an image of another ID is asked for its form", async () => {
    await using odd = await engine({
      ...containerd,
      [`/images/${image.config}/json`]: { Id: image.manifest, RepoTags: ["app:1", "team/app:latest"] },
      "/images/json?all=1": [],
    });
    const survey = await odd.loader.survey(image, signal);
    assert.deepEqual(survey, { complete: false, knownLayers: 0, form: "oci" });
  });
});
