import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageVersion } from "../base/index.ts";
import { referencePages } from "./reference.ts";

const home = join(import.meta.dirname, "../..");

test("docs/cli is what scripts/docs.ts writes", () => {
  const pages = referencePages();
  const dir = join(home, "docs/cli");
  assert.deepEqual(readdirSync(dir).toSorted(), [...pages.keys()].toSorted());
  for (const [name, text] of pages)
    assert.equal(readFileSync(join(dir, name), "utf8"), text, `${name}: run node scripts/docs.ts`);
});

test("the version is that of package.json", () => {
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as { version: string };
  assert.equal(packageVersion, version);
});
