// Digests of a folder whose state has a name are computed once for that state; without a name, or where it failed, each time.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WorkerPool } from "../../system/workers/index.ts";
import { LocalDigests } from "./local-digests.ts";

test("a folder of a known version is not walked again", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "slipway-digests-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  await using workers = new WorkerPool({ entry: new URL("../worker.ts", import.meta.url), size: 1 });
  const digests = new LocalDigests(workers, join(home, "memory"));
  const root = mkdtempSync(join(home, "folder-"));
  const { signal } = new AbortController();
  const ask = (version: string | undefined, path = "/a", exclude: string[] = []) =>
    digests.digests({ root, local: { excludePatterns: exclude }, version }, [{ path }], signal);
  writeFileSync(join(root, "a"), "one");
  writeFileSync(join(root, "b"), "b");
  await assert.rejects(ask("1", "/c"), /not found/);
  const one = await ask("1");
  const whole = await ask("1", "/");
  writeFileSync(join(root, "a"), "another");
  writeFileSync(join(root, "c"), "c");
  assert.deepEqual(await ask("1"), one);
  assert.deepEqual(await ask("1", "/"), whole);
  assert.notDeepEqual(await ask("1", "/", ["b"]), whole);
  assert.equal((await ask("1", "/c")).length, 1);
  assert.notDeepEqual(await ask("2"), one);
  assert.notDeepEqual(await ask(undefined), one);
  assert.deepEqual(await ask(undefined), await ask("2"));
});
