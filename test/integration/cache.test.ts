// Caches between stores: what one build exports, another takes; what is missing or damaged costs a step, never a build.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Engine } from "../../src/engine/index.ts";
import { CacheBench, openPackedCaches, workSteps } from "../conformance/harness/cache-case.ts";
import type { BuiltSteps } from "../conformance/harness/cache-case.ts";

const vectors = openPackedCaches();
let bench: CacheBench;
before(async () => {
  bench = await CacheBench.open(vectors);
});
after(() => bench[Symbol.asyncDispose]());

/** How many exports go to one bounded folder; SLIPWAY_EXPORT_ROUNDS=1000 takes some minutes. */
const exportRounds = Number(process.env["SLIPWAY_EXPORT_ROUNDS"] ?? 12);
let count = 0;
const folder = (name: string) => mkdtempSync(join(bench.home, `${name}-`));

type BuildOptions = Parameters<CacheBench["build"]>[2];

/** Builds on a store of its own, as a fresh runner would. */
async function freshBuild(dir: string, options: BuildOptions = {}): Promise<BuiltSteps> {
  await using engine = await Engine.open({ root: join(bench.home, `fresh-${++count}`) });
  return await bench.build(engine, dir, options);
}

function context(dockerfile: string, files: Record<string, string> = {}): string {
  const dir = folder("context");
  for (const [name, text] of Object.entries({ Dockerfile: dockerfile, ...files })) writeFileSync(join(dir, name), text);
  return dir;
}

const chain = ["ARG BASE=scratch", "FROM $BASE", "COPY a.txt /a", "RUN cat /a /a > /b", "RUN wc -c /b > /c"].join("\n");

test("a build that failed at its last step runs that step alone on a fresh store", async () => {
  const exportDir = join(folder("failed"), "cache");
  const failing = context(`${chain}\nRUN test -e /never`, { a: "", "a.txt": "abc" });
  const first = await freshBuild(failing, { exportDir });
  assert.ok(first.failure !== undefined);
  const again = await freshBuild(failing, { importDir: exportDir });
  assert.ok(again.failure !== undefined);
  assert.deepEqual(workSteps(again.steps), {
    "[] COPY a.txt /a": "cached",
    "[] RUN cat /a /a > /b": "cached",
    "[] RUN wc -c /b > /c": "cached",
    "[] RUN test -e /never": "failed",
  });
});

test("mode=min has the image's layers, mode=max those of every stage", async () => {
  const dir = context(
    [
      "ARG BASE=scratch",
      "FROM $BASE AS tool",
      "RUN echo 1 > /one",
      "FROM $BASE",
      "COPY --from=tool /one /",
      "RUN echo 2 > /two",
    ].join("\n"),
  );
  const [min, max] = [join(folder("min"), "c"), join(folder("max"), "c")];
  await freshBuild(dir, {
    cache: {
      Exports: [
        { Type: "local", Attrs: { dest: min } },
        { Type: "local", Attrs: { dest: max, mode: "max" } },
      ],
    },
  });
  assert.equal(layersOf(min), 3);
  assert.equal(layersOf(max), 4);
  for (const importDir of [min, max]) {
    const { steps } = await freshBuild(dir, { importDir });
    assert.deepEqual([...new Set(Object.values(workSteps(steps)))], ["cached"]);
  }
});

test("mode=auto leaves out what is made faster than fetched, and says so when asked", async () => {
  const dir = context(
    [
      "ARG BASE=scratch",
      "FROM $BASE AS cheap",
      "RUN fallocate -l 400000000 /big",
      "FROM $BASE AS dear",
      "RUN sleep 0.6; echo 1 > /dear",
      "FROM $BASE",
      "COPY --from=cheap /bin/sh /x",
      "COPY --from=dear /dear /dear",
    ].join("\n"),
  );
  const exportDir = join(folder("auto"), "cache");
  const Exports = [{ Type: "local", Attrs: { dest: exportDir, mode: "auto", explain: "true" } }];
  const { logs } = await freshBuild(dir, { cache: { Exports } });
  assert.match(
    logs,
    /leaves out \[cheap 2\/2\] RUN fallocate .*: \d+\.\d s to make, about 17\.\d s to write and fetch 400\.0 MB/,
  );
  assert.match(logs, /exports \[dear 2\/2\] RUN sleep/);
  assert.equal(layersOf(exportDir), 4);
});

