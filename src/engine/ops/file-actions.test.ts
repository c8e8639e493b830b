import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { bzip2, tree, type Tree } from "./file-actions.fixtures.ts";
import { type CopyAction, type FileAction, runFileActions } from "./file-actions.ts";
import { parseSymbolicMode } from "./file-mode.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-file-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
let count = 0;

/** Writes a tree: a path ending in `/` is a folder, a value `-> x` a link. */
function write(entries: Tree): string {
  const root = join(dir, `t${count++}`);
  fs.mkdirSync(root);
  for (const [path, content] of Object.entries(entries)) {
    const full = join(root, path);
    fs.mkdirSync(path.endsWith("/") ? full : dirname(full), { recursive: true });
    if (path.endsWith("/")) continue;
    if (content.startsWith("-> ")) fs.symlinkSync(content.slice(3), full);
    else fs.writeFileSync(full, content);
  }
  return root;
}

async function run(destRoot: string, actions: readonly FileAction[], ...roots: string[]): Promise<Tree> {
  await runFileActions({ destRoot, actions, sources: roots.map((root) => ({ root })) });
  return tree(destRoot);
}

const SOURCE: Tree = {
  "a.txt": "a",
  "b.txt": "b",
  "c.md": "c",
  "d/x": "x",
  "d/y.txt": "y",
  "d/e/z": "z",
  "empty/": "",
  link: "-> a.txt",
  dirlink: "-> d",
  abs: "-> /d/e",
};
const usual = { kind: "copy", source: 0, allowWildcard: true, createDestPath: true, dirCopyContents: true } as const;

