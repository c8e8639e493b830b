import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { makeNode, setXattr } from "../../system/linux/index.ts";
import { hashTree, type HashRequest } from "./index.ts";
import { hasWildcards, matchPath } from "./path-match.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-contenthash-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));

interface Entry {
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly content?: string;
  readonly contentBase64?: string;
  readonly contentRepeat?: [string, number];
  readonly linkname?: string;
  readonly devmajor?: number;
  readonly devminor?: number;
  readonly xattrs?: Record<string, string>;
}

interface Case {
  readonly id: string;
  readonly input: {
    readonly description: string;
    readonly entries: readonly Entry[];
    readonly checks: readonly HashRequest[];
  };
  readonly expected: {
    readonly checks: readonly { readonly digest?: string; readonly error?: string }[];
    readonly entryDigests: Readonly<Record<string, string>>;
  };
}

function make(root: string, entry: Entry): void {
  const path = join(root, entry.path);
  const content = entry.contentRepeat
    ? Buffer.from(entry.contentRepeat[0].repeat(entry.contentRepeat[1]))
    : Buffer.from(entry.contentBase64 ?? entry.content ?? "", entry.contentBase64 === undefined ? "utf8" : "base64");
  const mode = Number.parseInt(entry.mode, 8);
  if (entry.type === "dir") fs.mkdirSync(path, { recursive: true });
  else if (entry.type === "symlink") fs.symlinkSync(entry.linkname!, path);
  else if (entry.type === "hardlink") fs.linkSync(join(root, entry.linkname!), path);
  else if (entry.type === "file") fs.writeFileSync(path, content);
  else if (entry.type === "fifo") makeNode(path, 0o010600);
  else if (/^(char|block)/.test(entry.type)) {
    makeNode(path, entry.type.startsWith("char") ? 0o020600 : 0o060600, entry.devmajor ?? 0, entry.devminor ?? 0);
  } else throw new Error(`a type of entry that the test does not know: ${entry.type}`);
  if (entry.type === "hardlink") return;
  fs.lchownSync(path, entry.uid ?? 0, entry.gid ?? 0);
  if (entry.type !== "symlink") fs.chmodSync(path, mode);
  for (const [name, value] of Object.entries(entry.xattrs ?? {})) setXattr(path, name, Buffer.from(value));
}

const packed = fs.readFileSync(new URL("./content-hash.vectors.json.gz", import.meta.url));
for (const { id, input, expected } of JSON.parse(gunzipSync(packed).toString()) as Case[]) {
  void test(`${id}: ${input.description}`, () => {
    const root = join(dir, id);
    fs.mkdirSync(root);
    fs.chmodSync(root, 0o755);
    for (const entry of input.entries) make(root, entry);
    for (const [at, check] of input.checks.entries()) {
      const { digest, error } = expected.checks[at]!;
      const run = (): string => hashTree({ root, requests: [check], cacheKey: id })[0]!;
      if (error === undefined) assert.equal(run(), digest, JSON.stringify(check));
      else assert.throws(run, { message: error });
      if (error === undefined) assert.equal(hashTree({ root, requests: [check] })[0], digest, JSON.stringify(check));
    }
    for (const [path, digest] of Object.entries(expected.entryDigests)) {
      assert.deepEqual(hashTree({ root, requests: [{ path }] }), [digest], path);
    }
  });
}

void test("what is not there, and what must be", () => {
  const root = join(dir, "missing");
  fs.mkdirSync(root);
  fs.writeFileSync(join(root, "a"), "");
  const run = (request: HashRequest): string => hashTree({ root, requests: [request] })[0]!;
  assert.throws(() => run({ path: "x/y" }), { message: '"/x/y": not found', code: "NOT_FOUND" });
  assert.throws(() => run({ path: "/*", wildcard: true, requiredPaths: ["/b"] }), { message: '"/b": not found' });
  assert.throws(() => run({ path: "/[", wildcard: true }), { code: "BAD_PATTERN" });
  const nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assert.equal(run({ path: "/b*", wildcard: true }), nothing);
});

void test("Go's path.Match", () => {
  const table: [string, string, boolean][] = [
    ["/a*", "/abc", true],
    ["/a*", "/a/b", false],
    ["/a?c", "/aüc", true],
    ["/[a-c]x", "/bx", true],
    ["/[^a-c]x", "/bx", false],
    ["/\\*", "/*", true],
    ["/\\*", "/x", false],
    ["/[\\]a]", "/]", true],
    ["/a.c", "/abc", false],
  ];
  for (const [pattern, path, matches] of table) assert.equal(matchPath(pattern, path), matches, `${pattern} ${path}`);
  for (const bad of ["[", "[]", "[a", "a\\", "[-]", "[a-]"])
    assert.throws(() => matchPath(bad, "x"), { code: "BAD_PATTERN" });
  assert.equal(hasWildcards("a\\*b"), false);
  assert.equal(hasWildcards("a\\\\*b"), true);
});
