// The packed copy of the vectors: one gzip file of JSON for each area and piece, made by scripts/pack-vectors.ts. The exact op
// bytes are left out, since an op's digest says as much.

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { BakeCase } from "./bake-case.ts";
import { openPackedCaches } from "./cache-case.ts";
import type { FrontendCase, Json, PieceCase, Vectors } from "./case.ts";

/** A case as it is packed: files as base64. */
export type PackedCase = Omit<FrontendCase, "files"> & { readonly files: Readonly<Record<string, string>> };

const ROOT = new URL("../vectors/", import.meta.url);

/** Opens the packed copy. */
export function openPacked(): Vectors {
  const names = readdirSync(ROOT).filter((name) => name.endsWith(".json.gz"));
  const areas = new Map<string, () => readonly FrontendCase[]>();
  const pieces = new Map<string, () => readonly PieceCase[]>();
  for (const name of names.sort()) {
    const [kind, rest] = name.replace(/\.json\.gz$/, "").split(/-(.*)/s) as [string, string];
    if (kind === "area") areas.set(rest, () => read<PackedCase[]>(name).map(unpack));
    if (kind === "piece") pieces.set(rest, () => read<PieceCase[]>(name));
  }
  return {
    images: read<{ [ref: string]: Json }>("images.json.gz"),
    areas,
    pieces,
    caches: () => Promise.resolve(openPackedCaches()),
    bakes: () => read<BakeCase[]>("bake.json.gz"),
  };
}

function read<T>(name: string): T {
  return JSON.parse(gunzipSync(readFileSync(new URL(name, ROOT))).toString("utf8")) as T;
}

function unpack({ files, ...one }: PackedCase): FrontendCase {
  const entries = Object.entries(files).map(
    ([name, base64]) => [name, new Uint8Array(Buffer.from(base64, "base64"))] as const,
  );
  return { ...one, files: new Map(entries) };
}
