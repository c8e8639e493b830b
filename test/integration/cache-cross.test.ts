// Caches cross over: what Docker Engine's BuildKit exports is taken here, and what is exported here is taken there.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Engine } from "../../src/engine/index.ts";
import { CacheBench, openPackedCaches, workSteps } from "../conformance/harness/cache-case.ts";
import { DockerPeer, withoutDocker } from "./peers.ts";

// Differs between BuildKits: the content key of a wildcard is another one in Docker Engine 28 than in later BuildKits, so these two
// do not exchange such a COPY among themselves either. Ours is the later one's.
const withoutWildcards = openPackedCaches().cases.filter(({ name }) => name !== "ignore-wildcard");

test("caches cross over with Docker Engine", { skip: withoutDocker() }, async (t) => {
  await using bench = await CacheBench.open(openPackedCaches());
  await using docker = await DockerPeer.start(bench.registry.host);
  const common = ["--build-arg", `BASE=${bench.registry.host}/busybox:1.35`];

  for (const one of withoutWildcards) {
    const dir = bench.context(one);
    await t.test(`${one.name}: theirs is taken here`, async () => {
      await docker.prune();
      const exported = join(bench.home, `${one.name}.theirs`);
      await docker.build([...common, "--cache-to", `type=local,dest=${exported},mode=max`, dir]);
      await using engine = await Engine.open({ root: join(bench.home, `${one.name}.importing`) });
      const { steps, failure } = await bench.build(engine, dir, { importDir: exported });
      assert.equal(failure, undefined);
      assertAllCached(workSteps(steps));
    });
    await t.test(`${one.name}: ours is taken there`, async () => {
      await docker.prune();
      const exportDir = join(bench.home, `${one.name}.ours`);
      await using engine = await Engine.open({ root: join(bench.home, `${one.name}.exporting`) });
      assert.equal((await bench.build(engine, dir, { exportDir })).failure, undefined);
      assertAllCached(workSteps(await docker.build([...common, "--cache-from", `type=local,src=${exportDir}`, dir])));
    });
    await t.test(`${one.name}: ours in a registry is taken there`, async () => {
      await docker.prune();
      const ref = `${bench.registry.host}/cross/${one.name}:cache`;
      await using engine = await Engine.open({ root: join(bench.home, `${one.name}.pushing`) });
      const cache = { Exports: [{ Type: "registry", Attrs: { ref, mode: "max", compression: "gzip" } }] };
      assert.equal((await bench.build(engine, dir, { cache })).failure, undefined);
      assertAllCached(workSteps(await docker.build([...common, "--cache-from", `type=registry,ref=${ref}`, dir])));
    });
  }
});

function assertAllCached(steps: Readonly<Record<string, string>>): void {
  assert.ok(Object.keys(steps).length > 1, JSON.stringify(steps));
  assert.deepEqual(
    Object.entries(steps).filter(([, state]) => state !== "cached"),
    [],
  );
}
