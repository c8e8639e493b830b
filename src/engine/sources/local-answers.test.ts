import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, mock, test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LocalAnswers } from "./local-answers.ts";
import type { LocalFilter } from "./local-filter.ts";
import { hashLocal, type HashLocalInput, recallLocal } from "./local-jobs.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-answers-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
let count = 0;
const now = Date.now.bind(Date);

/** A folder, and the questions whether anything is remembered of it, and what is true. */
function folder(context: TestContext, local: LocalFilter = {}, paths: readonly string[] = ["/"]) {
  // What was just written counts as old, so that it is remembered.
  mock.restoreAll();
  mock.method(Date, "now", () => now() + 60_000);
  context.after(() => mock.restoreAll());
  const root = join(dir, `t${count++}`);
  fs.mkdirSync(join(root, "d/deep"), { recursive: true });
  for (const path of ["a", "d/b", "d/deep/c", "d/left-out"]) fs.writeFileSync(join(root, path), path);
  fs.symlinkSync("d/b", join(root, "link"));
  const input: HashLocalInput = {
    source: { root, local },
    groups: paths.map((path) => [{ path, followLinks: true }]),
    cacheDir: join(root, "../cache"),
  };
  const truth = () => hashLocal({ ...input, cacheDir: undefined });
  /** What is remembered of all, where all of it is. */
  const recalled = () => {
    const outcomes = recallLocal(input);
    return outcomes.some((outcome) => typeof outcome === "string") ? "changed" : outcomes;
  };
  return {
    root,
    input,
    truth,
    recalled,
    /** Changes something in a tick of the clock of its own; whether what was remembered still counts as good. */
    isKeptAfter: async (change: () => void): Promise<boolean> => {
      hashLocal(input);
      assert.deepEqual(recalled(), truth());
      await sleep(20);
      change();
      const after = recalled();
      if (after !== "changed") assert.deepEqual(after, truth());
      assert.deepEqual(hashLocal(input), truth());
      return after !== "changed";
    },
  };
}

void test("answers are given again while nothing has changed, to the same questions", (context) => {
  const { input, truth } = folder(context, {}, ["/", "/d/deep"]);
  assert.deepEqual(recallLocal(input), ["changed", "changed"]);
  const outcomes = hashLocal(input);
  assert.deepEqual(outcomes, truth());
  assert.deepEqual(recallLocal(input), outcomes);
  assert.deepEqual(recallLocal(input, 0), ["large", "large"]);
  const ofA = [{ path: "/a" }];
  assert.deepEqual(recallLocal({ ...input, groups: [ofA, input.groups[0]!] }), ["changed", outcomes[0]]);
  assert.deepEqual(recallLocal({ ...input, source: { ...input.source, local: { excludePatterns: ["a"] } } }), [
    "changed",
    "changed",
  ]);
  assert.deepEqual(recallLocal({ ...input, cacheDir: undefined }), ["changed", "changed"]);
});

void test("a change of what one step reads leaves the others' answers", async (context) => {
  const { root, input, truth } = folder(context, {}, ["/a", "/d/deep", "/"]);
  const before = hashLocal(input);
  await sleep(20);
  fs.writeFileSync(join(root, "d/deep/c"), "else");
  assert.deepEqual(recallLocal(input), [before[0], "changed", "changed"]);
  const after = hashLocal(input);
  assert.deepEqual(after, truth());
  assert.notDeepEqual(after[1], before[1]);
  assert.deepEqual(recallLocal(input), after);
});

void test("any change of what counts is seen", async (context) => {
  const { root, isKeptAfter } = folder(context);
  const at = (path: string) => join(root, path);
  const changes: Record<string, () => void> = {
    "contents of the same size and times": () => {
      const { atime, mtime } = fs.statSync(at("a"));
      fs.writeFileSync(at("a"), "A");
      fs.utimesSync(at("a"), atime, mtime);
    },
    "a mode": () => fs.chmodSync(at("d/deep/c"), 0o755),
    "a folder's mode": () => fs.chmodSync(at("d/deep"), 0o700),
    "a new file": () => fs.writeFileSync(at("d/deep/new"), ""),
    "a new folder": () => fs.mkdirSync(at("d/deep/folder")),
    "a file that goes": () => fs.rmSync(at("d/deep/new")),
    "a name": () => fs.renameSync(at("d/left-out"), at("d/left-over")),
    "a link's target": () => {
      fs.rmSync(at("link"));
      fs.symlinkSync("a", at("link"));
    },
    "a file that becomes a folder": () => {
      fs.rmSync(at("d/left-over"));
      fs.mkdirSync(at("d/left-over"));
    },
    "a folder that becomes a link": () => {
      fs.renameSync(at("d"), at("e"));
      fs.symlinkSync("e", at("d"));
    },
  };
  for (const [what, change] of Object.entries(changes)) assert.equal(await isKeptAfter(change), false, what);
});

