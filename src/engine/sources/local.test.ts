import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, mock, test } from "node:test";
import { hashTree, type HashRequest } from "../../storage/snapshots/index.ts";
import { followPaths, listLocal, type LocalFilter } from "./local-filter.ts";
import { hashLocal, hashLocalHere, type HashLocalInput } from "./local-jobs.ts";
import { StatCache } from "./local-stat-cache.ts";
import { openSourceTree } from "./local-tree.ts";
import { errorFromFacts, type JobContext } from "../../system/workers/index.ts";

type OneGroup = Omit<HashLocalInput, "groups"> & { readonly requests: readonly HashRequest[] };

function hashOne({ requests, ...input }: OneGroup, context?: JobContext): string[] {
  const [outcome] = hashLocal({ ...input, groups: [requests] }, context);
  if (outcome!.kind === "failed") throw errorFromFacts(outcome!.error);
  return [...outcome!.digests];
}

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-local-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
let count = 0;

function write(entries: Record<string, string>): string {
  const root = join(dir, `t${count++}`);
  fs.mkdirSync(root);
  for (const [path, content] of Object.entries(entries)) {
    fs.mkdirSync(path.endsWith("/") ? join(root, path) : dirname(join(root, path)), { recursive: true });
    if (content.startsWith("-> ")) fs.symlinkSync(content.slice(3), join(root, path));
    else if (!path.endsWith("/")) fs.writeFileSync(join(root, path), content);
  }
  return root;
}

function shown(root: string, filter: LocalFilter): string[] {
  const found: string[] = [];
  const listing = listLocal(root, filter);
  const visit = (folder: string): void => {
    for (const { name, kind } of listing.get(folder) ?? []) {
      const path = folder === "" ? name : `${folder}/${name}`;
      found.push(kind === "dir" ? `${path}/` : path);
      if (kind === "dir") visit(path);
    }
  };
  visit("");
  return found;
}

const TREE = {
  "a/b/c": "1",
  "a/b.txt": "2",
  "a/d/": "",
  "node_modules/x/index.js": "3",
  "node_modules/keep/me": "4",
  top: "5",
  link: "-> a/b",
  far: "-> /top",
  loop1: "-> loop2",
  loop2: "-> loop1",
};

void test("filters", () => {
  const root = write(TREE);
  const all = ["a/", "a/b/", "a/b/c", "a/b.txt", "a/d/", "far", "link", "loop1", "loop2", "node_modules/"];
  assert.deepEqual(shown(root, {}).slice(0, 10), all);
  const table: [LocalFilter, string[]][] = [
    [{ excludePatterns: ["node_modules", "*l*", "far", "top"] }, ["a/", "a/b/", "a/b/c", "a/b.txt", "a/d/"]],
    [{ excludePatterns: ["*", "!node_modules/keep"] }, ["node_modules/", "node_modules/keep/", "node_modules/keep/me"]],
    [{ excludePatterns: ["**", "!**/*.txt"] }, ["a/", "a/b.txt"]],
    [{ includePatterns: ["a/b"] }, ["a/", "a/b/", "a/b/c"]],
    [{ includePatterns: ["a", "top"], excludePatterns: ["a/b"] }, ["a/", "a/b.txt", "a/d/", "top"]],
    [{ followPaths: ["link"] }, ["a/", "a/b/", "a/b/c", "link"]],
    [{ followPaths: ["far", "t*"] }, ["far", "top"]],
    [{ followPaths: ["link/c"] }, ["a/", "a/b/", "a/b/c", "link"]],
    [{ includePatterns: ["none"] }, []],
  ];
  for (const [filter, expected] of table) assert.deepEqual(shown(root, filter), expected, JSON.stringify(filter));
  assert.throws(() => listLocal(root, { excludePatterns: ["["] }), { code: "BAD_PATTERN" });
});