test("a secret that is an input changes the key, and is nowhere in the cache", async () => {
  const dir = context("ARG BASE=scratch\nFROM $BASE\nRUN --mount=type=secret,id=tok test -s /run/secrets/tok");
  const exportDir = join(folder("secret"), "cache");
  const state = async (secret: string, isInput: boolean) => {
    const { steps, failure } = await freshBuild(dir, {
      exportDir,
      importDir: exportDir,
      secret,
      secretIsInput: isInput,
    });
    assert.equal(failure, undefined);
    return Object.values(workSteps(steps)).join();
  };
  assert.equal(await state("one-secret", true), "done");
  assert.equal(await state("one-secret", true), "cached");
  assert.equal(await state("two-secret", true), "done");
  assert.equal(await state("one-secret", true), "cached");
  assert.equal(await state("three-secret", false), "done");
  assert.equal(await state("four-secret", false), "cached");
  for (const path of filesOf(exportDir)) {
    const text = readFileSync(join(exportDir, path), "latin1");
    for (const word of ["one-secret", "two-secret"]) {
      assert.ok(!text.includes(word) && !text.includes(createHash("sha256").update(word).digest("hex")), path);
    }
  }
});

test("hits fetch no layer; an output of blobs unpacks none; a step fetches and unpacks what it stands on", async () => {
  const exportDir = join(folder("lazy"), "cache");
  const dir = context(chain, { "a.txt": "lazy" });
  await freshBuild(dir, { exportDir });
  await using engine = await Engine.open({ root: join(bench.home, `fresh-${++count}`) });
  const { refs, content } = engine.store;
  const layers = () => [...refs.rows.layerIds()].map((id) => ({ ...refs.rows.layer(id)!, blobs: refs.rows.blobs(id) }));
  const fetched = () =>
    layers().filter(({ blobs }) => blobs.some(({ descriptor }) => content.has(descriptor.digest))).length;
  const unpacked = () => layers().filter((layer) => layer.unpacked).length;
  await bench.build(engine, dir, { importDir: exportDir });
  assert.deepEqual([layers().length > 3, fetched(), unpacked()], [true, 0, 0]);
  await bench.build(engine, dir, { importDir: exportDir, outputDir: folder("lazy-out") });
  assert.deepEqual([fetched(), unpacked()], [4, 0]);
  writeFileSync(join(dir, "Dockerfile"), `${chain}\nRUN echo more`);
  const { steps } = await bench.build(engine, dir, { importDir: exportDir });
  assert.deepEqual(Object.values(workSteps(steps)).sort(), ["cached", "cached", "cached", "done"]);
  assert.equal(unpacked(), 5);
});

test("an export of what the destination has writes nothing", async () => {
  const exportDir = join(folder("same"), "cache");
  const dir = context(chain, { "a.txt": "x" });
  await using engine = await Engine.open({ root: join(bench.home, `fresh-${++count}`) });
  await bench.build(engine, dir, { exportDir });
  const state = () =>
    filesOf(exportDir).map(
      (path) => `${path} ${statSync(join(exportDir, path)).mtimeMs} ${statSync(join(exportDir, path)).ino}`,
    );
  const before = state();
  await bench.build(engine, dir, { exportDir, importDir: exportDir });
  assert.deepEqual(state(), before);
});

