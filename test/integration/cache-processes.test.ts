// Several processes, each with a store of its own, export to one place at once: nobody's records are lost.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Engine } from "../../src/engine/index.ts";
import { CacheBench, openPackedCaches, workSteps } from "../conformance/harness/cache-case.ts";

const PROCESSES = 4;
const main = join(import.meta.dirname, "../../src/cli/main.ts");
let bench: CacheBench;
before(async () => {
  bench = await CacheBench.open(openPackedCaches());
});
after(() => bench[Symbol.asyncDispose]());

function contexts(): string[] {
  return Array.from({ length: PROCESSES }, (_, number) => {
    const dir = mkdtempSync(join(bench.home, "context-"));
    const steps = ["COPY a.txt /a", `RUN cat /a > /made${number}`, "RUN cat /made* /made* > /c", "RUN wc -c /c > /d"];
    writeFileSync(join(dir, "Dockerfile"), ["ARG BASE=scratch", "FROM $BASE", ...steps].join("\n"));
    writeFileSync(join(dir, "a.txt"), `number ${number}\n`.repeat(1000));
    return dir;
  });
}

async function runBuild(context: string, cacheTo: string): Promise<void> {
  const root = mkdtempSync(join(bench.home, "process-"));
  const flags = ["--root", root, "--progress", "plain", "--build-arg", `BASE=${bench.registry.host}/busybox:1.35`];
  const child = spawn(
    process.execPath,
    [main, "build", ...flags, "--cache-to", cacheTo, "-o", "type=cacheonly", context],
    {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, SLIPWAY_NAMESPACE: "private" },
    },
  );
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /cache export:/);
}

for (const kind of ["folder", "registry"] as const) {
  test(`${PROCESSES} processes export to one ${kind} at once; the union hits`, async () => {
    const dest = mkdtempSync(join(bench.home, "union-"));
    const ref = `${bench.registry.host}/union:cache`;
    const [to, from] =
      kind === "folder"
        ? [`type=local,dest=${dest},mode=max`, { Type: "local", Attrs: { src: dest } }]
        : [`type=registry,ref=${ref},mode=max`, { Type: "registry", Attrs: { ref } }];
    const dirs = contexts();
    await Promise.all(dirs.map((dir) => runBuild(dir, to)));
    await using engine = await Engine.open({ root: mkdtempSync(join(bench.home, "reading-")) });
    for (const dir of dirs) {
      const { steps, warnings, failure } = await bench.build(engine, dir, { cache: { Imports: [from] } });
      assert.equal(failure, undefined);
      assert.deepEqual(warnings, []);
      assert.deepEqual(Object.values(workSteps(steps)), ["cached", "cached", "cached", "cached"]);
    }
  });
}
