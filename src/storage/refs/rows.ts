// The rows behind refs and layers: every statement of this room, typed. Nothing here touches files.

import { digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { Database } from "../../system/database/index.ts";

export type LayerId = string;

/** A layer as the database knows it. */
export interface LayerRow {
  readonly id: LayerId;
  /** Digest of the uncompressed tar; undefined until somebody needed it. */
  readonly diffId: Digest | undefined;
  /** Whether its directory exists. */
  readonly unpacked: boolean;
  readonly sizeBytes: number;
  readonly createdMs: number;
}

/** One blob form of a layer. `remote` names where the bytes can be fetched from, where they can: places, one a line. */
export interface LayerBlob {
  readonly descriptor: Descriptor;
  readonly remote: string | undefined;
}

/** What `du` calls the kind of a record. */
export type RefType = "regular" | "internal" | "frontend" | "source.local" | "source.git.checkout" | "exec.cachemount";

export interface RefRow {
  readonly id: string;
  readonly parent: string | undefined;
  readonly type: RefType;
  readonly description: string;
  readonly createdMs: number;
  readonly usedMs: number;
  readonly uses: number;
  readonly layers: readonly LayerId[];
}

/** Id of the ref that is this list of layers; the same list has the same id. */
export function refIdOf(layers: readonly LayerId[]): string {
  return digestOf(layers.join("\n")).slice("sha256:".length, "sha256:".length + 25);
}

/** Typed statements over the tables of `refsSchema` and `refListsSchema`. */
export class RefRows {
  readonly db: Database;
  readonly #s: ReturnType<typeof prepareAll>;

  constructor(db: Database) {
    this.db = db;
    this.#s = prepareAll(db);
  }

  layer(id: LayerId): LayerRow | undefined {
    const row = this.#s.layer.get(id);
    if (row === undefined) return undefined;
    return {
      id,
      diffId: (row.diff_id ?? undefined) as Digest | undefined,
      unpacked: row.unpacked === 1,
      sizeBytes: row.size_bytes,
      createdMs: row.created_ms,
    };
  }

  /** Keeps the row that exists. */
  addLayer(layer: LayerRow): void {
    this.#s.addLayer.run(layer.id, layer.diffId ?? null, layer.unpacked ? 1 : 0, layer.sizeBytes, layer.createdMs);
  }

  setUnpacked(id: LayerId, sizeBytes: number): void {
    this.#s.setUnpacked.run(sizeBytes, id);
  }

  setDiffId(id: LayerId, diffId: Digest): void {
    this.#s.setDiffId.run(diffId, id);
  }

  blobs(layer: LayerId): LayerBlob[] {
    return this.#s.blobs.all(layer).map((row) => ({
      descriptor: {
        mediaType: row.media_type,
        digest: row.digest as Digest,
        size: row.size_bytes,
        ...annotationsOf(row.annotations),
      },
      remote: row.remote ?? undefined,
    }));
  }

  /** Adds a form, or a place to the form there is; the newest place comes first. */
  addBlob(layer: LayerId, blob: LayerBlob): void {
    const { descriptor } = blob;
    const annotations = JSON.stringify(descriptor.annotations ?? {});
    this.#s.addBlob.run(
      layer,
      descriptor.digest,
      descriptor.mediaType,
      descriptor.size,
      annotations,
      blob.remote ?? null,
    );
  }

  removeBlob(layer: LayerId, digest: Digest): void {
    this.#s.removeBlob.run(layer, digest);
  }

  ref(id: string): RefRow | undefined {
    const row = this.#s.ref.get(id);
    return row === undefined ? undefined : this.#refOf(row);
  }

  refs(): RefRow[] {
    return this.#s.refs.all().map((row) => this.#refOf(row));
  }

  /** Makes the ref of a list of layers, or touches the one there is. */
  addRef(ref: Omit<RefRow, "id" | "createdMs" | "usedMs" | "uses">, nowMs: number): string {
    const id = refIdOf(ref.layers);
    this.db.transaction(() => {
      const inserted = this.#s.addRef.run(id, ref.parent ?? null, ref.type, ref.description, nowMs, nowMs);
      if (Number(inserted.changes) === 0) return;
      this.#s.addList.run(id, ref.layers.join("\n"));
      const base = new Set(ref.parent === undefined ? [] : this.ref(ref.parent)?.layers);
      for (const [position, layer] of ref.layers.entries())
        if (!base.has(layer)) this.#s.addRefLayer.run(id, position, layer);
    });
    return id;
  }

  touch(id: string, nowMs: number): void {
    this.#s.touch.run(nowMs, id);
  }

  hasRef(id: string): boolean {
    return this.#s.hasRef.get(id) !== undefined;
  }

  lease(ref: string, holder: string): void {
    this.#s.lease.run(ref, holder);
  }

  unlease(ref: string, holder: string): void {
    this.#s.unlease.run(ref, holder);
  }

  /** Drops every lease of a holder. */
  unleaseAll(holder: string): void {
    this.#s.unleaseAll.run(holder);
  }

  holders(): string[] {
    return this.#s.holders.all().map((row) => row.holder);
  }

  leasedRefs(): Set<string> {
    return new Set(this.#s.leased.all().map((row) => row.ref));
  }

  /**
   * Removes refs that no other stands on and nobody leases, and the rows of layers that no ref lists then. Returns the ids of both: the caller removes the
   * layers' files.
   */
  removeRefs(ids: readonly string[]): { refs: Set<string>; layers: LayerId[] } {
    return this.db.transaction(() => {
      const leased = this.leasedRefs();
      const refs = new Set<string>();
      const listed = new Set<LayerId>();
      for (const id of ids) {
        // A child's rows say only what it has beyond its parent.
        if (leased.has(id) || this.#s.hasChild.get(id) !== undefined) continue;
        for (const { layer } of this.#s.refLayers.all(id)) listed.add(layer);
        this.#removeRef(id);
        refs.add(id);
      }
      const layers = [...listed].filter((layer) => this.#s.isListed.get(layer) === undefined);
      for (const layer of layers) this.#removeLayer(layer);
      return { refs, layers };
    });
  }

  /** Removes rows of layers that no ref lists; returns their ids. Looks at every layer. */
  removeUnusedLayers(): LayerId[] {
    return this.db.transaction(() => {
      const ids = this.#s.unusedLayers.all().map((row) => row.id);
      for (const id of ids) this.#removeLayer(id);
      return ids;
    });
  }

  /** Forgets a layer whose directory is gone, every ref that lists it, and those that stand on one that does. */
  removeBrokenLayer(id: LayerId): void {
    this.db.transaction(() => {
      for (const { ref } of this.#s.refsOfLayer.all(id)) this.#removeRef(ref);
      this.#removeLayer(id);
    });
  }

  layerIds(): Set<LayerId> {
    return new Set(this.#s.layerIds.all().map((row) => row.id));
  }

  blobDigests(): Set<string> {
    return new Set(this.#s.blobDigests.all().map((row) => row.digest));
  }

  #removeRef(id: string): void {
    this.#s.removeRefLayers.run(id);
    this.#s.removeList.run(id);
    this.#s.removeRef.run(id);
  }

  #removeLayer(id: LayerId): void {
    this.#s.removeLayerBlobs.run(id);
    this.#s.removeLayer.run(id);
  }

  #refOf(row: RefRecord): RefRow {
    const list = row.layers ?? "";
    return {
      id: row.id,
      parent: row.parent ?? undefined,
      type: row.type as RefType,
      description: row.description,
      createdMs: row.created_ms,
      usedMs: row.used_ms,
      uses: row.uses,
      layers: list === "" ? [] : list.split("\n"),
    };
  }
}

interface RefRecord extends Record<string, unknown> {
  id: string;
  parent: string | null;
  type: string;
  description: string;
  created_ms: number;
  used_ms: number;
  uses: number;
  layers: string | null;
}

function annotationsOf(text: string): { annotations?: Record<string, string> } {
  const annotations = JSON.parse(text) as Record<string, string>;
  return Object.keys(annotations).length === 0 ? {} : { annotations };
}

function prepareAll(db: Database) {
  return {
    layer: db.prepare<{ diff_id: string | null; unpacked: number; size_bytes: number; created_ms: number }>(
      "SELECT diff_id, unpacked, size_bytes, created_ms FROM layers WHERE id = ?",
    ),
    addLayer: db.prepare(
      "INSERT OR IGNORE INTO layers (id, diff_id, unpacked, size_bytes, created_ms) VALUES (?, ?, ?, ?, ?)",
    ),
    setUnpacked: db.prepare("UPDATE layers SET unpacked = 1, size_bytes = ? WHERE id = ?"),
    setDiffId: db.prepare("UPDATE layers SET diff_id = ? WHERE id = ?"),
    blobs: db.prepare<{
      digest: string;
      media_type: string;
      size_bytes: number;
      annotations: string;
      remote: string | null;
    }>("SELECT digest, media_type, size_bytes, annotations, remote FROM layer_blobs WHERE layer = ?"),
    addBlob: db.prepare(
      `INSERT INTO layer_blobs (layer, digest, media_type, size_bytes, annotations, remote) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (layer, digest) DO UPDATE SET remote = CASE
         WHEN excluded.remote IS NULL THEN remote
         WHEN remote IS NULL OR length(remote) > 4000 THEN excluded.remote
         WHEN instr(char(10) || remote || char(10), char(10) || excluded.remote || char(10)) > 0 THEN remote
         ELSE excluded.remote || char(10) || remote END`,
    ),
    removeBlob: db.prepare("DELETE FROM layer_blobs WHERE layer = ? AND digest = ?"),
    ref: db.prepare<RefRecord>(
      "SELECT id, parent, type, description, created_ms, used_ms, uses, layers FROM refs LEFT JOIN ref_lists ON ref = id WHERE id = ?",
    ),
    refs: db.prepare<RefRecord>(
      "SELECT id, parent, type, description, created_ms, used_ms, uses, layers FROM refs LEFT JOIN ref_lists ON ref = id",
    ),
    hasRef: db.prepare("SELECT 1 FROM refs WHERE id = ?"),
    hasChild: db.prepare("SELECT 1 FROM refs WHERE parent = ? LIMIT 1"),
    addList: db.prepare("INSERT INTO ref_lists (ref, layers) VALUES (?, ?)"),
    removeList: db.prepare("DELETE FROM ref_lists WHERE ref = ?"),
    refLayers: db.prepare<{ layer: string }>("SELECT layer FROM ref_layers WHERE ref = ?"),
    addRef: db.prepare(
      "INSERT OR IGNORE INTO refs (id, parent, type, description, created_ms, used_ms, uses) VALUES (?, ?, ?, ?, ?, ?, 0)",
    ),
    addRefLayer: db.prepare("INSERT INTO ref_layers (ref, position, layer) VALUES (?, ?, ?)"),
    touch: db.prepare("UPDATE refs SET used_ms = ?, uses = uses + 1 WHERE id = ?"),
    lease: db.prepare("INSERT OR IGNORE INTO ref_leases (ref, holder) VALUES (?, ?)"),
    unlease: db.prepare("DELETE FROM ref_leases WHERE ref = ? AND holder = ?"),
    unleaseAll: db.prepare("DELETE FROM ref_leases WHERE holder = ?"),
    holders: db.prepare<{ holder: string }>("SELECT DISTINCT holder FROM ref_leases"),
    leased: db.prepare<{ ref: string }>("SELECT DISTINCT ref FROM ref_leases"),
    removeRef: db.prepare("DELETE FROM refs WHERE id = ?"),
    removeRefLayers: db.prepare("DELETE FROM ref_layers WHERE ref = ?"),
    unusedLayers: db.prepare<{ id: string }>(
      "SELECT id FROM layers WHERE NOT EXISTS (SELECT 1 FROM ref_layers WHERE layer = layers.id)",
    ),
    isListed: db.prepare("SELECT 1 FROM ref_layers WHERE layer = ? LIMIT 1"),
    removeLayer: db.prepare("DELETE FROM layers WHERE id = ?"),
    removeLayerBlobs: db.prepare("DELETE FROM layer_blobs WHERE layer = ?"),
    refsOfLayer: db.prepare<{ ref: string }>(
      `WITH RECURSIVE above (ref) AS (
         SELECT ref FROM ref_layers WHERE layer = ? UNION SELECT refs.id FROM refs JOIN above ON refs.parent = above.ref
       ) SELECT ref FROM above`,
    ),
    layerIds: db.prepare<{ id: string }>("SELECT id FROM layers"),
    blobDigests: db.prepare<{ digest: string }>("SELECT DISTINCT digest FROM layer_blobs"),
  };
}