const COPIES: {
  name: string;
  action: Partial<CopyAction> & { src: string; dest: string };
  dest?: Tree;
  result: Tree | string;
}[] = [
  { name: "a file to a new name", action: { src: "/a.txt", dest: "/new/name" }, result: { "new/name": "a" } },
  {
    name: "a file into a folder named with a slash",
    action: { src: "/a.txt", dest: "/new/" },
    result: { "new/a.txt": "a" },
  },
  {
    name: "a file into a folder that is there",
    action: { src: "/a.txt", dest: "/d" },
    dest: { "d/": "" },
    result: { "d/a.txt": "a" },
  },
  { name: "a file over a file", action: { src: "/a.txt", dest: "/f" }, dest: { f: "old" }, result: { f: "a" } },
  {
    name: "a file over a link, which is followed",
    action: { src: "/a.txt", dest: "/l" },
    dest: { f: "old", l: "-> f" },
    result: { f: "a", l: "-> f" },
  },
  {
    name: "a file through a link that points out",
    action: { src: "/a.txt", dest: "/l/f" },
    dest: { l: "-> ../../../../../tmp" },
    result: { "tmp/f": "a", l: "-> ../../../../../tmp" },
  },
  { name: "folder contents", action: { src: "/d", dest: "/t/" }, result: { "t/e/z": "z", "t/x": "x", "t/y.txt": "y" } },
  {
    name: "a folder itself",
    action: { src: "/d", dest: "/t/", dirCopyContents: false },
    result: { "t/d/e/z": "z", "t/d/x": "x", "t/d/y.txt": "y" },
  },
  { name: "wildcards", action: { src: "/*.txt", dest: "/" }, result: { "a.txt": "a", "b.txt": "b" } },
  {
    name: "wildcards over folders",
    action: { src: "/d/*", dest: "/t/" },
    result: { "t/x": "x", "t/y.txt": "y", "t/z": "z" },
  },
  { name: "a wildcard with nothing", action: { src: "/*.zip", dest: "/" }, result: "/*.zip not found" },
  {
    name: "a wildcard that may have nothing",
    action: { src: "/*.zip", dest: "/", allowEmptyWildcard: true },
    result: {},
  },
  { name: "not there", action: { src: "/none", dest: "/" }, result: "lstat /none: no such file or directory" },
  { name: "a link as it is", action: { src: "/link", dest: "/" }, result: { link: "-> a.txt" } },
  { name: "a link followed", action: { src: "/link", dest: "/got", followSymlink: true }, result: { got: "a" } },
  {
    name: "a link to a folder followed",
    action: { src: "/dirlink", dest: "/got", followSymlink: true },
    result: { "got/e/z": "z", "got/x": "x", "got/y.txt": "y" },
  },
  { name: "through links", action: { src: "/abs/z", dest: "/got" }, result: { got: "z" } },
  {
    name: "include patterns",
    action: { src: "/", dest: "/", includePatterns: ["d/e", "*.md"] },
    result: { "c.md": "c", "d/e/z": "z" },
  },
  {
    name: "exclude patterns",
    action: { src: "/", dest: "/", excludePatterns: ["d", "!d/e", "*.txt", "*link", "abs"] },
    result: { "c.md": "c", "d/e/z": "z", "empty/": "" },
  },
  {
    name: "no parents made",
    action: { src: "/a.txt", dest: "/x/y", createDestPath: false },
    result: "failed to stat /x/y: lstat /x: no such file or directory",
  },
  {
    name: "a folder over a file",
    action: { src: "/d", dest: "/d", dirCopyContents: true },
    dest: { "d/e": "file" },
    result: "cannot copy to non-directory: /d/e",
  },
  {
    name: "a file over a folder",
    action: { src: "/d", dest: "/t" },
    dest: { "t/x/": "" },
    result: "cannot replace to directory /t/x with file",
  },
  {
    name: "a folder over a file, replaced",
    action: { src: "/d", dest: "/d", alwaysReplaceExistingDestPaths: true },
    dest: { "d/e": "file", "d/x/deep": "1" },
    result: { "d/e/z": "z", "d/x": "x", "d/y.txt": "y" },
  },
  {
    name: "links inside a folder stay",
    action: { src: "/", dest: "/", includePatterns: ["link", "abs"] },
    result: { abs: "-> /d/e", link: "-> a.txt" },
  },
];
for (const { name, action, dest = {}, result } of COPIES) {
  void test(`copy: ${name}`, async () => {
    const attempt = run(write(dest), [{ ...usual, ...action }], write(SOURCE));
    if (typeof result === "string") await assert.rejects(attempt, { message: result });
    else assert.deepEqual(await attempt, result);
  });
}

void test("owners, modes, times, hardlinks, attributes", async () => {
  const source = write({ "d/f": "f", "d/g": "g" });
  fs.linkSync(join(source, "d/f"), join(source, "d/h"));
  fs.chownSync(join(source, "d/g"), 5, 6);
  fs.chmodSync(join(source, "d/g"), 0o4711);
  fs.chmodSync(join(source, "d"), 0o2750);
  fs.utimesSync(join(source, "d/g"), 1000, 2000);
  fs.utimesSync(join(source, "d"), 1000, 3000);
  const kept = write({});
  await run(kept, [{ ...usual, src: "/d", dest: "/d" }], source);
  const stat = fs.statSync(join(kept, "d/g"));
  assert.deepEqual([stat.uid, stat.gid, stat.mode & 0o7777, stat.mtimeMs], [5, 6, 0o4711, 2_000_000]);
  assert.equal(fs.statSync(join(kept, "d/f")).ino, fs.statSync(join(kept, "d/h")).ino);
  assert.deepEqual(
    [fs.statSync(join(kept, "d")).mode & 0o7777, fs.statSync(join(kept, "d")).mtimeMs],
    [0o755, 3_000_000],
  );

  const set = write({ "etc/passwd": "root:x:0:0::/:\nweb:x:33:34::/:\n", "etc/group": "staff:x:50:web\n" });
  const owner = {
    user: { kind: "name", name: "web", root: set },
    group: { kind: "name", name: "staff", root: set },
  } as const;
  await run(set, [{ ...usual, src: "/d", dest: "/new/d/", mode: 0o640, owner, timestampNs: 7_000_000_000n }], source);
  for (const path of ["new", "new/d", "new/d/g"]) {
    const found = fs.statSync(join(set, path));
    assert.deepEqual([path, found.uid, found.gid, found.mode & 0o7777, found.mtimeMs], [path, 33, 50, 0o640, 7000]);
  }
  await run(
    set,
    [{ ...usual, src: "/d", dest: "/sym/", modeStr: "u=rwX,go=", owner: { user: { kind: "id", id: 9 } } }],
    source,
  );
  const symbolic = fs.statSync(join(set, "sym/f"));
  assert.deepEqual([symbolic.uid, symbolic.gid, symbolic.mode & 0o7777], [9, 9, 0o600]);
});

