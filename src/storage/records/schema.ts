// Tables of the cache's key graph: links are found from either end by an index; results hang on keys. Ids that are digests are their 32 bytes,
// others text (SQLite's types are the values'). A new record's digests are anywhere in an index, so that each costs a page of each index: rows are
// appended, and indexes hold the first bytes alone, which makes them small. That a link is there once is the statements' concern.

/** SQL that makes the tables; part of the store's first migration. */
export const recordsSchema = `
CREATE TABLE cache_links (
  source TEXT NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  digest TEXT NOT NULL,
  selector TEXT NOT NULL,
  target TEXT NOT NULL,
  PRIMARY KEY (source, digest, input, output, selector, target)
) WITHOUT ROWID;
CREATE INDEX cache_links_target ON cache_links (target);
CREATE TABLE cache_results (
  key TEXT NOT NULL,
  result TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (key, result)
) WITHOUT ROWID;
CREATE INDEX cache_results_result ON cache_results (result);
`;

/** A later migration: links name outputs by the digest that exchanged caches use. What was recorded before is built again. */
export const recordsByOutputSchema = `
DROP TABLE cache_links;
DELETE FROM cache_results;
CREATE TABLE cache_links (
  source TEXT NOT NULL,
  input INTEGER NOT NULL,
  digest TEXT NOT NULL,
  selector TEXT NOT NULL,
  target TEXT NOT NULL,
  PRIMARY KEY (source, digest, input, selector, target)
) WITHOUT ROWID;
CREATE INDEX cache_links_target ON cache_links (target);
`;

/** The SQL that turns an id into what tables hold of it. */
export const storedId = (text: string) => `CASE WHEN ${text} GLOB 'sha256:*' AND length(${text}) = 71
  THEN coalesce(unhex(substr(${text}, 8)), ${text}) ELSE ${text} END`;

/** The SQL of what an index holds of an id: enough to find it, a fraction of its size. */
export const indexed = (id: string) => `substr(${id}, 1, 8)`;

/** A later migration: digests by their bytes, rows in the order in which they came, and indexes of the ids' first bytes. */
export const recordsByBytesSchema = `
DROP INDEX cache_links_target;
DROP INDEX cache_results_result;
ALTER TABLE cache_links RENAME TO cache_links_before;
ALTER TABLE cache_results RENAME TO cache_results_before;
CREATE TABLE cache_links (
  source BLOB NOT NULL,
  input INTEGER NOT NULL,
  digest BLOB NOT NULL,
  selector BLOB NOT NULL,
  target BLOB NOT NULL
);
CREATE TABLE cache_results (
  key BLOB NOT NULL,
  result BLOB NOT NULL,
  created_ms INTEGER NOT NULL
);
INSERT INTO cache_links
  SELECT ${storedId("source")}, input, ${storedId("digest")}, ${storedId("selector")}, ${storedId("target")} FROM cache_links_before;
INSERT INTO cache_results SELECT ${storedId("key")}, ${storedId("result")}, created_ms FROM cache_results_before;
DROP TABLE cache_links_before;
DROP TABLE cache_results_before;
CREATE INDEX cache_links_source ON cache_links (${indexed("source")}, ${indexed("digest")});
CREATE INDEX cache_links_target ON cache_links (${indexed("target")});
CREATE INDEX cache_results_key ON cache_results (${indexed("key")});
CREATE INDEX cache_results_result ON cache_results (${indexed("result")});
`;
