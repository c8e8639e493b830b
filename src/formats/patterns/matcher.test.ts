import assert from "node:assert/strict";
import { test } from "node:test";
import {
  baseName,
  cleanPath,
  dirName,
  joinPath,
  parseIgnoreFile,
  PatternMatcher,
  tryParseSymbolicMode,
} from "./index.ts";

void test("patterns: order, exclusions, parents", () => {
  const table: [string[], string, boolean][] = [
    [["a"], "a/b", true],
    [["a"], "b/a", false],
    [["**/a"], "b/c/a", true],
    [["*.md", "!README.md"], "README.md", false],
    [["*.md", "!README.md", "README*"], "README.md", true],
    [["d", "!d/keep"], "d/keep", false],
    [["d", "!d/keep"], "d/keep/x", false],
    [["a/**"], "a/b/c", true],
    [["a?c"], "a/c", false],
    [["[a-c]x"], "bx", true],
    [["日*"], "日本", true],
  ];
  for (const [patterns, path, expected] of table) {
    const matcher = new PatternMatcher(patterns);
    assert.equal(matcher.matchesOrParentMatches(path), expected, `${patterns.join()} ${path}`);
  }
});

void test("patterns: what is refused", () => {
  for (const bad of ["[", "a[", "[]", "[a-]", "a\\"]) {
    assert.throws(() => new PatternMatcher([bad]), { code: "BAD_PATTERN", message: "syntax error in pattern" }, bad);
  }
  assert.throws(() => new PatternMatcher(["!"]), { message: 'illegal exclusion pattern: "!"' });
  // Accepted by the syntax check, refused by the expression it becomes.
  assert.throws(() => new PatternMatcher(["*\\y"]).matchesOrParentMatches("a"), { code: "BAD_PATTERN" });
});

void test("patterns: a hostile pattern costs no more than the path is long", () => {
  const matcher = new PatternMatcher([`${"*a".repeat(40)}b`]);
  assert.equal(matcher.matchesOrParentMatches("a".repeat(20_000)), false);
});

void test("a walk hands results down; results of another matcher are refused", () => {
  const matcher = new PatternMatcher(["d", "!d/a"]);
  const parent = matcher.matchesUsingParentResults("d");
  assert.equal(parent.matched, true);
  assert.equal(matcher.matchesUsingParentResults("d/a", parent.info).matched, false);
  assert.equal(matcher.matchesUsingParentResults("d/b", parent.info).matched, true);
  assert.throws(
    () => new PatternMatcher(["x", "y", "z"]).matchesUsingParentResults("d/a", parent.info),
    /another matcher/,
  );
});

void test("ignore files: comments, blanks, exclusions, absolute paths, byte order mark", () => {
  const text = "\ufeff# no\n\n /abs/ \r\n! keep \nb/../c\n!\n#x";
  assert.deepEqual(parseIgnoreFile(new TextEncoder().encode(text)), ["abs", "!keep", "c", "!"]);
  assert.throws(() => parseIgnoreFile("x".repeat(70_000)), { code: "LINE_TOO_LONG" });
});

void test("paths as Go cleans them", () => {
  for (const [path, clean] of [
    ["", "."],
    ["a//b/", "a/b"],
    ["/../a", "/a"],
    ["../a/..", ".."],
    ["/", "/"],
    ["./", "."],
  ] as const) {
    assert.equal(cleanPath(path), clean, path);
  }
  assert.equal(joinPath("", "/", "a", "../b"), "/b");
  assert.equal(joinPath("", ""), "");
  assert.equal(baseName("/a/b//"), "b");
  assert.equal(baseName("//"), "/");
  assert.equal(dirName("a"), ".");
  assert.equal(dirName("/a/b"), "/a");
});

void test("symbolic modes", () => {
  const table: [string, number, boolean, number][] = [
    ["u=rwx,go=rX", 0o600, true, 0o755],
    ["a+X", 0o644, false, 0o644],
    ["a+X", 0o744, false, 0o755],
    ["go=u-w", 0o750, false, 0o755],
    ["u+s", 0o755, false, 0o4755],
    ["-x", 0o777, false, 0o666],
    ["0755", 0, false, 0o755],
  ];
  for (const [text, mode, isDirectory, expected] of table) {
    assert.equal(tryParseSymbolicMode(text)!(mode, isDirectory).toString(8), expected.toString(8), text);
  }
  for (const bad of ["", "u", "z+x", "u+z", "u=x,", "8"]) assert.equal(tryParseSymbolicMode(bad), undefined, bad);
});