void test("copying into a folder that is there keeps its owner and mode", async () => {
  const source = write({ "d/f": "f", "d/sub/g": "g" });
  fs.chmodSync(join(source, "d"), 0o700);
  fs.chmodSync(join(source, "d/sub"), 0o700);
  const dest = write({ "d/sub/": "" });
  fs.chmodSync(join(dest, "d"), 0o711);
  await run(dest, [{ ...usual, src: "/d", dest: "/d" }], source);
  assert.equal(fs.statSync(join(dest, "d")).mode & 0o777, 0o711);
  assert.equal(fs.statSync(join(dest, "d/sub")).mode & 0o777, 0o700);
});

void test("archives are unpacked by content, not by name; everything else is copied", async () => {
  const inside = write({ "in/file": "f", ".wh.kept": "k" });
  const source = write({ "not.tar": "no archive" });
  const pack = (name: string, ...flags: string[]): void => {
    execFileSync("tar", ["-C", inside, ...flags, "-cf", join(source, name), "in", ".wh.kept"]);
  };
  pack("plain");
  pack("gzipped.bin", "--gzip");
  pack("zstd", "--zstd");
  pack("xz", "--xz");
  const result: Tree = { "t/.wh.kept": "k", "t/in/file": "f" };
  for (const name of ["plain", "gzipped.bin", "zstd", "xz"]) {
    assert.deepEqual(
      await run(write({}), [{ ...usual, attemptUnpack: true, src: `/${name}`, dest: "/t/" }], source),
      result,
      name,
    );
  }
  fs.writeFileSync(join(source, "bz"), bzip2);
  try {
    assert.deepEqual(await run(write({}), [{ ...usual, attemptUnpack: true, src: "/bz", dest: "/t/" }], source), {
      "t/hello": "hello\n",
    });
  } catch (error) {
    assert.equal((error as { code: string }).code, "ARCHIVE_TOOL_MISSING");
  }
  const copied = await run(write({}), [{ ...usual, attemptUnpack: true, src: "/not.tar", dest: "/t/" }], source);
  assert.deepEqual(copied, { "t/not.tar": "no archive" });
  const owned = write({});
  await run(
    owned,
    [{ ...usual, attemptUnpack: true, src: "/plain", dest: "/t/", owner: { user: { kind: "id", id: 4 } } }],
    source,
  );
  assert.equal(fs.statSync(join(owned, "t/in/file")).uid, 4);
});

