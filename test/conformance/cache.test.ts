// Replays the packed caches of stock BuildKit: a build takes every step from them, and records every key and link that they have.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Engine } from "../../src/engine/index.ts";
import { CacheBench, openPackedCaches, runCacheCase } from "./harness/cache-case.ts";
import type { CacheCase } from "./harness/cache-case.ts";

interface CacheRecord {
  readonly digest: string;
  readonly inputs?: readonly (readonly { readonly selector?: string; readonly link: number }[])[];
}

const vectors = openPackedCaches();
let bench: CacheBench;

before(async () => {
  bench = await CacheBench.open(vectors);
});
after(() => bench[Symbol.asyncDispose]());

for (const one of vectors.cases) {
  void test(`${one.name}: every step is taken from BuildKit's cache`, async () => {
    assert.equal(await runCacheCase(bench, one), "");
  });

  void test(`${one.name}: every key and link of BuildKit's cache is recorded`, async () => {
    await using engine = await Engine.open({ root: join(bench.home, `${one.name}.keys`) });
    assert.equal((await bench.build(engine, bench.context(one))).failure, undefined);
    assert.deepEqual(missingRecords(engine, recordsOf(one)), []);
  });
}

function recordsOf({ cache }: CacheCase): readonly CacheRecord[] {
  const json = (digest: string) => JSON.parse(Buffer.from(vectors.blobs[digest]!, "base64").toString()) as never;
  const index = JSON.parse(cache) as { manifests: { digest: string }[] };
  const manifest = json(index.manifests[0]!.digest) as { config: { digest: string } };
  return (json(manifest.config.digest) as { records: CacheRecord[] }).records;
}

/** Records of the export that no key of ours stands for. */
function missingRecords(engine: Engine, records: readonly CacheRecord[]): string[] {
  const { keys } = engine.store;
  const known = new Map<number, Set<string>>();
  const idsOf = (at: number): Set<string> => {
    let ids = known.get(at);
    if (ids !== undefined) return ids;
    known.set(at, (ids = new Set()));
    const { digest, inputs } = records[at]!;
    if (inputs === undefined) {
      ids.add(digest);
      return ids;
    }
    const perInput = inputs.map(
      (alternatives, input) =>
        new Set(
          alternatives.flatMap(({ selector = "", link }) =>
            [...idsOf(link)].flatMap((id) => keys.targets(id, { input, digest, selector })),
          ),
        ),
    );
    for (const id of perInput.reduce((a, b) => a.intersection(b))) ids.add(id);
    return ids;
  };
  return records.flatMap((record, at) =>
    idsOf(at).size > 0 ? [] : [`${at}: ${record.digest} ${JSON.stringify(record.inputs)}`],
  );
}
