// A cache folder that is damaged between builds: bits flip, blobs vanish, files are cut short. No build fails, and every result is that
// of a build without a cache. SLIPWAY_FAULT_ROUNDS says how many builds; SLIPWAY_FAULT_SEED which faults.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Engine } from "../../src/engine/index.ts";
import { CacheBench, openPackedCaches, treeOf } from "../conformance/harness/cache-case.ts";

const rounds = Number(process.env["SLIPWAY_FAULT_ROUNDS"] ?? 50);
const seed = Number(process.env["SLIPWAY_FAULT_SEED"] ?? 42);

test(`flipped, cut and deleted blobs: of ${rounds} builds none fails, every result is right`, async () => {
  await using bench = await CacheBench.open(openPackedCaches());
  const folder = (name: string) => mkdtempSync(join(bench.home, `${name}-`));
  const exportDir = join(folder("faults"), "cache");
  const random = seeded(seed);
  const dockerfile = [
    "ARG BASE=scratch",
    "FROM $BASE AS one",
    "COPY a.txt /a",
    "RUN cat /a /a > /b",
    "FROM $BASE",
    "COPY --from=one /b /b",
    "RUN wc -c < /b > /c && cat /b /c > /d",
  ].join("\n");
  const texts = ["alpha", "beta"];
  const dirs = texts.map((text) => {
    const dir = folder("context");
    writeFileSync(join(dir, "Dockerfile"), dockerfile);
    writeFileSync(join(dir, "a.txt"), text);
    return dir;
  });
  const wanted: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const which = random(2);
    const outputDir = folder("out");
    const root = folder("state");
    await using engine = await Engine.open({ root });
    const { failure } = await bench.build(engine, dirs[which]!, { importDir: exportDir, exportDir, outputDir });
    assert.equal(failure, undefined, `round ${round}`);
    const tree = await treeOf(readFileSync(join(outputDir, "index.json"), "utf8"), (digest) =>
      readFileSync(join(outputDir, "blobs/sha256", digest.slice(7))),
    );
    const found = JSON.stringify(["a", "b", "c", "d"].map((name) => tree.get(name)));
    wanted[which] ??= found;
    assert.equal(found, wanted[which], `round ${round}`);
    for (const dir of [outputDir, root]) rmSync(dir, { recursive: true, force: true });
    damage(exportDir, random);
  }
});

function damage(dir: string, random: (below: number) => number): void {
  const files = filesOf(dir);
  for (let hits = random(3); hits > 0; hits--) {
    const path = join(dir, files[random(files.length)]!);
    if (!existsSync(path)) continue;
    const { size } = statSync(path);
    switch (random(3)) {
      case 0:
        rmSync(path);
        break;
      case 1:
        truncateSync(path, random(size + 1));
        break;
      default: {
        const bytes = readFileSync(path);
        if (size > 0) bytes[random(size)]! ^= 1 << random(8);
        rmSync(path);
        writeFileSync(path, bytes);
      }
    }
  }
}

function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(dir, path)).isFile())
    .sort();
}
