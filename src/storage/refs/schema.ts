// Tables of layers, refs, their users and cache mounts.
// A layer is a set of changes: a directory here, a blob here or elsewhere, or both. A ref is a list of layers, bottom first.

/** SQL that makes the tables; part of the store's first migration. */
export const refsSchema = `
CREATE TABLE layers (
  id TEXT PRIMARY KEY,
  diff_id TEXT,
  unpacked INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  created_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE layer_blobs (
  layer TEXT NOT NULL,
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  annotations TEXT NOT NULL,
  remote TEXT,
  PRIMARY KEY (layer, digest)
) WITHOUT ROWID;
CREATE INDEX layer_blobs_digest ON layer_blobs (digest);
CREATE TABLE refs (
  id TEXT PRIMARY KEY,
  parent TEXT,
  type TEXT NOT NULL,
  description TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  used_ms INTEGER NOT NULL,
  uses INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX refs_parent ON refs (parent);
CREATE TABLE ref_layers (
  ref TEXT NOT NULL,
  position INTEGER NOT NULL,
  layer TEXT NOT NULL,
  PRIMARY KEY (ref, position)
) WITHOUT ROWID;
CREATE INDEX ref_layers_layer ON ref_layers (layer);
CREATE TABLE ref_leases (
  ref TEXT NOT NULL,
  holder TEXT NOT NULL,
  PRIMARY KEY (ref, holder)
) WITHOUT ROWID;
CREATE INDEX ref_leases_holder ON ref_leases (holder);
CREATE TABLE cache_mounts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  dir TEXT NOT NULL,
  description TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  used_ms INTEGER NOT NULL,
  uses INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX cache_mounts_name ON cache_mounts (name);
`;

/**
 * A later migration: a ref's whole list is one row, and `ref_layers` says only which layers a ref has and its parent has not. A hundred steps on one
 * another are then a hundred rows, not five thousand.
 */
export const refListsSchema = `
CREATE TABLE ref_lists (
  ref TEXT PRIMARY KEY,
  layers TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO ref_lists (ref, layers)
  SELECT ref, group_concat(layer, char(10)) FROM (SELECT ref, layer FROM ref_layers ORDER BY ref, position) GROUP BY ref;
`;

/** A later migration: bare repositories of git remotes, kept as cache mounts are. */
export const gitRepositoriesSchema = `
CREATE TABLE git_repositories (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  dir TEXT NOT NULL,
  description TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  used_ms INTEGER NOT NULL,
  uses INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX git_repositories_name ON git_repositories (name);
`;

/** A later migration: folders that clients of a daemon sent, kept as cache mounts are. */
export const sentFoldersSchema = gitRepositoriesSchema.replaceAll("git_repositories", "sent_folders");
