// Caches that stock BuildKit exported: imported into an empty store, a build of the same context takes every step from them, and its
// files are those of the image that BuildKit built. A layout's blobs are kept by digest, once for all cases.

import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { digestOf, messageOf, textOf } from "../../../src/base/index.ts";
import { MemoryRegistry } from "../../../src/distribution/index.ts";
import { Engine } from "../../../src/engine/index.ts";
import type { SessionPort } from "../../../src/engine/index.ts";
import { decompress, detectCompression, TarReader } from "../../../src/formats/archive/index.ts";
import { control } from "../../../src/formats/proto/index.ts";

/** Base64 by path. */
type Files = Readonly<Record<string, string>>;

export interface CacheCase {
  readonly name: string;
  readonly context: Files;
  /** `index.json` of the cache's layout. */
  readonly cache: string;
  /** `index.json` of the layout of the image that BuildKit built. */
  readonly image: string;
  readonly expected: readonly { readonly step: string; readonly cached: boolean }[];
}

export interface CacheVectors {
  /** `index.json` of the base image's layout. */
  readonly base: string;
  /** Every blob of every layout, base64 by digest. */
  readonly blobs: Files;
  readonly cases: readonly CacheCase[];
}

/** Reads a folder laid out as the vectors are. */
export async function openCacheFolder(folder: string): Promise<CacheVectors> {
  const blobs: Record<string, string> = {};
  const keep = (digest: string, bytes: Buffer) => (blobs[`sha256:${digest}`] = bytes.toString("base64"));
  const layout = (dir: string): string => {
    for (const name of readdirSync(join(dir, "blobs/sha256")))
      keep(name, readFileSync(join(dir, "blobs/sha256", name)));
    return readFileSync(join(dir, "index.json"), "utf8");
  };
  const cases: CacheCase[] = [];
  for (const name of readdirSync(folder).sort()) {
    const dir = join(folder, name);
    if (!existsSync(join(dir, "cache/index.json"))) continue;
    let image = "";
    for (const [path, bytes] of await readTar(readFileSync(join(dir, "image.tar")))) {
      if (path === "index.json") image = bytes.toString("utf8");
      if (path.startsWith("blobs/sha256/")) keep(path.slice("blobs/sha256/".length), bytes);
    }
    cases.push({
      name,
      context: contextFiles(join(dir, "context")),
      cache: layout(join(dir, "cache")),
      image,
      expected: JSON.parse(readFileSync(join(dir, "expected.json"), "utf8")) as CacheCase["expected"],
    });
  }
  return { base: layout(join(folder, "base")), blobs, cases };
}

/** The packed copy. */
export function openPackedCaches(): CacheVectors {
  const packed = readFileSync(new URL("../vectors/cache.json.gz", import.meta.url));
  return JSON.parse(gunzipSync(packed).toString("utf8")) as CacheVectors;
}

/** A base image to build on and a place for files, for as long as it is not disposed. */
export class CacheBench implements AsyncDisposable {
  readonly vectors: CacheVectors;
  readonly home = mkdtempSync(join(tmpdir(), "slipway-cache-cases-"));
  readonly registry: MemoryRegistry;

  private constructor(vectors: CacheVectors, registry: MemoryRegistry) {
    this.vectors = vectors;
    this.registry = registry;
  }

  static async open(vectors: CacheVectors): Promise<CacheBench> {
    const registry = await MemoryRegistry.start();
    const index = JSON.parse(vectors.base) as { manifests: { digest: string }[] };
    const root = index.manifests[0]!.digest;
    const manifest = Buffer.from(vectors.blobs[root]!, "base64");
    for (const digest of digestsIn(manifest)) {
      const bytes = vectors.blobs[digest];
      if (bytes !== undefined) registry.putBlob("busybox", Buffer.from(bytes, "base64"));
    }
    registry.putManifest("busybox", manifest, "1.35");
    return new CacheBench(vectors, registry);
  }

  /** Writes a case's context; returns its folder. */
  context({ name, context }: CacheCase): string {
    const dir = join(this.home, `${name}.context`);
    for (const [path, data] of Object.entries(context)) write(join(dir, path), Buffer.from(data, "base64"));
    return dir;
  }