test("a cache that alone wants layers packed is packed into its folder; who comes later finds the same bytes", async () => {
  const dir = context(chain, { "a.txt": "packed there" });
  const [one, two, image, fresh] = ["one", "two", "image", "fresh"].map((name) => join(folder("there"), name)) as [
    string,
    string,
    string,
    string,
  ];
  const root = join(bench.home, `fresh-${++count}`);
  await using engine = await Engine.open({ root });
  const stored = () => new Set(readdirSync(join(root, "content/blobs/sha256")));
  const blobsOf = (of: string) =>
    readdirSync(join(of, "blobs/sha256")).map((name) => ({
      name,
      bytes: readFileSync(join(of, "blobs/sha256", name)),
    }));
  // All but the cache's config and manifest, which say when a layer was used last.
  const packed = (of: string) =>
    blobsOf(of)
      .filter(({ bytes }) => bytes[0] !== 0x7b)
      .map(({ name }) => name)
      .toSorted();
  assert.equal((await bench.build(engine, dir, { exportDir: one })).failure, undefined);
  const made = packed(one);
  assert.equal(made.length, 4, "with the base's");
  for (const { name, bytes } of blobsOf(one)) assert.equal(createHash("sha256").update(bytes).digest("hex"), name);
  const kept = () => made.filter((name) => stored().has(name)).length;
  assert.equal(kept(), 1, "the base's alone, which came as a blob");
  assert.equal((await bench.build(engine, dir, { exportDir: two })).failure, undefined);
  assert.deepEqual(packed(two), made);
  assert.equal(kept(), 4, "wanted again, they are kept");
  const { failure } = await bench.build(engine, dir, { outputDir: image });
  assert.equal(failure, undefined);
  assert.equal(layersOf(image), 4);
  const { steps } = await freshBuild(dir, { importDir: one, exportDir: fresh });
  assert.deepEqual([...new Set(Object.values(workSteps(steps)))], ["cached"]);
});

test("targets, platforms and concurrent builds export to one folder; all of them hit", async () => {
  const exportDir = join(folder("shared"), "cache");
  const dirs = ["one", "two", "three", "four"].map((name) =>
    context(`${chain}\nRUN echo ${name} > /${name}`, { "a.txt": name }),
  );
  const built = await Promise.all(dirs.map((dir) => freshBuild(dir, { exportDir })));
  assert.deepEqual(
    built.map(({ failure, warnings }) => [failure, warnings]),
    dirs.map(() => [undefined, []]),
  );
  for (const dir of dirs) {
    const { steps } = await freshBuild(dir, { importDir: exportDir });
    assert.deepEqual([...new Set(Object.values(workSteps(steps)))], ["cached"]);
  }
  assert.deepEqual(unreferenced(exportDir), []);
});

test("builds that import one cache at once keep it until each is done", async () => {
  const dir = context(
    [
      "ARG BASE=scratch",
      "FROM $BASE AS slow",
      "ARG N",
      "RUN sleep 1 && : $N && echo same > /x",
      "FROM $BASE",
      "COPY --from=slow /x /y",
      "RUN cat /y /y > /z",
    ].join("\n"),
  );
  const importDir = join(folder("shared"), "c");
  await freshBuild(dir, { exportDir: importDir, args: { "build-arg:N": "1" } });
  await using engine = await Engine.open({ root: join(bench.home, "shared-import") });
  const [short, long] = await Promise.all([
    bench.build(engine, dir, { importDir, args: { "build-arg:N": "1" } }),
    bench.build(engine, dir, { importDir, args: { "build-arg:N": "2" } }),
  ]);
  assert.deepEqual([...new Set(Object.values(workSteps(short.steps)))], ["cached"]);
  assert.deepEqual(workSteps(long.steps), {
    "[slow] RUN sleep 1 && : 2 && echo same > /x": "done",
    "[stage-1] COPY --from=slow /x /y": "cached",
    "[stage-1] RUN cat /y /y > /z": "cached",
  });
});

