// Many files read by several threads: the digests of one thread, whatever a file is and whatever becomes of it or of who reads it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, mock, test } from "node:test";
import { hashTree, type HashRequest } from "../../storage/snapshots/index.ts";
import { setXattr } from "../../system/linux/index.ts";
import { directContext, errorFromFacts, type JobContext, WorkerPool } from "../../system/workers/index.ts";
import { engineWorkerEntry } from "../ports/index.ts";
import { hashLocal, recallLocal } from "./local-jobs.ts";
import { abandonSharedFiles, readAllFiles, readSharedFiles, shareFiles, type SharedFiles } from "./shared-digests.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-shared-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
const isRoot = process.geteuid?.() === 0;
const MANY = 2100;
const requests: HashRequest[] = [{ path: "/d" }];
let count = 0;

function makeTree(): string {
  const root = join(dir, `t${count++}`);
  const at = (path: string) => join(root, "d", path);
  for (let folder = 0; folder < 3; folder++) {
    fs.mkdirSync(at(`s${folder}/deep`), { recursive: true });
    for (let file = 0; file < MANY / 3; file++) fs.writeFileSync(at(`s${folder}/f${file}`), `${folder}/${file}`);
  }
  fs.writeFileSync(at("s0/empty"), "");
  fs.writeFileSync(at("s0/large"), Buffer.alloc(600_000, "large "));
  fs.writeFileSync(at("s0/a quarter"), Buffer.alloc(256 * 1024, "q"));
  fs.writeFileSync(Buffer.from(`${at("s1/")}\xff\xe4 name`, "latin1"), "bytes");
  fs.writeFileSync(at("s1/deep/zo\u00eb"), "deep", { mode: 0o600 });
  fs.writeFileSync(at("s1/attributes"), "with");
  setXattr(at("s1/attributes"), "user.known", Buffer.from("counts"));
  fs.symlinkSync("../s1/f7", at("s2/link"));
  fs.symlinkSync("nowhere", at("s2/dangling"));
  fs.linkSync(at("s2/f1"), at("s2/one-more-name"));
  fs.chmodSync(at("s2/f2"), 0o4755);
  execFileSync("mkfifo", [at("s2/fifo")]);
  return root;
}

/** Outcome of a first look at a folder; `meanwhile` is called when its names are known and nothing was read. */
function hash(root: string, meanwhile: (shared: SharedFiles) => void = () => undefined): readonly string[] {
  const context: JobContext = { aborted: () => false, progress: (value) => meanwhile(value as SharedFiles) };
  const [outcome] = hashLocal({ source: { root, local: {} }, groups: [requests] }, context);
  if (outcome!.kind === "failed") throw errorFromFacts(outcome!.error);
  return outcome!.digests;
}

void test("the digests are those of the files read one by one, whatever kinds they are", { skip: !isRoot }, () => {
  const root = makeTree();
  let shared: SharedFiles | undefined;
  const digests = hash(root, (value) => (shared = value));
  assert.deepEqual(digests, hashTree({ root, requests }));
  assert.ok(shared!.count > MANY);
  assert.deepEqual(new Set(new Uint8Array(shared!.states)), new Set([1]));
  fs.writeFileSync(join(root, "d/s1/f7"), "else");
  assert.notDeepEqual(hash(root), digests);
  assert.deepEqual(hash(root), hashTree({ root, requests }));
});

void test("what nobody asked for is not read, and few files are not shared", () => {
  const root = makeTree();
  const shares = (path: string, local = {}): number => {
    let files = 0;
    const context = { ...directContext(), progress: (value: unknown) => (files = (value as SharedFiles).count) };
    hashLocal({ source: { root, local }, groups: [[{ path }]] }, context);
    return files;
  };
  assert.equal(shares("/d/s0"), 0);
  assert.equal(shares("/d", { excludePatterns: ["d/s0/f*"] }), 0);
  assert.ok(shares("/d", { excludePatterns: ["d/s0/deep"] }) < shares("/d"));
});

void test("with a memory: by several threads at once, and remembered", { skip: !isRoot }, async (context) => {
  const now = Date.now.bind(Date);
  mock.method(Date, "now", () => now() + 60_000);
  context.after(() => mock.restoreAll());
  const root = makeTree();
  const cacheDir = join(dir, `cache${count}`);
  const input = { source: { root, local: {} }, groups: [requests], cacheDir };
  await using pool = new WorkerPool({ entry: engineWorkerEntry(), size: 2 });
  const helpers: Promise<void>[] = [];
  const alone = hashLocal(input, {
    ...directContext(),
    progress: (value) => {
      for (let helper = 0; helper < 2; helper++) helpers.push(pool.run<unknown, void>("readSharedFiles", value));
      // The first files are sure to be a helper's.
      const control = new Int32Array((value as SharedFiles).control);
      assert.notEqual(Atomics.wait(control, 2, 0, 60_000), "timed-out");
    },
  });
  await Promise.all(helpers);
  assert.deepEqual(alone, [{ kind: "hashed", digests: hashTree({ root, requests }) }]);
  assert.deepEqual(recallLocal(input), alone);
  fs.writeFileSync(join(root, "d/s2/f5"), "else");
  assert.deepEqual(recallLocal(input), ["changed"]);
  assert.deepEqual(hashLocal(input), [{ kind: "hashed", digests: hashTree({ root, requests }) }]);
});

void test("a file that goes, or becomes something else, before it is read", { skip: !isRoot }, () => {
  const root = makeTree();
  const file = join(root, "d/s1/f300");
  for (const become of [
    () => fs.symlinkSync("/etc/passwd", file),
    () => execFileSync("mkfifo", [file]),
    () => fs.writeFileSync(file, Buffer.alloc(300_000)),
  ]) {
    const digests = hash(root, () => {
      fs.rmSync(file);
      become();
    });
    assert.deepEqual(digests, hashTree({ root, requests }));
  }
  assert.throws(() => hash(root, () => fs.rmSync(file)), {
    code: "CONTEXT_UNREADABLE",
    message: `cannot read ${file} of the build context: no such file or directory`,
  });
  // Its folder a link that leads elsewhere: what was listed is not there.
  const folder = join(root, "d/s1");
  assert.throws(
    () =>
      hash(root, () => {
        fs.renameSync(folder, join(dir, `moved${count}`));
        fs.symlinkSync("/etc", folder);
      }),
    { code: "CONTEXT_UNREADABLE" },
  );
});

void test("who took files and never comes back is not waited for", () => {
  const root = join(dir, `t${count++}`);
  fs.mkdirSync(root);
  const paths = Array.from({ length: 300 }, (_, at) => `f${at}`);
  for (const path of paths) fs.writeFileSync(join(root, path), path);
  const shared = shareFiles(root, paths);
  Atomics.add(new Int32Array(shared.control), 0, 1);
  let asked = 0;
  const stop = { ...directContext(), aborted: () => ++asked > 175 };
  assert.throws(() => readAllFiles(shared, paths, stop), { name: "AbortError" });
  abandonSharedFiles(shared);
  const find = readAllFiles(shared, paths, directContext());
  assert.equal(find("f0"), undefined);
  assert.equal(find("none"), undefined);
  const { dev, ino, size, mtimeMs, ctimeMs } = fs.lstatSync(join(root, "f299"));
  assert.deepEqual(find("f299")?.stat, { dev, ino, size, mtimeMs, ctimeMs });
  const aborted = { ...directContext(), aborted: () => true };
  assert.throws(() => readSharedFiles(shareFiles(root, paths), aborted), { name: "AbortError" });
});
