// The records database: the same number of look-ups and new records in stores that hold more and more.

import { join } from "node:path";
import { rmSync } from "node:fs";
import { digestOf } from "../../src/base/index.ts";
import {
  recordsByBytesSchema,
  recordsByOutputSchema,
  recordsSchema,
  SqliteKeyStorage,
} from "../../src/storage/records/index.ts";
import { openDatabase } from "../../src/system/database/index.ts";
import { fittedExponent } from "../harness/statistics.ts";
import type { Lab } from "../harness/types.ts";
import type { Curve } from "./types.ts";

const WORK = 5000;

/** The cost of filling the store and of 5,000 look-ups and additions at each size, per size: linear filling has the exponent 1. */
export function recordCurve(lab: Lab): Promise<Curve> {
  const sizes = lab.isQuick ? [1000, 2000] : [1000, 10_000, 100_000, 1_000_000];
  const path = join(lab.folder, "scaling-records.db");
  using db = openDatabase(path, { migrations: [recordsSchema, recordsByOutputSchema, recordsByBytesSchema] });
  const storage = new SqliteKeyStorage(db);
  let filled = 0;
  let spentMs = 0;
  const add = (at: number) => {
    const link = { input: 0, digest: digestOf(`op ${at}`), selector: "" };
    const key = digestOf(`key ${at}`);
    storage.addLink(digestOf(`key ${Math.floor(at / 2)}`), link, key);
    storage.addResult(key, { id: `result ${at}`, createdAtMs: at });
  };
  const points = sizes.map((size) => {
    const started = process.hrtime.bigint();
    while (filled < size) {
      const end = Math.min(size, filled + WORK);
      storage.transaction(() => {
        for (; filled < end; filled++) add(filled);
      });
    }
    for (let at = 0; at < WORK; at++) {
      const which = (at * 7919) % size;
      const link = { input: 0, digest: digestOf(`op ${which}`), selector: "" };
      const [target] = storage.targets(digestOf(`key ${Math.floor(which / 2)}`), link);
      if (target === undefined || storage.results(target).length !== 1) throw new Error(`record ${which} is lost`);
    }
    spentMs += Number(process.hrtime.bigint() - started) / 1e6;
    return { size, cost: spentMs };
  });
  rmSync(path, { force: true });
  return Promise.resolve({
    id: "records",
    title: "cache records, added and looked up",
    unit: "records",
    points,
    exponent: fittedExponent(points),
  });
}
