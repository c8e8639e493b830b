// Packs conformance vectors for the repository: `node scripts/pack-vectors.ts DIR`. Rerun when the vectors change.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { openFolder } from "../test/conformance/harness/case.ts";
import type { FrontendCase, Json } from "../test/conformance/harness/case.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node scripts/pack-vectors.ts DIR");
const target = new URL("../test/conformance/vectors/", import.meta.url);
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const vectors = openFolder(folder);
write("images", vectors.images);
if (vectors.caches !== undefined) write("cache", await vectors.caches());
if (vectors.bakes !== undefined) write("bake", vectors.bakes());
for (const [area, cases] of vectors.areas) write(`area-${area}`, cases().map(pack));
// Content hashes are packed beside the code that makes them.
for (const [piece, cases] of vectors.pieces) if (piece !== "contenthash") write(`piece-${piece}`, cases());

function pack(one: FrontendCase): unknown {
  const files = Array.from(one.files, ([name, data]) => [name, Buffer.from(data).toString("base64")] as const);
  return { ...one, files: Object.fromEntries(files), expected: withoutRaw(one.expected) };
}

function withoutRaw(value: Json | { readonly [key: string]: Json }): unknown {
  if (Array.isArray(value)) return value.map(withoutRaw);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "raw")
      .map(([key, member]) => [key, withoutRaw(member)]),
  );
}

function write(name: string, value: unknown): void {
  writeFileSync(new URL(`${name}.json.gz`, target), gzipSync(JSON.stringify(value), { level: 9 }));
}
