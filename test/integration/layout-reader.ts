// Reads OCI layouts in folders for tests, with nothing of what wrote them but the tar reader.

import assert from "node:assert/strict";
import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { textOf } from "../../src/base/index.ts";
import { type TarEntry, TarReader } from "../../src/formats/archive/index.ts";

export interface Descriptor {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export class LayoutReader {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** What index.json lists. */
  get roots(): readonly Descriptor[] {
    return (JSON.parse(readFileSync(join(this.dir, "index.json"), "utf8")) as Manifest).manifests!;
  }

  /** The only image, under however many names. */
  get root(): Descriptor {
    assert.equal(new Set(this.roots.map(({ digest }) => digest)).size, 1);
    return this.roots[0]!;
  }

  text(digest: string): string {
    return readFileSync(join(this.dir, "blobs", digest.replace(":", "/")), "utf8");
  }

  json<T>(digest: string): T {
    return JSON.parse(this.text(digest)) as T;
  }

  manifest(digest: string = this.root.digest): Manifest {
    return this.json<Manifest>(digest);
  }

  /** One line an entry of a layer: path, type, mode, owner, seconds, size. */
  async entries(layer: Descriptor): Promise<string[]> {
    const found: string[] = [];
    const reader = new TarReader({
      entry: (entry) => void found.push(line(entry)),
      data: () => undefined,
      end: () => undefined,
    });
    const file = createReadStream(join(this.dir, "blobs", layer.digest.replace(":", "/")));
    const source = layer.mediaType.endsWith("gzip") ? file.pipe(createGunzip()) : file;
    for await (const chunk of source) reader.push(chunk as Buffer);
    reader.finish();
    return found.toSorted();
  }
}

function line({ path, type, mode, uid, gid, mtimeNs, size }: TarEntry): string {
  return `${textOf(path).replace(/^\.?\//, "")} ${type} ${mode.toString(8)} ${uid}:${gid} ${mtimeNs / 1_000_000_000n} ${size}`;
}