  /** Writes a layout and all its blobs; returns its folder. */
  layout(name: string, index: string): string {
    const dir = join(this.home, name);
    write(join(dir, "index.json"), Buffer.from(index));
    write(join(dir, "oci-layout"), Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
    const pending = digestsIn(Buffer.from(index));
    const seen = new Set<string>();
    for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
      if (seen.has(digest) || this.vectors.blobs[digest] === undefined) continue;
      seen.add(digest);
      const bytes = Buffer.from(this.vectors.blobs[digest]!, "base64");
      write(join(dir, "blobs/sha256", digest.slice(7)), bytes);
      if (bytes[0] === 0x7b) pending.push(...digestsIn(bytes));
    }
    return dir;
  }

  /** Builds a context with the base image; resolves with what each step came to, by name. */
  async build(
    engine: Engine,
    contextDir: string,
    options: {
      readonly importDir?: string;
      readonly exportDir?: string;
      readonly outputDir?: string;
      readonly cache?: {
        Imports?: { Type: string; Attrs: Record<string, string> }[];
        Exports?: { Type: string; Attrs: Record<string, string> }[];
      };
      readonly args?: Readonly<Record<string, string>>;
      readonly secret?: string;
      readonly secretIsInput?: boolean;
    } = {},
  ): Promise<BuiltSteps> {
    const steps = new Map<string, StepState>();
    const warnings: string[] = [];
    const { importDir, exportDir, outputDir } = options;
    const request = create(control.SolveRequestSchema, {
      Ref: `test-${contextDir.length}-${steps.size}`,
      Frontend: "dockerfile.v0",
      FrontendAttrs: { "build-arg:BASE": `${this.registry.host}/busybox:1.35`, ...options.args },
      Exporters: outputDir === undefined ? [] : [{ Type: "oci", Attrs: { tar: "false" } }],
      Cache: {
        Imports: [
          ...(importDir === undefined ? [] : [{ Type: "local", Attrs: { src: importDir } }]),
          ...(options.cache?.Imports ?? []),
        ],
        Exports: [
          ...(exportDir === undefined ? [] : [{ Type: "local", Attrs: { dest: exportDir, mode: "max" } }]),
          ...(options.cache?.Exports ?? []),
        ],
      },
    });
    const session: SessionPort = {
      id: `session-${Math.random()}`,
      localDir: () => Promise.resolve({ path: contextDir }),
      ociStore: () => undefined,
      secret: () => Promise.resolve(Buffer.from(options.secret ?? "s3cret")),
      secretIsInput: () => options.secretIsInput === true,
      sshAgent: () => Promise.resolve(undefined),
      output: () => (outputDir === undefined ? undefined : { kind: "directory", path: outputDir }),
    };
    let failure: unknown;
    let logs = "";
    try {
      await engine.solve(request, session, {
        onStatus: ({ vertexes, warnings: said, logs: lines }) => {
          for (const { msg } of lines) logs += Buffer.from(msg).toString();
          for (const { name, cached, completed, error } of vertexes) {
            if (completed !== undefined) steps.set(name, error !== "" ? "failed" : cached ? "cached" : "done");
          }
          for (const { short } of said) warnings.push(Buffer.from(short).toString());
        },
        signal: new AbortController().signal,
      });
    } catch (error) {
      failure = error;
    }
    return { steps, warnings, logs, failure };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    rmSync(this.home, { recursive: true, force: true });
  }
}

export type StepState = "cached" | "done" | "failed";

export interface BuiltSteps {
  readonly steps: ReadonlyMap<string, StepState>;
  readonly warnings: readonly string[];
  /** Output of all steps. */
  readonly logs: string;
  readonly failure: unknown;
}

/** The steps of a Dockerfile by what they do, without their place in it: those that run something or copy. */
export function workSteps(steps: ReadonlyMap<string, StepState>): Record<string, StepState> {
  const found = [...steps].filter(([name]) => /^\[[^\]]*\d+\/\d+\] /.test(name) && !name.includes("] FROM "));
  return Object.fromEntries(found.map(([name, state]) => [withoutPlace(name), state]));
}

