// A conformance case as data, wherever it was read from: a folder, or the packed copy of this repository.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { openBakeFolder } from "./bake-case.ts";
import type { BakeCase } from "./bake-case.ts";
import { openCacheFolder } from "./cache-case.ts";
import type { CacheVectors } from "./cache-case.ts";

export interface CaseOptions {
  readonly description: string;
  readonly frontendOpts: Readonly<Record<string, string>>;
  readonly sessionID: string;
  readonly workerPlatforms: readonly string[];
  readonly locals: Readonly<Record<string, string>>;
  readonly disabledLLBCaps?: readonly string[];
  readonly inputs?: Readonly<Record<string, string>>;
  readonly remoteFiles?: Readonly<Record<string, string>>;
  readonly sourceMetadata?: Readonly<Record<string, { gitCommitObject?: string; httpLastModified?: string }>>;
  readonly subrequests?: readonly string[];
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface FrontendCase {
  readonly area: string;
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly options: CaseOptions;
  readonly expected: { readonly [key: string]: Json };
  readonly parse: { readonly [key: string]: Json } | undefined;
}

export interface PieceCase {
  readonly id: string;
  readonly kind?: string;
  readonly input: Json;
  readonly expected: Json;
}

/** What a folder of vectors holds. */
export interface Vectors {
  readonly images: { readonly [ref: string]: Json };
  /** Areas by name, each loaded when asked for. */
  readonly areas: ReadonlyMap<string, () => readonly FrontendCase[]>;
  readonly pieces: ReadonlyMap<string, () => readonly PieceCase[]>;
  /** Caches of BuildKit, loaded when asked for. */
  readonly caches: (() => Promise<CacheVectors>) | undefined;
  /** Runs of bake, loaded when asked for. */
  readonly bakes: (() => readonly BakeCase[]) | undefined;
}

const META_FILES = new Set(["options.json", "expected.json", "parse.json"]);

/** Reads a folder laid out as the vectors are. */
export function openFolder(folder: string): Vectors {
  const root = join(folder, "dockerfile-llb");
  const areas = existsSync(root)
    ? readdirSync(root)
        .sort()
        .map((area) => [area, () => readArea(join(root, area), area)] as const)
    : [];
  const piecesRoot = join(folder, "pieces");
  const pieces = existsSync(piecesRoot)
    ? readdirSync(piecesRoot)
        .sort()
        .map((file) => [file.replace(/\.json$/, ""), () => readJson<PieceCase[]>(join(piecesRoot, file))] as const)
    : [];
  const images = join(folder, "images.json");
  return {
    images: existsSync(images) ? readJson(images) : {},
    areas: new Map(areas),
    pieces: new Map(pieces),
    caches: existsSync(join(folder, "cache")) ? () => openCacheFolder(join(folder, "cache")) : undefined,
    bakes: existsSync(join(folder, "bake")) ? () => openBakeFolder(join(folder, "bake")) : undefined,
  };
}

function readArea(root: string, area: string): FrontendCase[] {
  return readdirSync(root)
    .sort()
    .map((name) => readCase(join(root, name), area, name));
}

function readCase(root: string, area: string, name: string): FrontendCase {
  const files = new Map<string, Uint8Array>();
  for (const entry of readdirSync(root, { recursive: true, encoding: "utf8" })) {
    const path = join(root, entry);
    if (!META_FILES.has(entry) && statSync(path).isFile()) files.set(entry, readFileSync(path));
  }
  const parse = join(root, "parse.json");
  return {
    area,
    name,
    files,
    options: readJson(join(root, "options.json")),
    expected: readJson(join(root, "expected.json")),
    parse: existsSync(parse) ? readJson(parse) : undefined,
  };
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}
