import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "../../system/database/index.ts";
import { ContentStore } from "../content/index.ts";
import { directJobs, openSnapshotter } from "../snapshots/index.ts";
import { CacheMounts, RefStore, collectByDefault, defaultPolicies, refListsSchema, refsSchema } from "./index.ts";
import type { UsageHost } from "./index.ts";

const HOUR_MS = 3_600_000;

void test("the rules are BuildKit's, in proportion to the disk", () => {
  const [first, second, third, last] = defaultPolicies(1e12);
  assert.deepEqual([first!.maxUsedBytes, first!.keepDurationMs, first!.all], [512e6, 48 * HOUR_MS, false]);
  assert.deepEqual([second!.keepDurationMs, second!.all], [60 * 24 * HOUR_MS, false]);
  for (const each of [second!, third!, last!])
    assert.deepEqual([each.reservedBytes, each.maxUsedBytes, each.minFreeBytes], [10e9, 100e9, 200e9]);
  assert.deepEqual([third!.keepDurationMs, third!.all, last!.all], [undefined, false, true]);
  const small = defaultPolicies(10e9)[3]!;
  assert.deepEqual([small.reservedBytes, small.maxUsedBytes, small.minFreeBytes], [1e9, 8e9, 2e9]);
});

void test("on a disk short of room the oldest goes until there is room; what is held stays; then it is quiet for a while", async (context) => {
  const root = mkdtempSync(join(tmpdir(), "slipway-gc-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", root]);
  context.after(() => {
    execFileSync("umount", ["-l", root]);
    rmSync(root, { recursive: true });
  });
  mkdirSync(join(root, "run"));
  using db = openDatabase(join(root, "store.db"), { migrations: [refsSchema, refListsSchema] });
  const content = new ContentStore(join(root, "content"), "me");
  const jobs = directJobs();
  await using snapshotter = await openSnapshotter({
    root: join(root, "snapshots"),
    runDir: join(root, "run"),
    processId: "me",
    jobs,
    kind: "copy",
  });
  let now = Date.now();
  const refs = new RefStore({
    db,
    content,
    snapshotter,
    jobs,
    openRemote: () => ({ fetch: () => Promise.reject(new Error("nothing is fetched here")) }),
    holder: "me",
    now: () => now++,
  });
  const forgotten: string[] = [];
  const host = {
    root,
    refs,
    snapshotter,
    content,
    cacheMounts: new CacheMounts(join(root, "cachemounts"), db),
    repositories: { list: () => [] },
    sentFolders: { list: () => [] },
    heldRefs: () => new Set<string>(),
    heldBlobs: () => new Set<string>(),
    forgetResult: (id: string) => forgotten.push(id),
    sweepKeys: () => undefined,
    folderSize: () => Promise.resolve(0),
    removeFolder: () => Promise.resolve(),
  } as unknown as UsageHost;
  const made: string[] = [];
  for (let at = 0; at < 6; at++) {
    const scratch = refs.scratch();
    await using mutable = await refs.mutable(scratch);
    writeFileSync(join(mutable.path, "data"), Buffer.alloc(6 << 20, at + 1));
    const ref = await mutable.commit({ description: `step ${at}` });
    made.push(ref.id);
    // The first, oldest of all, is what a running build holds.
    if (at !== 0) refs.release(ref);
    refs.release(scratch);
  }
  await collectByDefault(host, new AbortController().signal);
  // 36 of 40 MB: 8 must be free, so the oldest that nobody holds goes. 4 MB, a tenth, would stay in any case.
  assert.deepEqual(forgotten, [made[1]]);
  assert.deepEqual(
    made.map((id) => refs.exists(id)),
    [true, false, true, true, true, true],
  );
  assert.equal(readdirSync(join(root, "snapshots")).length, 5);

  writeFileSync(join(root, "filler"), Buffer.alloc(8 << 20));
  await collectByDefault(host, new AbortController().signal);
  assert.equal(forgotten.length, 1, "it has just been done");
  assert.ok(existsSync(join(root, "gc")));
  utimesSync(join(root, "gc"), 0, (Date.now() - 2 * 60_000) / 1000);
  await collectByDefault(host, new AbortController().signal);
  assert.deepEqual(forgotten.slice(1), [made[2], made[3]]);
});
