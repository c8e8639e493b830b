// Images kept under a name. A row holds the refs that the layers are, so that prune leaves them, and names the small blobs
// (manifests, configs, index) in the content store; the layers' bytes need not be there, they can be made again.
// Counterpart: containerd core/images Store.

import type { Digest } from "../../base/index.ts";
import { referenceString, tagNameOnly, tryParseReference } from "../../formats/oci/index.ts";
import type { ContentStore } from "../../storage/content/index.ts";
import type { Database, Statement } from "../../system/database/index.ts";

/** SQL that makes the table; part of the store's first migration. */
export const imagesSchema = `
CREATE TABLE images (
  name TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  platforms TEXT NOT NULL,
  refs TEXT NOT NULL,
  blobs TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX images_digest ON images (digest);
`;

export interface KeptImage {
  /** Full: `docker.io/library/hello:latest`. */
  readonly name: string;
  /** Of the manifest, or of the index of several. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Sum of manifests, configs, index and layers, each blob once. */
  readonly sizeBytes: number;
  readonly createdMs: number;
  /** As text, in the image's order. */
  readonly platforms: readonly string[];
  /** Ids of the refs that its layers are. */
  readonly refs: readonly string[];
  /** Digests of its index, manifests and configs. */
  readonly blobs: readonly Digest[];
}

interface Row extends Record<string, unknown> {
  name: string;
  digest: string;
  media_type: string;
  size_bytes: number;
  created_ms: number;
  platforms: string;
  refs: string;
  blobs: string;
}

export class ImageStore {
  readonly #db: Database;
  readonly #content: ContentStore;
  readonly #now: () => number;
  readonly #s: Record<"get" | "list" | "byDigest" | "put" | "remove", Statement<Row>>;

  /** @param now milliseconds since 1970; defaults to the clock. */
  constructor(db: Database, content: ContentStore, now: () => number = Date.now) {
    this.#db = db;
    this.#content = content;
    this.#now = now;
    const columns = "name, digest, media_type, size_bytes, created_ms, platforms, refs, blobs";
    this.#s = {
      get: db.prepare(`SELECT ${columns} FROM images WHERE name = ?`),
      list: db.prepare(`SELECT ${columns} FROM images ORDER BY created_ms DESC, name`),
      byDigest: db.prepare(`SELECT ${columns} FROM images WHERE digest = ? ORDER BY name`),
      put: db.prepare(`INSERT OR REPLACE INTO images (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
      remove: db.prepare("DELETE FROM images WHERE name = ?"),
    };
  }

  /** Keeps an image under its name, in place of what had the name; `blobs` are the bytes of its index, manifests and configs. */
  put(
    image: Omit<KeptImage, "createdMs" | "blobs"> & { readonly createdMs?: number },
    blobs: readonly Uint8Array[],
  ): KeptImage {
    const digests = blobs.map((bytes) => this.#content.add(bytes));
    const kept: KeptImage = { ...image, createdMs: image.createdMs ?? this.#now(), blobs: digests };
    this.#s.put.run(
      kept.name,
      kept.digest,
      kept.mediaType,
      kept.sizeBytes,
      kept.createdMs,
      JSON.stringify(kept.platforms),
      JSON.stringify(kept.refs),
      JSON.stringify(kept.blobs),
    );
    // A prune may have taken what was there before the row named it.
    for (const bytes of blobs) this.#content.add(bytes);
    return kept;
  }

  /** The image of a name, as stored or as people write it. */
  get(name: string): KeptImage | undefined {
    const exact = this.#s.get.get(name);
    if (exact !== undefined) return imageOf(exact);
    const reference = tryParseReference(name);
    const row = reference === undefined ? undefined : this.#s.get.get(referenceString(tagNameOnly(reference)));
    return row === undefined ? undefined : imageOf(row);
  }

  /** Newest first. */
  list(): KeptImage[] {
    return this.#s.list.all().map(imageOf);
  }

  /** Every name of an image. */
  byDigest(digest: Digest): KeptImage[] {
    return this.#s.byDigest.all(digest).map(imageOf);
  }

  /** Forgets a name; what it held goes with the next prune. Answers with what was removed. */
  remove(name: string): KeptImage | undefined {
    return this.#db.transaction(() => {
      const image = this.get(name);
      if (image !== undefined) this.#s.remove.run(image.name);
      return image;
    });
  }

  /** Indexes, manifests and configs of kept images: roots of the content store's collection. */
  referencedDigests(): Set<Digest> {
    return new Set(this.list().flatMap(({ digest, blobs }) => [digest, ...blobs]));
  }

  /** Refs that kept images hold. */
  referencedRefs(): Set<string> {
    return new Set(this.list().flatMap(({ refs }) => refs));
  }
}

function imageOf(row: Row): KeptImage {
  return {
    name: row.name,
    digest: row.digest as Digest,
    mediaType: row.media_type,
    sizeBytes: row.size_bytes,
    createdMs: row.created_ms,
    platforms: JSON.parse(row.platforms) as string[],
    refs: JSON.parse(row.refs) as string[],
    blobs: JSON.parse(row.blobs) as Digest[],
  };
}
