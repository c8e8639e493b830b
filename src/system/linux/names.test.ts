// Copies made by name: everything of a small file, or nothing at all.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { canReadNames, NameReader, setTimes, setXattr, tryOpenFolder } from "./index.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-names-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
const from = join(dir, "from");
const to = join(dir, "to");
fs.mkdirSync(from);
fs.mkdirSync(to);
const skip = process.geteuid?.() === 0 && canReadNames() ? false : "only root may give files away";
const KEEP = { owner: undefined, timeNs: undefined };

/** Copies one name; the mode is that of the file where none is given. */
function copy(
  name: string,
  metadata: Partial<Parameters<NameReader["copy"]>[3]> = {},
  folder = to,
  meanwhile: () => void = () => undefined,
): boolean {
  const bytes = Buffer.from(`x\0${name}\0`);
  const reader = new NameReader(bytes);
  const [source, target] = [tryOpenFolder(from), tryOpenFolder(folder)];
  try {
    assert.ok(reader.look(source, 2));
    meanwhile();
    return reader.copy(source, 2, target, { mode: reader.mode & 0o7777, ...KEEP, ...metadata });
  } finally {
    fs.closeSync(source);
    fs.closeSync(target);
  }
}

void test("contents, mode, owner and times", { skip }, () => {
  const times: readonly (readonly [bigint, bigint])[] = [
    [1_700_000_000_123_456_789n, 5_000_000_001n],
    [-1n, -1_234_567_891n],
  ];
  for (const [at, [atimeNs, mtimeNs]] of times.entries()) {
    fs.writeFileSync(join(from, `f${at}`), `contents ${at}`, { mode: 0o640 });
    fs.chmodSync(join(from, `f${at}`), 0o4751);
    // Reading leaves an access time alone that is later than the others.
    setTimes(join(from, `f${at}`), atimeNs, mtimeNs);
    assert.equal(copy(`f${at}`, { owner: { uid: 5, gid: 6 } }), true);
    const { mode, uid, gid, atimeNs: atime, mtimeNs: mtime } = fs.statSync(join(to, `f${at}`), { bigint: true });
    assert.deepEqual([mode & 0o7777n, uid, gid, atime, mtime], [0o4751n, 5n, 6n, atimeNs, mtimeNs]);
    assert.equal(fs.readFileSync(join(to, `f${at}`), "utf8"), `contents ${at}`);
  }
  fs.writeFileSync(join(from, "empty"), "");
  for (const timeNs of [7n, -7_000_000_001n]) {
    assert.equal(copy("empty", { mode: 0o600, timeNs }), true);
    const stat = fs.statSync(join(to, "empty"), { bigint: true });
    assert.deepEqual([stat.mode & 0o7777n, stat.size, stat.atimeNs, stat.mtimeNs], [0o600n, 0n, timeNs, timeNs]);
    fs.rmSync(join(to, "empty"));
  }
});

void test("what can't be copied like this is left as it was", { skip }, () => {
  fs.writeFileSync(join(from, "there"), "new");
  fs.writeFileSync(join(to, "there"), "old");
  assert.equal(copy("there"), false);
  assert.equal(fs.readFileSync(join(to, "there"), "utf8"), "old");
  fs.rmSync(join(to, "there"));
  fs.symlinkSync(join(dir, "elsewhere"), join(to, "there"));
  assert.equal(copy("there"), false);
  assert.equal(fs.existsSync(join(dir, "elsewhere")), false);
  fs.writeFileSync(join(from, "large"), Buffer.alloc(256 * 1024));
  fs.writeFileSync(join(from, "attributes"), "a");
  setXattr(join(from, "attributes"), "user.known", Buffer.from("a"));
  for (const name of ["large", "attributes"]) assert.equal(copy(name), false);
  const path = join(from, "changes");
  const changes: readonly (() => void)[] = [
    () => fs.appendFileSync(path, "more"),
    () => fs.truncateSync(path, 1),
    () => fs.rmSync(path),
    () => {
      fs.rmSync(path);
      fs.symlinkSync("large", path);
    },
    () => {
      fs.rmSync(path);
      execFileSync("mkfifo", [path]);
    },
  ];
  for (const change of changes) {
    fs.rmSync(path, { force: true });
    fs.writeFileSync(path, "some");
    assert.equal(copy("changes", {}, to, change), false);
  }
  assert.deepEqual(
    fs.readdirSync(to).filter((name) => !/^f\d$/.test(name)),
    ["there"],
  );
  assert.equal(tryOpenFolder(path), -1);
  assert.equal(tryOpenFolder(join(dir, "none")), -1);
});

void test("nothing stays of a copy for which there is no room", { skip }, () => {
  const full = join(dir, "full");
  fs.mkdirSync(full);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", full]);
  try {
    fs.writeFileSync(join(from, "much"), Buffer.alloc(60_000));
    assert.equal(copy("much", {}, full), false);
    assert.deepEqual(fs.readdirSync(full), []);
    assert.equal(copy("f0", {}, full), true);
  } finally {
    execFileSync("umount", [full]);
  }
});
