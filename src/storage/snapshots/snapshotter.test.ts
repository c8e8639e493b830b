// One conformance suite for both snapshotters.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { readMounts, setXattr, getXattr, makeNode } from "../../system/linux/index.ts";
import { directJobs, openSnapshotter, type Snapshotter } from "./index.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-snapshots-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
let roots = 0;

/** Everything below a folder: path -> kind, mode, owner, time, content. */
function describe(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of fs.readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted()) {
    const full = join(root, path);
    const stat = fs.lstatSync(full, { bigint: true });
    const owner = `${(Number(stat.mode) & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`;
    if (stat.isSymbolicLink()) found[path] = `-> ${fs.readlinkSync(full)}`;
    else if (stat.isDirectory()) found[path] = `dir ${owner}`;
    else if (stat.isFile()) found[path] = `file ${owner} ${stat.mtimeNs} ${fs.readFileSync(full, "latin1")}`;
    else found[path] = stat.isCharacterDevice() && stat.rdev === 0n ? "whiteout" : `node ${owner}`;
  }
  return found;
}

function conformance(kind: "overlay" | "copy"): void {
  async function open(t: TestContext): Promise<{ snapshotter: Snapshotter; root: string } | undefined> {
    const base = join(dir, `${kind}-${roots++}`);
    const options = { root: join(base, "snapshots"), runDir: join(base, "run/1"), processId: "p1", jobs: directJobs() };
    if (kind === "overlay") {
      const chosen = await openSnapshotter(options);
      if (chosen.kind !== "overlay") {
        t.skip("overlays cannot be mounted here");
        return undefined;
      }
      return { snapshotter: chosen, root: options.root };
    }
    return { snapshotter: await openSnapshotter({ ...options, kind }), root: options.root };
  }

  async function layer(
    snapshotter: Snapshotter,
    below: readonly string[],
    change: (path: string) => void,
  ): Promise<string> {
    await using active = await snapshotter.prepare(below);
    change(active.path);
    const { layer: id, sizeBytes } = await snapshotter.commit(active);
    assert.ok(sizeBytes >= 0);
    return id;
  }

  function base(path: string): void {
    fs.mkdirSync(join(path, "dir/sub"), { recursive: true });
    fs.writeFileSync(join(path, "dir/a"), "a");
    fs.writeFileSync(join(path, "dir/sub/b"), "b");
    fs.writeFileSync(join(path, "file"), "file");
    fs.symlinkSync("dir/a", join(path, "link"));
    fs.linkSync(join(path, "file"), join(path, "hard"));
    fs.mkdirSync(join(path, "old"));
    fs.writeFileSync(join(path, "old/inside"), "x");
    fs.mkdirSync(join(path, "same"));
    fs.writeFileSync(join(path, "same/untouched"), "x");
    fs.chownSync(join(path, "dir"), 12, 34);
    fs.chmodSync(join(path, "dir/a"), 0o4750);
    makeNode(join(path, "fifo"), 0o010600);
    setXattr(join(path, "file"), "user.kept", Buffer.from("v"));
  }

  void test(`${kind}: changes become layers of overlay form; views show them merged`, async (t) => {
    const opened = await open(t);
    if (opened === undefined) return;
    await using snapshotter = opened.snapshotter;
    const one = await layer(snapshotter, [], base);
    const two = await layer(snapshotter, [one], (path) => {
      fs.rmSync(join(path, "file"));
      fs.rmSync(join(path, "old"), { recursive: true });
      fs.mkdirSync(join(path, "old"));
      fs.writeFileSync(join(path, "old/new"), "y");
      fs.writeFileSync(join(path, "dir/sub/b"), "B");
      fs.chmodSync(join(path, "dir/a"), 0o600);
      fs.mkdirSync(join(path, "made"));
      fs.writeFileSync(join(path, "made/by"), "two");
    });
    const strip = (found: Record<string, string>): Record<string, string> =>
      Object.fromEntries(Object.entries(found).map(([path, text]) => [path, text.replace(/ \d{10,} /, " ")]));
    const upper = strip(describe(snapshotter.fsDir(two)));
    // Copies keep more where an inode was reused or a link's count changed; the merged tree is the same.
    if (kind === "copy") {
      delete upper["hard"];
      delete upper["old/inside"];
    }
    assert.deepEqual(upper, {
      dir: "dir 755 12:34",
      "dir/a": "file 600 0:0 a",
      "dir/sub": "dir 755 0:0",
      "dir/sub/b": "file 644 0:0 B",
      file: "whiteout",
      made: "dir 755 0:0",
      "made/by": "file 644 0:0 two",
      old: "dir 755 0:0",
      "old/new": "file 644 0:0 y",
    });
    if (kind === "overlay") {
      assert.equal(getXattr(join(snapshotter.fsDir(two), "old"), "trusted.overlay.opaque")?.toString(), "y");
    }
    await using view = await snapshotter.view([one, two]);
    const merged = strip(describe(view.path));
    assert.deepEqual(Object.keys(merged), [
      "dir",
      "dir/a",
      "dir/sub",
      "dir/sub/b",
      "fifo",
      "hard",
      "link",
      "made",
      "made/by",
      "old",
      "old/new",
      "same",
      "same/untouched",
    ]);
    assert.equal(merged["dir/sub/b"], "file 644 0:0 B");
    assert.equal(getXattr(join(view.path, "hard"), "user.kept")?.toString(), "v");
    await using lone = await snapshotter.view([two]);
    assert.equal(fs.existsSync(join(lone.path, "file")), false);
    await using again = await snapshotter.view([one, two]);
    assert.equal(again.path, view.path);
    await using merge = await snapshotter.view([two, one]);
    assert.equal(fs.readFileSync(join(merge.path, "file"), "utf8"), "file");
    assert.equal(fs.readFileSync(join(merge.path, "made/by"), "utf8"), "two");
  });

  void test(`${kind}: moved folders, replaced kinds and times survive`, async (t) => {
    const opened = await open(t);
    if (opened === undefined) return;
    await using snapshotter = opened.snapshotter;
    const one = await layer(snapshotter, [], base);
    const two = await layer(snapshotter, [one], (path) => {
      spawnSync("mv", [join(path, "dir"), join(path, "moved")]);
      fs.rmSync(join(path, "link"));
      fs.mkdirSync(join(path, "link"));
      fs.rmSync(join(path, "same"), { recursive: true });
      fs.writeFileSync(join(path, "same"), "now a file");
      fs.utimesSync(join(path, "file"), 1000, 1000);
    });
    await using view = await snapshotter.view([one, two]);
    const found = describe(view.path);
    assert.deepEqual(Object.keys(found), [
      "fifo",
      "file",
      "hard",
      "link",
      "moved",
      "moved/a",
      "moved/sub",
      "moved/sub/b",
      "old",
      "old/inside",
      "same",
    ]);
    assert.equal(found["moved"], "dir 755 12:34");
    assert.match(found["moved/a"]!, /^file 4750 0:0 \d+ a$/);
    assert.equal(found["file"], "file 644 0:0 1000000000000 file");
    assert.equal(found["link"], "dir 755 0:0");
  });

  void test(`${kind}: what is not committed is gone; removal; repair; leaks`, async (t) => {
    const opened = await open(t);
    if (opened === undefined) return;
    const { snapshotter, root } = opened;
    const fds = fs.readdirSync("/proc/self/fd").length;
    {
      await using owned = snapshotter;
      const one = await layer(owned, [], base);
      {
        await using dropped = await owned.prepare([one]);
        fs.writeFileSync(join(dropped.path, "x"), "");
        assert.equal(fs.readdirSync(root).length, 2);
      }
      assert.deepEqual(fs.readdirSync(root), [one]);
      const forgotten = await owned.prepare([one]);
      assert.ok(fs.existsSync(forgotten.path));
      {
        await using staged = await owned.stage();
        fs.writeFileSync(join(staged.fsDir, "s"), "");
        await staged.commit("chosen-id");
      }
      assert.ok(owned.has("chosen-id"));
      {
        await using second = await owned.stage();
        await second.commit("chosen-id");
      }
      assert.ok(fs.existsSync(join(owned.fsDir("chosen-id"), "s")));
      await owned.remove("chosen-id");
      await owned.remove("chosen-id");
      assert.deepEqual(await owned.list().then((ids) => ids.filter((id) => !id.startsWith("tmp-"))), [one]);
      assert.ok((await owned.usage(one)) > 0);
      await assert.rejects(owned.prepare(["chosen-id"]), { code: "LAYER_GONE" });
      await assert.rejects(owned.view(["chosen-id"]), { code: "LAYER_GONE" });
      assert.throws(() => owned.fsDir("../x"), /not a layer id/);
      fs.mkdirSync(join(root, "tmp-gone-1/fs/deep"), { recursive: true });
      fs.mkdirSync(join(root, "tmp-alive-1/fs"), { recursive: true });
      fs.mkdirSync(join(root, "tmp-alive-probe-1/fs"), { recursive: true });
      fs.mkdirSync(join(root, "probe-alive/fs"), { recursive: true });
      fs.mkdirSync(join(root, "probe-gone/fs"), { recursive: true });
      fs.mkdirSync(join(root, "tmp-gone-probe-1/fs"), { recursive: true });
      await owned.repair(["alive"]);
      assert.deepEqual(await owned.list(), [one]);
      assert.ok(fs.existsSync(join(root, "tmp-alive-probe-1")) && fs.existsSync(join(root, "probe-alive")));
      assert.ok(!fs.existsSync(join(root, "tmp-gone-probe-1")) && !fs.existsSync(join(root, "probe-gone")));
      assert.ok(fs.existsSync(join(root, "tmp-alive-1")));
      assert.ok(!fs.existsSync(join(root, "tmp-gone-1")));
      assert.ok(fs.existsSync(forgotten.path));
    }
    assert.deepEqual(
      readMounts().filter((mount) => mount.mountPoint.startsWith(root)),
      [],
    );
    assert.equal(fs.readdirSync(root).filter((name) => name.startsWith("tmp-p1")).length, 0);
    assert.equal(fs.readdirSync("/proc/self/fd").length, fds);
  });
}

conformance("overlay");
conformance("copy");
