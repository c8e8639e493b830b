// Git identifiers and keys, and what must never reach a command line.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gitCacheKey, gitHost, isCommit, parseGitIdentifier } from "./git-identifier.ts";

const commit = "a".repeat(40);
const tag = "b".repeat(40);

test("remote, ref and subdir", () => {
  const cases: [identifier: string, attrs: Record<string, string>, remote: string, ref: string, subdir: string][] = [
    ["git://github.com/a/b.git", {}, "https://github.com/a/b.git", "", ""],
    ["git://github.com/a/b.git#main:x/y", {}, "https://github.com/a/b.git", "main", "x/y"],
    ["git://h/b.git#:x", { "git.fullurl": "http://h:8080/b.git" }, "http://h:8080/b.git", "", "x"],
    ["git://h/b.git", { "git.fullurl": "git@h:b.git" }, "git@h:b.git", "", ""],
    ["git://h/b.git", { "git.fullurl": "ssh://git@h/b.git" }, "ssh://git@h/b.git", "", ""],
    // What is no address of a transport is one of https: nothing names a file of the builder.
    ["git://h/b.git", { "git.fullurl": "/etc" }, "https:///etc", "", ""],
    ["git://h/b.git", { "git.fullurl": "file:///etc" }, "https://file:///etc", "", ""],
    ["git://h/b.git", { "git.fullurl": "ext::sh -c x".replaceAll(" ", "") }, "https://ext::sh-cx", "", ""],
    ["git://h/b.git", { "git.fullurl": "-oProxyCommand=x@h:b" }, "https://-oProxyCommand=x@h:b", "", ""],
  ];
  for (const [identifier, attrs, remote, ref, subdir] of cases) {
    const id = parseGitIdentifier(identifier, attrs);
    assert.deepEqual([id.remote, id.ref, id.subdir], [remote, ref, subdir], identifier);
  }
  assert.equal(gitHost("https://user:pass@h:8080/x"), "h:8080");
  assert.equal(gitHost("git@h:x"), undefined);
});

test("refs that git could take for something else are refused", () => {
  for (const ref of [
    "--upload-pack=x",
    "-x",
    "a b",
    "a\nb",
    "a..b",
    "a~1",
    "a^{}",
    "a*",
    "a[b",
    "a?b",
    "a@{1}",
    "a\\b",
  ])
    assert.throws(() => parseGitIdentifier(`git://h/b.git#${ref}`, {}), { code: "INVALID_GIT_REF" }, ref);
  assert.throws(() => parseGitIdentifier("git://h/b\n.git", {}), { code: "INVALID_LLB" });
  assert.throws(() => parseGitIdentifier("git://h/b.git", { "git.checksum": "xyz" }), { code: "INVALID_LLB" });
  for (const key of ["git.sig.pubkey", "git.bundle", "git.checkoutbundle"])
    assert.throws(() => parseGitIdentifier("git://h/b.git", { [key]: "x" }), { code: "UNSUPPORTED" });
});

test("cache keys are BuildKit's", () => {
  const key = (
    fragment: string,
    attrs: Record<string, string>,
    resolved: { ref: string; tagged?: string; hash?: string },
  ) =>
    gitCacheKey(parseGitIdentifier(`git://h/b.git${fragment}`, attrs), {
      ref: resolved.ref,
      hash: resolved.hash ?? commit,
      tagged: resolved.tagged,
    });
  const main = { ref: "refs/heads/main" };
  assert.equal(key("", {}, main), commit);
  assert.equal(key("#main:x", {}, main), `${commit}:x`);
  assert.equal(key("", { "git.keepgitdir": "true" }, main), `${commit}.git#refs/heads/main`);
  assert.equal(key(`#${commit}`, { "git.keepgitdir": "true" }, { ref: commit }), `${commit}.git#${commit}`);
  const heavy = { ref: "refs/tags/v1", hash: tag, tagged: commit };
  assert.equal(key("#v1", {}, heavy), commit);
  assert.equal(key("#v1", { "git.keepgitdir": "true" }, heavy), `${tag}.git#refs/tags/v1`);
  assert.equal(
    key("#:x", { "git.skipsubmodules": "true", "git.mtime": "commit" }, main),
    `${commit}:x(skip-submodules)(mtime=commit)`,
  );
  assert.deepEqual(
    [isCommit(commit), isCommit("a".repeat(64)), isCommit("a".repeat(39)), isCommit("main")],
    [true, true, false, false],
  );
});
