// Replays conformance vectors: `npm run conformance -- [DIR] [AREA…]`. DIR is laid out as described in test/conformance; the
// packed copy of this repository is used without one. AREA names frontend areas (stages, copy…) or pieces (shell, flag…).
// Prints each failing case with its first difference, and closes with the count. Exit code 1 when a case fails.

import { statSync } from "node:fs";
import { runBakeCase } from "../test/conformance/harness/bake-case.ts";
import { CacheBench, runCacheCase } from "../test/conformance/harness/cache-case.ts";
import type { CacheVectors } from "../test/conformance/harness/cache-case.ts";
import { openFolder } from "../test/conformance/harness/case.ts";
import { runFrontendCase } from "../test/conformance/harness/frontend-case.ts";
import { openPacked } from "../test/conformance/harness/packed.ts";
import { runPiece } from "../test/conformance/harness/pieces.ts";

const args = process.argv.slice(2);
const folder = args[0] !== undefined && isFolder(args[0]) ? args.shift() : undefined;
const vectors = folder === undefined ? openPacked() : openFolder(folder);
const parts = [...(vectors.caches === undefined ? [] : ["cache"]), ...(vectors.bakes === undefined ? [] : ["bake"])];
const known = Array.from(new Set([...vectors.areas.keys(), ...vectors.pieces.keys(), ...parts]));
const wanted = args.length === 0 ? known : args;
let passed = 0;
let failed = 0;

for (const name of wanted) {
  const before = { passed, failed };
  const area = vectors.areas.get(name);
  const piece = vectors.pieces.get(name);
  for (const one of area?.() ?? []) {
    count(`${name}/${one.name}`, await attempt(() => runFrontendCase(one, vectors.images)));
  }
  for (const one of piece?.() ?? []) count(`${name}/${one.id}`, await attempt(() => runPiece(name, one)));
  if (name === "cache" && vectors.caches !== undefined) await runCaches(await vectors.caches());
  else if (name === "bake" && vectors.bakes !== undefined) {
    for (const one of vectors.bakes()) count(`bake/${one.area}/${one.name}`, await attempt(() => runBakeCase(one)));
  } else if (area === undefined && piece === undefined) {
    console.log(`unknown area ${name}; known: ${known.join(", ")}`);
    failed++;
  }
  const ran = passed + failed - before.passed - before.failed;
  if (ran > 0) console.log(`${name}: ${passed - before.passed} of ${ran}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

async function runCaches(caches: CacheVectors): Promise<void> {
  await using bench = await CacheBench.open(caches);
  for (const one of caches.cases) count(`cache/${one.name}`, await attempt(() => runCacheCase(bench, one)));
}

function count(name: string, difference: string): void {
  if (difference === "") passed++;
  else {
    failed++;
    console.log(`FAIL ${name}: ${difference}`);
  }
}

async function attempt(run: () => string | Promise<string>): Promise<string> {
  try {
    return await run();
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