test("two builds export to one registry reference at once; the union hits, from indexes too", async () => {
  for (const more of [{}, { "image-manifest": "false" }, { "image-manifest": "false", "oci-mediatypes": "false" }]) {
    const ref = `${bench.registry.host}/cache/shared:c${++count}`;
    const dirs = ["one", "two", "three"].map((name) =>
      context(`${chain}\nRUN echo ${name} > /${name}`, { "a.txt": `${name}${count}` }),
    );
    const Exports = [{ Type: "registry", Attrs: { ref, mode: "max", ...more } }];
    const built = await Promise.all(dirs.map((dir) => freshBuild(dir, { cache: { Exports } })));
    assert.deepEqual(
      built.map(({ failure, warnings }) => [failure, warnings]),
      dirs.map(() => [undefined, []]),
    );
    for (const dir of dirs) {
      const { steps } = await freshBuild(dir, { cache: { Imports: [{ Type: "registry", Attrs: { ref } }] } });
      assert.deepEqual([...new Set(Object.values(workSteps(steps)))], ["cached"]);
    }
  }
});

test("layers of a base in the same registry are taken over, not sent", async () => {
  const ref = `${bench.registry.host}/borrowing:cache`;
  const dir = context(chain, { "a.txt": "borrow" });
  const Exports = [{ Type: "registry", Attrs: { ref, mode: "max" } }];
  const asked = () => bench.registry.count(/^POST \/v2\/borrowing\/blobs\/uploads\/\?.*from=busybox/);
  const { failure, warnings } = await freshBuild(dir, { cache: { Exports } });
  assert.deepEqual([failure, warnings, asked()], [undefined, [], 1]);
  const { steps } = await freshBuild(dir, { cache: { Imports: [{ Type: "registry", Attrs: { ref } }] } });
  assert.deepEqual([...new Set(Object.values(workSteps(steps)))], ["cached"]);
});

test("an inline cache travels in the image's config, COPY --link and several stages too", async () => {
  const dir = context(
    [
      "ARG BASE=scratch",
      "FROM $BASE AS tool",
      "RUN echo 1 > /one",
      "FROM $BASE",
      "COPY --link a.txt /x/",
      "COPY --from=tool /one /",
      "RUN echo 2 > /two",
    ].join("\n"),
    { "a.txt": "inline" },
  );
  const outputDir = folder("image");
  await freshBuild(dir, { outputDir, cache: { Exports: [{ Type: "inline", Attrs: {} }] } });
  const ref = push(outputDir, "inline/app", "v1");
  const { steps, warnings } = await freshBuild(dir, { cache: { Imports: [{ Type: "registry", Attrs: { ref } }] } });
  assert.deepEqual(warnings, []);
  assert.deepEqual(workSteps(steps), {
    "[tool] RUN echo 1 > /one": "cached",
    "[stage-1] COPY --link a.txt /x/": "cached",
    "[stage-1] LINK COPY --link a.txt /x/": "cached",
    "[stage-1] COPY --from=tool /one /": "cached",
    "[stage-1] RUN echo 2 > /two": "cached",
  });
});

test("cache mounts travel: only what changed is written, and a scope falls back to another", async () => {
  for (const kind of ["local", "registry"]) {
    const place = join(folder("mounts"), "cache");
    const where = kind === "local" ? { dest: place } : { ref: `${bench.registry.host}/mounts/${kind}:c` };
    const from = kind === "local" ? { src: place } : where;
    const to = (scope: string) => [
      { Type: kind, Attrs: { ...where, mode: "max", mounts: "true", "mounts-scope": scope } },
    ];
    const read = (scopes: string) => [{ Type: kind, Attrs: { ...from, "mounts-scope": scopes } }];
    const step = (command: string) =>
      context(`ARG BASE=scratch\nFROM $BASE\nRUN --mount=type=cache,target=/c,id=npm ${command}`);
    const fill = step(
      "head -c 300000 /dev/urandom > /c/big; mkdir /c/d; echo 1 > /c/d/one; ln -s one /c/d/link; ln /c/d/one /c/hard",
    );
    assert.deepEqual((await freshBuild(fill, { cache: { Exports: to("main") } })).warnings, []);
    const change = step(
      "test $(cat /c/d/link) = 1 && test -s /c/big && rm /c/d/one && echo 2 > /c/d/two && chmod 700 /c/d",
    );
    const changed = await freshBuild(change, { cache: { Imports: read("branch;main"), Exports: to("branch") } });
    assert.deepEqual([changed.failure, changed.warnings], [undefined, []]);
    if (kind === "local") {
      const bytes = filesOf(place).reduce((sum, path) => sum + statSync(join(place, path)).size, 0);
      assert.ok(bytes < 1_750_000, `${bytes} bytes: the big file is there twice`);
    }
    const main = step("test -e /c/d/one -a ! -e /c/d/two");
    assert.equal((await freshBuild(main, { cache: { Imports: read("main") } })).failure, undefined);
    const branch = step(
      "test ! -e /c/d/one && test $(cat /c/d/two) = 2 && test $(stat -c %a /c/d) = 700 && test $(cat /c/hard) = 1",
    );
    assert.equal((await freshBuild(branch, { cache: { Imports: read("branch;main") } })).failure, undefined);
    const none = await freshBuild(step('test -z "$(ls /c)"'), { cache: { Imports: read("other") } });
    assert.equal(none.failure, undefined);
  }
});