/** Replays a case; resolves with the first difference, or an empty text. */
export async function runCacheCase(bench: CacheBench, one: CacheCase): Promise<string> {
  const importDir = bench.layout(`${one.name}.cache`, one.cache);
  const outputDir = join(bench.home, `${one.name}.output`);
  await using engine = await Engine.open({ root: join(bench.home, `${one.name}.state`) });
  const { steps, warnings, failure } = await bench.build(engine, bench.context(one), { importDir, outputDir });
  if (failure !== undefined) return `the build failed: ${messageOf(failure)}`;
  if (warnings.length > 0) return `warned: ${warnings.join("; ")}`;
  const found = workSteps(steps);
  for (const { step, cached } of one.expected) {
    if (cached && found[withoutPlace(step)] !== "cached")
      return `${step} is ${found[withoutPlace(step)] ?? "not there"}, not cached`;
  }
  const executed = Object.entries(found).filter(([, state]) => state !== "cached");
  if (executed.length > 0) return `executed: ${executed.map(([name]) => name).join(", ")}`;
  const built = await treeOf(readFileSync(join(outputDir, "index.json"), "utf8"), (digest) =>
    readFileSync(join(outputDir, "blobs/sha256", digest.slice(7))),
  );
  const wanted = await treeOf(one.image, (digest) => Buffer.from(bench.vectors.blobs[digest]!, "base64"));
  return firstDifference(wanted, built);
}

/** What an image's layers come to, a text for each path. */
export async function treeOf(index: string, read: (digest: string) => Buffer): Promise<Map<string, string>> {
  let part = JSON.parse(index) as { manifests?: { digest: string }[]; layers?: { digest: string }[] };
  while (part.manifests !== undefined) part = JSON.parse(read(part.manifests[0]!.digest).toString()) as typeof part;
  const tree = new Map<string, string>();
  const removeBelow = (path: string) => {
    for (const key of tree.keys()) if (key.startsWith(`${path}/`)) tree.delete(key);
  };
  for (const { digest } of part.layers ?? []) {
    const added = new Map<string, string>();
    for (const [path, bytes, facts] of await readTar(read(digest))) {
      const clean = path.replace(/^\.?\/+/, "");
      const base = clean.slice(clean.lastIndexOf("/") + 1);
      const dir = clean.slice(0, -base.length);
      if (base === ".wh..wh..opq") removeBelow(dir.slice(0, -1));
      else if (base.startsWith(".wh.")) {
        tree.delete(dir + base.slice(4));
        removeBelow(dir + base.slice(4));
      } else added.set(clean, `${facts} ${facts.startsWith("file") ? digestOf(bytes) : ""}`);
    }
    for (const [path, text] of added) tree.set(path, text);
  }
  return tree;
}

function firstDifference(wanted: ReadonlyMap<string, string>, built: ReadonlyMap<string, string>): string {
  if (wanted.size === 0) return "the expected image is empty";
  for (const path of new Set([...wanted.keys(), ...built.keys()])) {
    if (wanted.get(path) !== built.get(path))
      return `${path} is ${built.get(path) ?? "not there"}, not ${wanted.get(path) ?? "there"}`;
  }
  return "";
}

async function readTar(bytes: Buffer): Promise<[path: string, bytes: Buffer, facts: string][]> {
  const entries: [string, Buffer, string][] = [];
  let chunks: Buffer[] = [];
  const reader = new TarReader({
    entry: ({ path, type, mode, uid, gid, linkname }) => {
      chunks = [];
      entries.push([textOf(path), Buffer.alloc(0), `${type} ${mode.toString(8)} ${uid}:${gid} ${textOf(linkname)}`]);
    },
    data: (chunk) => void chunks.push(Buffer.from(chunk)),
    end: () => void (entries.at(-1)![1] = Buffer.concat(chunks)),
  });
  const kind = detectCompression(bytes);
  if (kind === "bzip2" || kind === "xz") throw new Error(`a layer in ${kind}`);
  for await (const chunk of decompress(Readable.from([bytes]), kind)) reader.push(chunk);
  reader.finish();
  return entries;
}

function contextFiles(dir: string): Files {
  const names = globSync("**/*", { cwd: dir }).concat(globSync("**/.*", { cwd: dir }));
  const found = [...new Set(names)].filter((name) => statSync(join(dir, name)).isFile()).sort();
  return Object.fromEntries(found.map((name) => [name, readFileSync(join(dir, name)).toString("base64")]));
}

function write(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, bytes, { mode: 0o644 });
}

function digestsIn(json: Buffer): string[] {
  return [...json.toString("utf8").matchAll(/sha256:[0-9a-f]{64}/g)].map(([digest]) => digest);
}

function withoutPlace(step: string): string {
  return step.replace(/^\[([^\]]*?)\s*\d+\/\d+\] /, "[$1] ");
}