void test("paths to follow", () => {
  const root = write(TREE);
  assert.deepEqual(followPaths(root, ["link"]), ["a/b", "link"]);
  assert.deepEqual(followPaths(root, ["/a/../far", "none"]), ["far", "none", "top"]);
  assert.deepEqual(followPaths(root, ["loop1"]), ["loop1", "loop2"]);
  assert.deepEqual(followPaths(root, ["../../../etc"]), ["etc"]);
  assert.equal(followPaths(root, ["top", "."]), undefined);
});

void test("folders that cannot matter are not read", () => {
  const root = write({ "closed/deep/x": "1", "a/b": "2", "open/x": "3" });
  const read = mock.method(fs, "readdirSync");
  syncBuiltinESMExports();
  try {
    shown(root, { excludePatterns: ["closed"], includePatterns: ["open", "closed"] });
    assert.deepEqual(
      read.mock.calls.map((call) => String(call.arguments[0])),
      [root, join(root, "open")],
    );
  } finally {
    read.mock.restore();
    syncBuiltinESMExports();
  }
});

void test("digests equal those of the same files owned by root; hidden files are not there", () => {
  const root = write({ "d/f": "f", "d/g": "g", secret: "s" });
  const request: HashRequest = { path: "/d" };
  const expected = hashTree({ root, requests: [request] });
  for (const path of ["d", "d/f", "d/g"]) fs.chownSync(join(root, path), 1000, 1000);
  const source = { root, local: { excludePatterns: ["secret"] } };
  assert.deepEqual(hashOne({ source, requests: [request] }), expected);
  assert.throws(() => hashOne({ source, requests: [{ path: "/secret" }] }), { message: '"/secret": not found' });
  assert.notDeepEqual(hashOne({ source, requests: [{ path: "/" }] }), hashTree({ root, requests: [{ path: "/" }] }));
});

void test("the stat cache: unchanged files are not read, changed and recent ones are", () => {
  const root = write({ old: "old", recent: "r", "sub/file": "x" });
  const cacheDir = join(dir, "cache");
  fs.mkdirSync(cacheDir);
  const digest = `sha256:${"ab".repeat(32)}` as const;
  const stat = (path: string): fs.Stats => fs.lstatSync(join(root, path));
  const aged = (path: string): fs.Stats => Object.assign(stat(path), { ctimeMs: 1000, mtimeMs: 1000 });
  const first = StatCache.open(cacheDir, root);
  assert.equal(first.find("old", aged("old")), undefined);
  first.add("old", aged("old"), digest as never);
  first.add("sub/\u00ff", aged("sub/file"), digest as never);
  const changed = (ctimeMs: number) => Object.assign(aged("recent"), { ctimeMs });
  first.add("recent", changed(Date.now() + 0.5), digest as never);
  // A clock that knows no parts of seconds may not have ticked yet.
  first.add("whole", changed(Math.floor(Date.now() / 1000) * 1000), digest as never);
  first.add("fine", changed(Date.now() - 500.5), digest as never);
  first.save();
  assert.equal(fs.readdirSync(cacheDir).length, 1);
  const second = StatCache.open(cacheDir, root);
  assert.equal(second.find("old", aged("old")), digest);
  assert.equal(second.find("sub/\u00ff", aged("sub/file")), digest);
  for (const path of ["recent", "whole"]) assert.equal(second.find(path, stat("recent")), undefined);
  assert.ok(fs.readFileSync(join(cacheDir, fs.readdirSync(cacheDir)[0]!)).includes("fine"));
  assert.equal(second.find("old", Object.assign(aged("old"), { ctimeMs: 1000.001 })), undefined);
  assert.equal(second.find("old", Object.assign(aged("old"), { ino: 5 })), undefined);
  // What one build's filter hides is not forgotten by it.
  const third = StatCache.open(cacheDir, root);
  third.add("new", aged("old"), digest as never);
  third.save();
  assert.equal(StatCache.open(cacheDir, root).find("sub/\u00ff", aged("sub/file")), digest);
  // Torn or foreign: as if it were not there.
  const file = join(cacheDir, fs.readdirSync(cacheDir)[0]!);
  const bytes = fs.readFileSync(file);
  for (const bad of [
    bytes.subarray(0, -1),
    Buffer.alloc(0),
    Buffer.from(bytes.toString("latin1").replace("old", "olt"), "latin1"),
  ]) {
    fs.writeFileSync(file, bad);
    assert.equal(StatCache.open(cacheDir, root).find("old", aged("old")), undefined);
  }
});