void test("what does not count may change", async (context) => {
  const { root, isKeptAfter } = folder(context, { excludePatterns: ["d/left-out", "out"] });
  assert.equal(await isKeptAfter(() => fs.writeFileSync(join(root, "d/left-out"), "else")), true);
  fs.mkdirSync(join(root, "out"));
  assert.equal(await isKeptAfter(() => fs.writeFileSync(join(root, "out/new"), "")), true);
  const { root: other, ...asked } = folder(context, {}, ["/d/deep"]);
  assert.equal(await asked.isKeptAfter(() => fs.writeFileSync(join(other, "a"), "else")), true);
  assert.equal(await asked.isKeptAfter(() => fs.writeFileSync(join(other, "d/deep/c"), "else")), false);
});

void test("links on the way to what is asked for count", async (context) => {
  const { root, isKeptAfter } = folder(context, { followPaths: ["link", "w*"] }, ["/link"]);
  assert.equal(
    await isKeptAfter(() => {
      fs.rmSync(join(root, "link"));
      fs.symlinkSync("a", join(root, "link"));
    }),
    false,
  );
  assert.equal(await isKeptAfter(() => fs.symlinkSync("d", join(root, "way"))), false);
  assert.equal(await isKeptAfter(() => fs.writeFileSync(join(root, "d/deep/new"), "")), false);
});

void test("what changed just now, is on another file system or damaged is not remembered", (context) => {
  const { root, input, truth, recalled } = folder(context);
  mock.restoreAll();
  mock.method(Date, "now", () => fs.statSync(join(root, "a")).ctimeMs + 50);
  hashLocal(input);
  assert.equal(recalled(), "changed");
  mock.restoreAll();
  mock.method(Date, "now", () => now() + 60_000);

  const second = folder(context);
  const mounted = join(second.root, "mounted");
  fs.mkdirSync(mounted);
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", mounted]);
  try {
    hashLocal(second.input);
    assert.equal(second.recalled(), "changed");
  } finally {
    execFileSync("umount", [mounted]);
  }
  hashLocal(second.input);
  assert.deepEqual(recallLocal(second.input), second.truth());
  const answers = fs
    .globSync("*-*", { cwd: second.input.cacheDir! })
    .map((name) => join(second.input.cacheDir!, name))
    .sort((one, two) => fs.statSync(two).mtimeMs - fs.statSync(one).mtimeMs)[0]!;
  const whole = fs.readFileSync(answers);
  for (const bad of [whole.subarray(0, -1), Buffer.alloc(0), Buffer.concat([whole, whole]), whole.fill(1, 200, 201)]) {
    fs.writeFileSync(answers, bad);
    assert.equal(second.recalled(), "changed");
  }
  fs.rmSync(root, { recursive: true });
  assert.equal(recalled(), "changed");
  assert.throws(truth, { code: "CONTEXT_UNREADABLE" });
});

void test("node's own lstat tells the same where C can't be called", async (context) => {
  const { root, input, truth } = folder(context);
  const outcomes = hashLocal(input);
  assert.deepEqual(outcomes, truth());
  const answers = new LocalAnswers(input.cacheDir!, { ...input.source, root: fs.realpathSync(root) }, input.groups[0]!);
  const [first] = outcomes;
  const digests = first?.kind === "hashed" ? first.digests : undefined;
  for (const byAddress of [true, false]) assert.deepEqual(answers.recall(byAddress), digests);
  await sleep(20);
  fs.chmodSync(join(root, "d/deep/c"), 0o700);
  for (const byAddress of [true, false]) assert.equal(answers.recall(byAddress), undefined);
});

void test("a folder has a few sets of answers, the latest", (context) => {
  const { root, input } = folder(context);
  const asked = Array.from({ length: 40 }, (_, at) => ({ ...input, groups: [[{ path: `/${"d/".repeat(at)}../a` }]] }));
  for (const each of asked) hashLocal(each);
  const own = fs.readdirSync(input.cacheDir!).filter((name) => name.includes("-"));
  const byFolder = Map.groupBy(own, (name) => name.split("-")[0]!);
  for (const [, names] of byFolder) assert.ok(names.length <= 32, root);
});