test("a damaged cache mount begins empty, with a warning", async () => {
  const exportDir = join(folder("mount"), "cache");
  const step = (command: string) =>
    context(`ARG BASE=scratch\nFROM $BASE\nRUN --mount=type=cache,target=/c,id=m ${command}`);
  const Exports = [{ Type: "local", Attrs: { dest: exportDir, mounts: "m" } }];
  await freshBuild(step("head -c 90000 /dev/urandom > /c/x"), { cache: { Exports } });
  const sizeOf = (path: string) => statSync(join(exportDir, path)).size;
  const layer = filesOf(exportDir).find((path) => sizeOf(path) > 90_000 && sizeOf(path) < 100_000)!;
  const damaged = readFileSync(join(exportDir, layer));
  damaged[50_000]! ^= 1;
  rmSync(join(exportDir, layer));
  writeFileSync(join(exportDir, layer), damaged);
  const { failure, warnings } = await freshBuild(step('test -z "$(ls /c)"'), { importDir: exportDir });
  assert.equal(failure, undefined);
  assert.match(warnings.join(), /cache mount m begins empty: /);
});

test("a registry that can't be reached is a warning on both sides", async () => {
  const ref = "127.0.0.1:1/cache:none";
  const dir = context(chain, { "a.txt": "r" });
  const cache = { Imports: [{ Type: "registry", Attrs: { ref } }], Exports: [{ Type: "registry", Attrs: { ref } }] };
  const { failure, warnings } = await freshBuild(dir, { cache });
  assert.equal(failure, undefined);
  assert.match(
    warnings.join("; "),
    /is not used: registry 127.0.0.1:1 can't be reached.*cache export: registry 127.0.0.1:1 can't be reached/,
  );
});

test("max-size holds, what was used last stays, and nothing unreferenced is left", async () => {
  const exportDir = join(folder("bounded"), "cache");
  const maxBytes = 3_000_000;
  const Exports = [{ Type: "local", Attrs: { dest: exportDir, mode: "max", "max-size": String(maxBytes) } }];
  await using engine = await Engine.open({ root: join(bench.home, `fresh-${++count}`) });
  const make = (n: number) => context(`ARG BASE=scratch\nFROM $BASE\nRUN head -c 400000 /dev/urandom > /r${n}`);
  const dirs: string[] = [];
  for (let n = 0; n < exportRounds; n++) {
    dirs.push(make(n));
    assert.deepEqual((await bench.build(engine, dirs.at(-1)!, { cache: { Exports } })).warnings, []);
    const bytes = filesOf(exportDir).reduce((sum, path) => sum + statSync(join(exportDir, path)).size, 0);
    assert.ok(bytes <= maxBytes, `${bytes} bytes after export ${n}`);
  }
  const { steps } = await freshBuild(dirs.at(-1)!, { importDir: exportDir });
  assert.deepEqual(Object.values(workSteps(steps)), ["cached"]);
  assert.deepEqual(unreferenced(exportDir), []);
});