void test("with a cache the digests are the same, before and after changes", () => {
  const root = write({ a: "a", "d/b": "b" });
  const cacheDir = join(dir, "cache2");
  fs.mkdirSync(cacheDir);
  const run = (cached: boolean): string[] =>
    hashOne({
      source: { root, local: {} },
      requests: [{ path: "/" }, { path: "/*", wildcard: true }],
      ...(cached ? { cacheDir } : {}),
    });
  assert.deepEqual(run(true), run(false));
  assert.deepEqual(run(true), run(false));
  fs.writeFileSync(join(root, "d/b"), "B");
  assert.deepEqual(run(true), run(false));
  fs.chmodSync(join(root, "a"), 0o755);
  assert.deepEqual(run(true), run(false));
  fs.rmSync(cacheDir, { recursive: true });
  assert.deepEqual(run(true), run(false));
});

void test("a small folder that was read before is walked here, any other is not", () => {
  const root = write({ a: "a", "d/b": "b" });
  const cacheDir = join(dir, "cache3");
  const input = { source: { root, local: {} }, groups: [[{ path: "/" }]], cacheDir };
  const age = (path: string) => fs.utimesSync(join(root, path), 1000, 1000);
  for (const path of ["a", "d/b"]) age(path);
  assert.equal(hashLocalHere(input), undefined);
  const [first] = hashLocal(input);
  const again = hashLocalHere(input);
  assert.deepEqual(again?.outcomes, [first]);
  fs.writeFileSync(join(root, "a"), "A");
  const changed = hashLocalHere(input);
  assert.equal(changed?.hasNews, true);
  assert.deepEqual(changed.outcomes, hashLocal(input));
  assert.notDeepEqual(changed.outcomes, [first]);
  // More to read than a thread's start is worth.
  fs.writeFileSync(join(root, "large"), Buffer.alloc(5 * 1024 * 1024));
  assert.equal(hashLocalHere(input), undefined);
  fs.rmSync(root, { recursive: true });
  assert.equal(hashLocalHere(input), undefined);
});

void test("folders and files that cannot be read, files that change under a build", () => {
  const requests: HashRequest[] = [{ path: "/" }];
  const missing = join(dir, "none");
  assert.throws(() => hashOne({ source: { root: missing, local: {} }, requests }), {
    code: "CONTEXT_UNREADABLE",
    message: `cannot read ${missing} of the build context: no such file or directory`,
  });
  const root = write({ a: "a", "d/b": "b" });
  assert.throws(() => hashOne({ source: { root: join(root, "a"), local: {} }, requests }), {
    code: "CONTEXT_UNREADABLE",
  });
  const later = openSourceTree({ root, local: {}, hashedAtNs: BigInt(Date.now() + 1000) * 1_000_000n });
  assert.ok(later.stat("a"));
  const earlier = openSourceTree({ root, local: {}, hashedAtNs: 5n });
  assert.ok(earlier.stat("d"));
  assert.throws(() => earlier.stat("d/b"), {
    code: "CONTEXT_CHANGED",
    message: "d/b changed while the build was running",
  });
  const stop = { aborted: () => true, progress: () => undefined };
  assert.throws(() => hashOne({ source: { root, local: {} }, requests }, stop), { name: "AbortError" });
});

void test("one group's failure is no other's", () => {
  const root = write({ a: "a", "d/b": "b" });
  const groups: HashRequest[][] = [[{ path: "/a" }], [{ path: "/none" }], [{ path: "/d" }, { path: "/a" }]];
  const outcomes = hashLocal({ source: { root, local: {} }, groups });
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.kind === "hashed" ? outcome.digests.length : outcome.error.message)),
    [1, '"/none": not found', 2],
  );
});
