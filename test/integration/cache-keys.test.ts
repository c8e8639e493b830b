// Cache keys as stock BuildKit computes them: for contexts that it exported caches of, a build here must record every key and link of
// that export. Otherwise caches could not be exchanged.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { MemoryRegistry } from "../../src/distribution/index.ts";
import { Engine } from "../../src/engine/index.ts";
import type { SessionPort } from "../../src/engine/index.ts";
import { control } from "../../src/formats/proto/index.ts";

type Files = Record<string, string>;
interface CacheRecord {
  readonly digest: string;
  readonly inputs?: readonly (readonly { readonly selector?: string; readonly link: number }[])[];
}
interface Case {
  readonly name: string;
  readonly context: Files;
  readonly records: readonly CacheRecord[];
}

const packed = gunzipSync(readFileSync(join(import.meta.dirname, "fixtures/cache-keys.json.gz"))).toString();
const { base, cases } = JSON.parse(packed) as { base: Files; cases: Case[] };

let home: string;
let registry: MemoryRegistry;

before(async () => {
  home = mkdtempSync(join(tmpdir(), "slipway-cache-keys-"));
  registry = await MemoryRegistry.start();
  const bytes = (name: string) => Buffer.from(base[name]!, "base64");
  const index = JSON.parse(bytes("index.json").toString()) as { manifests: { digest: string }[] };
  const manifestDigest = index.manifests[0]!.digest;
  for (const name of Object.keys(base)) if (name.startsWith("blobs/")) registry.putBlob("busybox", bytes(name));
  registry.putManifest("busybox", bytes(`blobs/sha256/${manifestDigest.slice(7)}`), "1.35");
});

after(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

for (const { name, context, records } of cases) {
  test(name, async () => {
    const dir = join(home, name);
    for (const [path, data] of Object.entries(context)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true, mode: 0o755 });
      writeFileSync(join(dir, path), Buffer.from(data, "base64"), { mode: 0o644 });
      utimesSync(join(dir, path), 1, 1);
    }
    await using engine = await Engine.open({ root: join(home, `${name}.state`) });
    await build(engine, dir);
    const missing = missingRecords(engine, records);
    assert.deepEqual(missing, []);
  });
}

async function build(engine: Engine, dir: string): Promise<void> {
  const request = create(control.SolveRequestSchema, {
    Ref: "test",
    Frontend: "dockerfile.v0",
    FrontendAttrs: { "build-arg:BASE": `${registry.host}/busybox:1.35` },
  });
  const session: SessionPort = {
    id: `session-${dir.length}`,
    localDir: () => dir,
    secret: () => Promise.resolve(Buffer.from("s3cret")),
    sshAgent: () => Promise.resolve(undefined),
    output: () => undefined,
  };
  await engine.solve(request, session, { onStatus: () => {}, signal: new AbortController().signal });
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