void test("mkdir, mkfile, symlink, rm", async () => {
  const root = write({ keep: "k", "gone/deep/x": "1", f1: "1", f2: "2", out: "-> ../../../../../../tmp" });
  const result = await run(root, [
    {
      kind: "mkdir",
      path: "/p/q",
      mode: 0o700,
      makeParents: true,
      owner: { user: { kind: "id", id: 3 } },
      timestampNs: 5n * 10n ** 9n,
    },
    { kind: "mkdir", path: "/p", mode: 0o777 },
    { kind: "mkfile", path: "/p/file", mode: 0o600, data: Buffer.from("data") },
    { kind: "mkfile", path: "/keep", mode: 0o600, data: Buffer.from("K") },
    { kind: "symlink", oldPath: "/else/where", newPath: "/p/link" },
    { kind: "rm", path: "/gone" },
    { kind: "rm", path: "/f*", allowWildcard: true },
    { kind: "rm", path: "/none", allowNotFound: true },
    { kind: "mkdir", path: "/m/n/o", mode: 0o755, makeParents: true, timestampNs: 9n * 10n ** 9n },
    { kind: "mkdir", path: "/out/inside", mode: 0o755, makeParents: true },
    { kind: "rm", path: "/out" },
  ]);
  assert.deepEqual(result, {
    keep: "K",
    "m/n/o/": "",
    "p/file": "data",
    "p/link": "-> /else/where",
    "p/q/": "",
    "tmp/inside/": "",
  });
  for (const path of ["m", "m/n", "m/n/o"]) assert.equal(fs.statSync(join(root, path)).mtimeMs, 9000, path);
  const stat = fs.statSync(join(root, "p/q"));
  assert.deepEqual([stat.mode & 0o777, stat.uid, stat.mtimeMs], [0o700, 3, 5000]);
  const failures: [FileAction, string][] = [
    [{ kind: "rm", path: "/none" }, "stat /none: no such file or directory"],
    [{ kind: "rm", path: "/" }, "rmPath: invalid empty path"],
    [{ kind: "mkdir", path: "/a/b", mode: 0o755 }, "mkdir /a/b: no such file or directory"],
    [{ kind: "mkdir", path: "/keep/b", mode: 0o755, makeParents: true }, "mkdir /keep: not a directory"],
    [{ kind: "mkfile", path: "/a/b", mode: 0o755, data: Buffer.alloc(0) }, "open /a/b: no such file or directory"],
    [{ kind: "symlink", oldPath: "x", newPath: "/keep" }, "symlink"],
  ];
  for (const [action, message] of failures) {
    await assert.rejects(
      run(root, [action]),
      (error: Error) => error.message.startsWith(message) || assert.fail(error.message),
    );
  }
});

void test("a user's folder: filtered, owned by root", async () => {
  const source = write({ "a.txt": "a", "node_modules/big/x": "x", "node_modules/keep": "k", ".dockerignore": "i" });
  fs.chownSync(join(source, "a.txt"), 1000, 1000);
  const destRoot = write({});
  const local = { excludePatterns: ["node_modules", "!node_modules/keep", ".dockerignore"] };
  const actions = [{ ...usual, src: "/", dest: "/app" }];
  await runFileActions({ destRoot, actions, sources: [{ root: source, local }] });
  assert.deepEqual(tree(destRoot), { "app/a.txt": "a", "app/node_modules/keep": "k" });
  assert.equal(fs.statSync(join(destRoot, "app/a.txt")).uid, 0);
  const hidden = [{ ...usual, src: "/node_modules/big/x", dest: "/" }];
  await assert.rejects(runFileActions({ destRoot, actions: hidden, sources: [{ root: source, local }] }), {
    message: "lstat /node_modules/big/x: no such file or directory",
  });
});

void test("symbolic modes", () => {
  const table: [string, number, boolean, number][] = [
    ["u=rw", 0o755, false, 0o655],
    ["a=rX", 0o600, false, 0o444],
    ["a=rX", 0o755, true, 0o555],
    ["u=rwx,go=rx", 0, false, 0o755],
    ["go-w+x", 0o666, false, 0o655],
    ["+t", 0o755, true, 0o1755],
    ["g=u", 0o640, false, 0o660],
    ["0750", 0o640, false, 0o750],
  ];
  for (const [text, mode, isDir, result] of table)
    assert.equal(parseSymbolicMode(text)(mode, isDir).toString(8), result.toString(8), text);
  for (const bad of ["", "x", "u", "u=z", "u=r;", "8"])
    assert.throws(() => parseSymbolicMode(bad), { code: "FILE_OP" });
});
