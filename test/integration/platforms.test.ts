// Builds for several platforms at once, foreign steps, and syntax images. Bases are OCI layouts that slipway itself writes; nothing
// foreign is run.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { canRun } from "../../src/engine/executor/index.ts";
import { hostPlatform } from "../../src/formats/oci/index.ts";
import { SourceBench } from "./source-bench.ts";

const native = `linux/${hostPlatform().architecture}`;

function readBlob(layout: string, digest: string): unknown {
  return JSON.parse(readFileSync(join(layout, "blobs", digest.replace(":", "/")), "utf8"));
}

interface Index {
  readonly manifests: { digest: string; mediaType: string; platform?: { os: string; architecture: string } }[];
}

suite("platforms", () => {
  const dockerfile = `FROM --platform=$BUILDPLATFORM scratch AS tool
ARG TARGETARCH
COPY for-$TARGETARCH /file
FROM scratch
ARG TARGETPLATFORM
ARG BUILDPLATFORM
LABEL target=$TARGETPLATFORM build=$BUILDPLATFORM
COPY --from=tool /file /file
`;
  const files = { Dockerfile: dockerfile, "for-amd64": "amd64\n", "for-s390x": "s390x\n" };
  const both = "--platform=linux/amd64,linux/s390x";

  test("an index of images, and a base of several platforms for the next build", async () => {
    using bench = new SourceBench();
    const folder = bench.folder("multi", files);
    const layout = join(bench.home, "layout");
    const made = await bench.build([both, "-o", `type=oci,dest=${layout},tar=false`, folder]);
    assert.equal(made.code, 0, made.output);
    const top = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as Index;
    const index = readBlob(layout, top.manifests[0]!.digest) as Index;
    assert.deepEqual(
      index.manifests.map(({ platform }) => `${platform!.os}/${platform!.architecture}`),
      ["linux/amd64", "linux/s390x", "unknown/unknown", "unknown/unknown"],
    );
    const labels = index.manifests.slice(0, 2).map(({ digest }) => {
      const manifest = readBlob(layout, digest) as { config: { digest: string } };
      return (readBlob(layout, manifest.config.digest) as { config: { Labels: object } }).config.Labels;
    });
    assert.deepEqual(labels, [
      { target: "linux/amd64", build: native },
      { target: "linux/s390x", build: native },
    ]);
    const child = bench.folder("child", { Dockerfile: "FROM base\nCOPY extra /\n", extra: "x\n" });
    const grown = await bench.build([both, "--build-context", `base=oci-layout://${layout}`, child]);
    assert.equal(grown.code, 0, grown.output);
    assert.equal(grown.read("linux_amd64/file"), "amd64\n");
    assert.equal(grown.read("linux_s390x/file"), "s390x\n");
    assert.equal(grown.read("linux_s390x/extra"), "x\n");
  });

  test("folders a platform, or not, as asked", async () => {
    using bench = new SourceBench();
    const folder = bench.folder("multi", files);
    const split = await bench.build([both, folder]);
    assert.equal(split.code, 0, split.output);
    assert.deepEqual(readdirSync(split.out).toSorted(), ["linux_amd64", "linux_s390x"]);
    const flat = join(bench.home, "flat");
    const one = await bench.build([
      "--platform=linux/s390x",
      "-o",
      `type=local,dest=${flat},platform-split=true`,
      folder,
    ]);
    assert.equal(one.code, 0, one.output);
    assert.equal(readFileSync(join(flat, "linux_s390x/file"), "utf8"), "s390x\n");
  });

  const skip = canRun({ os: "linux", architecture: "s390x" }) ? "this machine has an emulator for s390x" : false;
  test("a foreign RUN is refused before anything runs, with its line and what to do", { skip }, async () => {
    using bench = new SourceBench();
    const folder = bench.folder("foreign", {
      Dockerfile: "FROM scratch\nCOPY Dockerfile /\nRUN make\n",
    });
    const { code, output, out } = await bench.build(["--platform=linux/s390x", folder]);
    assert.equal(code, 1);
    assert.match(output, / 3 \| >>> RUN make\n/);
    assert.match(
      output,
      /ERROR: .*RUN make is for linux\/s390x, whose programs this machine can't run\nhint: .*BUILDPLATFORM/,
    );
    assert.doesNotMatch(output, /COPY Dockerfile \/\n#\d+ DONE/);
    assert.equal(existsSync(out) && readdirSync(out).length > 0, false);
  });
});

suite("syntax images", () => {
  test("official ones are served; others are asked of their registry, unless told otherwise", async () => {
    using bench = new SourceBench();
    const text = (image: string) => `# syntax=${image}\nFROM scratch\nCOPY Dockerfile /file\n`;
    const official = bench.folder("official", { Dockerfile: text("docker.io/docker/dockerfile-upstream:master") });
    const served = await bench.build([official]);
    assert.equal(served.code, 0, served.output);
    const other = bench.folder("other", { Dockerfile: text("127.0.0.1:1/front:1") });
    const refused = await bench.build([other]);
    assert.equal(refused.code, 1);
    assert.match(refused.output, / 1 \| >>> # syntax=127\.0\.0\.1:1\/front:1\n/);
    assert.match(
      refused.output,
      /ERROR: .*registry 127\.0\.0\.1:1 can't be reached.*\nhint: check the registry's name/,
    );
    const told = await bench.build(["--build-arg", "BUILDKIT_SYNTAX=docker/dockerfile:1", other]);
    assert.equal(told.code, 0, told.output);
    const wrong = await bench.build(["--build-arg", "BUILDKIT_SYNTAX=127.0.0.1:1/front:2", official]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.output, /registry 127\.0\.0\.1:1 can't be reached/);
  });
});
