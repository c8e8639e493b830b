// Caches cross over: what Docker Engine's BuildKit exports is taken here, and what is exported here is taken there.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Engine } from "../../src/engine/index.ts";
import { CacheBench, openPackedCaches, workSteps } from "../conformance/harness/cache-case.ts";
import { DockerPeer, withoutDocker } from "./peers.ts";

const { cases } = openPackedCaches();

test("caches cross over with Docker Engine", { skip: withoutDocker() }, async (t) => {
  await using bench = await CacheBench.open(openPackedCaches());
  await using docker = await DockerPeer.start(bench.registry.host);
  const secret = join(bench.home, "secret");
  writeFileSync(secret, "s3cret");
  const common = ["--secret", `id=tok,src=${secret}`, "--build-arg", `BASE=${bench.registry.host}/busybox:1.35`];

  for (const { name, dir } of [...cases.map((one) => ({ name: one.name, dir: bench.context(one) })), mixed(bench)]) {
    await t.test(`${name}: theirs is taken here`, async () => {
      await docker.prune();
      const exported = join(bench.home, `${name}.theirs`);
      await docker.build([...common, "--cache-to", `type=local,dest=${exported},mode=max`, dir]);
      await using engine = await Engine.open({ root: join(bench.home, `${name}.importing`) });
      const { steps, failure } = await bench.build(engine, dir, { importDir: exported });
      assert.equal(failure, undefined);
      assertAllCached(workSteps(steps));
    });
    await t.test(`${name}: ours is taken there`, async () => {
      await docker.prune();
      const exportDir = join(bench.home, `${name}.ours`);
      await using engine = await Engine.open({ root: join(bench.home, `${name}.exporting`) });
      assert.equal((await bench.build(engine, dir, { exportDir })).failure, undefined);
      assertAllCached(workSteps(await docker.build([...common, "--cache-from", `type=local,src=${exportDir}`, dir])));
    });
    await t.test(`${name}: ours in a registry is taken there`, async () => {
      await docker.prune();
      const ref = `${bench.registry.host}/cross/${name}:cache`;
      await using engine = await Engine.open({ root: join(bench.home, `${name}.pushing`) });
      const cache = { Exports: [{ Type: "registry", Attrs: { ref, mode: "max", compression: "gzip" } }] };
      assert.equal((await bench.build(engine, dir, { cache })).failure, undefined);
      assertAllCached(workSteps(await docker.build([...common, "--cache-from", `type=registry,ref=${ref}`, dir])));
    });
  }
});

/** What the vectors have not: owners by name, modes, links, ignore files with exceptions, mounts of several kinds, users, arguments. */
function mixed(bench: CacheBench): { name: string; dir: string } {
  const dir = join(bench.home, "mixed");
  for (const sub of ["src/deep", "src/skip", "links"]) mkdirSync(join(dir, sub), { recursive: true, mode: 0o755 });
  const files: Record<string, string> = {
    ".dockerignore": "**/*.log\nsrc/skip\n!src/keep.log\n",
    "src/a.txt": "a",
    "src/b.md": "b",
    "src/keep.log": "kept",
    "src/lost.log": "lost",
    "src/deep/c.txt": "c",
    "src/skip/d": "d",
    "links/target": "t",
    Dockerfile: [
      "ARG BASE=scratch",
      "FROM $BASE AS users",
      "RUN echo app:x:1000:1000::/:/bin/sh >> /etc/passwd && echo app:x:1000: >> /etc/group",
      "ENV MODE=fast PATH=/opt/bin:$PATH",
      "FROM users AS build",
      "ARG VERSION=1",
      "WORKDIR work",
      "WORKDIR ./in",
      "COPY --chown=app:app --chmod=750 src/ ./",
      "COPY src/*.txt src/?.md links/ /picked/",
      "RUN --mount=type=bind,source=src/deep,target=/mnt/deep --mount=type=tmpfs,target=/scratch cat /mnt/deep/c.txt > /scratch/x && cp /scratch/x out",
      "RUN --mount=type=secret,id=tok,target=/tok --mount=type=cache,target=/var/cache/x,sharing=locked,uid=1000 wc -c < /tok > /n && touch /var/cache/x/y",
      "USER app",
      "RUN id -un > /work/in/who || id -u > /tmp/who; echo $VERSION $MODE",
      "FROM users",
      "COPY --from=build --link /picked /picked",
      "COPY --from=build /work/in/deep/c.txt /work/in/out /final/",
      'SHELL ["/bin/sh", "-e", "-c"]',
      "RUN --mount=from=build,source=/picked,target=/p --network=none ls /p > /ls",
      "COPY <<A <<B /docs/",
      "one",
      "A",
      "two $MODE",
      "B",
      "LABEL a=b",
    ].join("\n"),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode: 0o644 });
  symlinkSync("target", join(dir, "links/relative"));
  symlinkSync("/etc/passwd", join(dir, "links/absolute"));
  return { name: "mixed", dir };
}

function assertAllCached(steps: Readonly<Record<string, string>>): void {
  assert.ok(Object.keys(steps).length > 1, JSON.stringify(steps));
  assert.deepEqual(
    Object.entries(steps).filter(([, state]) => state !== "cached"),
    [],
  );
}
