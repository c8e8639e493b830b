import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hashLocal, type SourceSpec } from "../sources/index.ts";
import { tree } from "./file-actions.fixtures.ts";
import { type CopyAction, type FileAction, runFileActions } from "./file-actions.ts";
import { smallActions } from "./small-actions.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-small-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
const cacheDir = join(dir, "statcache");
const root = join(dir, "source");
fs.mkdirSync(join(root, "few/deep"), { recursive: true });
fs.writeFileSync(join(root, "few/a.txt"), "a");
fs.writeFileSync(join(root, "few/deep/b.txt"), "b");
fs.mkdirSync(join(root, "many"));
for (let at = 0; at < 300; at++) fs.writeFileSync(join(root, `many/${at}`), "");
fs.writeFileSync(join(root, "large"), "");
fs.truncateSync(join(root, "large"), 8 * 1024 * 1024);
fs.symlinkSync("/few", join(root, "link"));

const copy = (src: string, more: Partial<CopyAction> = {}): CopyAction => ({
  kind: "copy",
  source: 0,
  src,
  dest: "/to/",
  createDestPath: true,
  allowWildcard: true,
  ...more,
});
const input = (actions: readonly FileAction[], source: SourceSpec = { root }) => ({
  destRoot: join(dir, "to"),
  actions,
  sources: [source],
});
const isSmall = (...actions: FileAction[]) => smallActions(input(actions), cacheDir) !== undefined;

void test("a few small files are small, by name, by pattern and through links", () => {
  assert.ok(isSmall(copy("/few")));
  assert.ok(isSmall(copy("/few/*.txt")));
  assert.ok(isSmall(copy("/link", { followSymlink: true })));
  assert.ok(isSmall(copy("/few"), copy("/few/deep")));
});

void test("many files, large ones, archives and removals are not", () => {
  assert.ok(!isSmall(copy("/many")));
  assert.ok(!isSmall(copy("/")));
  assert.ok(!isSmall(copy("/large")));
  assert.ok(!isSmall(copy("/few", { attemptUnpack: true })));
  assert.ok(!isSmall({ kind: "rm", path: "/few" }));
  assert.ok(!isSmall(...Array.from({ length: 60 }, () => copy("/few"))), "the sum of all actions counts");
});

void test("made files and folders are, as long as they hold little", () => {
  const file = (bytes: number): FileAction => ({
    kind: "mkfile",
    path: "/f",
    mode: 0o644,
    data: new Uint8Array(bytes),
  });
  assert.ok(isSmall({ kind: "mkdir", path: "/d", mode: 0o755 }, file(10)));
  assert.ok(!isSmall(file(8 * 1024 * 1024)));
});

void test("what is not there is not small: the work itself says what is wrong", () => {
  assert.ok(!isSmall(copy("/nothing")));
  assert.ok(!isSmall(copy("/[")));
});

void test("a user's folder is looked at when its size is known from an earlier build", async () => {
  const source: SourceSpec = { root, local: {} };
  assert.equal(smallActions(input([copy("/few")], source), cacheDir), undefined);
  hashLocal({ source, groups: [[{ path: "/few" }]], cacheDir });
  const trees = smallActions(input([copy("/few")], source), cacheDir);
  assert.ok(trees !== undefined);
  fs.mkdirSync(join(dir, "to"));
  await runFileActions(input([copy("/few", { dirCopyContents: true })], source), undefined, { sources: trees });
  assert.deepEqual(tree(join(dir, "to")), { "to/a.txt": "a", "to/deep/b.txt": "b" });
});
