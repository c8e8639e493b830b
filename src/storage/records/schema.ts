// Tables of the cache's key graph. Keys are text ids; links are found from either end by an index; results hang on keys.

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
