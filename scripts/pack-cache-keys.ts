// Packs what test/integration/cache-keys.test.ts needs of a folder of cache vectors: contexts, the records of the caches that stock
// BuildKit exported for them, and the base image. Usage: node scripts/pack-cache-keys.ts DIR

import { globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const [from] = process.argv.slice(2);
if (from === undefined) throw new Error("usage: node scripts/pack-cache-keys.ts DIR");

function files(dir: string): Record<string, string> {
  const names = globSync("**/*", { cwd: dir, exclude: (name) => name === ".git" }).concat(
    globSync("**/.*", { cwd: dir }),
  );
  const found = names.filter((name) => statSync(join(dir, name)).isFile()).sort();
  return Object.fromEntries(found.map((name) => [name, readFileSync(join(dir, name)).toString("base64")]));
}

function blob(dir: string, digest: string): Buffer {
  return readFileSync(join(dir, "blobs/sha256", digest.slice("sha256:".length)));
}

function records(dir: string): unknown {
  const index = JSON.parse(readFileSync(join(dir, "index.json"), "utf8")) as { manifests: { digest: string }[] };
  const manifest = JSON.parse(blob(dir, index.manifests[0]!.digest).toString()) as Record<
    string,
    { mediaType: string; digest: string }[]
  >;
  const parts = [manifest["config"], manifest["manifests"], manifest["layers"]]
    .flat()
    .filter((part) => part !== undefined);
  const config = parts.find((part) => part.mediaType.includes("cacheconfig"))!;
  const { records: list } = JSON.parse(blob(dir, config.digest).toString()) as {
    records: { digest: string; inputs?: unknown }[];
  };
  return list.map(({ digest, inputs }) => ({ digest, inputs }));
}

const cases = globSync("*/cache/index.json", { cwd: from })
  .map((path) => path.split("/")[0]!)
  .sort()
  .map((name) => ({ name, context: files(join(from, name, "context")), records: records(join(from, name, "cache")) }));
const packed = gzipSync(JSON.stringify({ base: files(join(from, "base")), cases }), { level: 9 });
writeFileSync(join(import.meta.dirname, "../test/integration/fixtures/cache-keys.json.gz"), packed);
console.log(`${cases.length} cases, ${packed.length} bytes`);