test("tags are caches of their own in one folder; reset drops the rest of a tag", async () => {
  const exportDir = join(folder("tags"), "cache");
  const [main, branch] = ["main", "branch"].map((name) => context(`ARG BASE=scratch\nFROM $BASE\nRUN echo ${name}`));
  const to = (tag: string, reset = "false") => ({
    cache: { Exports: [{ Type: "local", Attrs: { dest: exportDir, tag, reset } }] },
  });
  const from = (tag: string) => ({ cache: { Imports: [{ Type: "local", Attrs: { src: exportDir, tag } }] } });
  await freshBuild(main!, to("main"));
  await freshBuild(branch!, to("branch"));
  assert.deepEqual(Object.values(workSteps((await freshBuild(main!, from("main"))).steps)), ["cached"]);
  assert.deepEqual(Object.values(workSteps((await freshBuild(main!, from("branch"))).steps)), ["done"]);
  await freshBuild(main!, to("branch", "true"));
  assert.deepEqual(Object.values(workSteps((await freshBuild(branch!, from("branch"))).steps)), ["done"]);
  assert.deepEqual(unreferenced(exportDir), []);
});

test("a cache that is not there, or is none, is a warning", async () => {
  const dir = context(chain, { "a.txt": "w" });
  const empty = folder("empty");
  const broken = folder("broken");
  writeFileSync(join(broken, "index.json"), "{");
  for (const importDir of [join(empty, "nothing"), empty, broken]) {
    const { failure, warnings } = await freshBuild(dir, { importDir });
    assert.equal(failure, undefined);
    assert.equal(warnings.length, 1, warnings.join());
    assert.match(warnings[0]!, / is not used: /);
  }
});

test("an export that fails is a warning, or an error with ignore-error=false", async () => {
  const dir = context(chain, { "a.txt": "e" });
  const dest = join(folder("unwritable"), "cache");
  mkdirSync(dest);
  mkdirSync(join(dest, "index.json.lock"));
  const soft = await freshBuild(dir, { cache: { Exports: [{ Type: "local", Attrs: { dest } }] } });
  assert.equal(soft.failure, undefined);
  assert.match(soft.warnings.join(), /cache export: /);
  const hard = await freshBuild(dir, {
    cache: { Exports: [{ Type: "local", Attrs: { dest, "ignore-error": "false" } }] },
  });
  assert.match(String(hard.failure), /error writing cache: /);
});

/** Puts the image of a layout into the bench's registry. */
function push(layout: string, repository: string, tag: string): string {
  const bytes = (digest: string) => readFileSync(join(layout, "blobs/sha256", digest.slice(7)));
  const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as { manifests: { digest: string }[] };
  const manifest = bytes(index.manifests[0]!.digest);
  const { config, layers } = JSON.parse(manifest.toString()) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  for (const { digest } of [config, ...layers]) bench.registry.putBlob(repository, bytes(digest));
  bench.registry.putManifest(repository, manifest, tag);
  return `${bench.registry.host}/${repository}:${tag}`;
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(dir, path)).isFile())
    .sort();
}

function layersOf(dir: string): number {
  const read = (digest: string) =>
    JSON.parse(readFileSync(join(dir, "blobs/sha256", digest.slice(7)), "utf8")) as { layers: unknown[] };
  const index = JSON.parse(readFileSync(join(dir, "index.json"), "utf8")) as { manifests: { digest: string }[] };
  return read(index.manifests[0]!.digest).layers.length;
}

/** Blobs that no index needs. */
function unreferenced(dir: string): string[] {
  const text = (path: string) => readFileSync(path, "utf8");
  const named = new Set<string>();
  const visit = (json: string) => {
    for (const [digest] of json.matchAll(/sha256:[0-9a-f]{64}/g)) {
      const hex = digest.slice(7);
      const path = join(dir, "blobs/sha256", hex);
      if (named.has(hex) || !existsSync(path)) continue;
      named.add(hex);
      const content = text(path);
      if (content.startsWith("{")) visit(content);
    }
  };
  visit(text(join(dir, "index.json")));
  return readdirSync(join(dir, "blobs/sha256")).filter((name) => !named.has(name));
}
