import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import * as linux from "./index.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-linux-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));

void test("paths are resolved inside the root", () => {
  const root = join(dir, "root");
  fs.mkdirSync(join(root, "etc/deep"), { recursive: true });
  fs.symlinkSync("/etc", join(root, "absolute"));
  fs.symlinkSync("../../../etc/deep", join(root, "etc/climb"));
  const fd = fs.openSync(root, fs.constants.O_RDONLY);
  const where = (path: linux.Path, options?: linux.OpenInOptions): string => {
    const opened = linux.openIn(fd, path, options);
    try {
      return fs.readlinkSync(`/proc/self/fd/${opened}`);
    } finally {
      fs.closeSync(opened);
    }
  };
  assert.equal(where("absolute/deep"), join(root, "etc/deep"));
  assert.equal(where(Buffer.from("etc/climb")), join(root, "etc/deep"));
  assert.equal(where("../../.."), root);
  assert.equal(where(""), root);
  assert.throws(() => where("etc/none"), { code: "ENOENT", syscall: "openat2", path: "etc/none" });
  assert.throws(() => where("../x", { resolve: "beneath" }), { code: "EXDEV" });
  assert.throws(() => where("a\0b"), { code: "EINVAL" });
  fs.closeSync(fd);
});

void test("exchange and no-replace", () => {
  const [one, two] = [join(dir, "one"), join(dir, "two")];
  fs.writeFileSync(one, "1");
  fs.writeFileSync(two, "2");
  linux.renameWith(one, two, "exchange");
  assert.equal(fs.readFileSync(one, "utf8"), "2");
  assert.throws(() => linux.renameWith(one, two, "noreplace"), { code: "EEXIST" });
});

void test("times to the nanosecond, before 1970 too, on links themselves", () => {
  const link = join(dir, "link");
  fs.symlinkSync("nowhere", link);
  linux.setTimes(link, 1_500_000_000_123_456_789n, -1n);
  const stat = fs.lstatSync(link, { bigint: true });
  assert.equal(stat.atimeNs, 1_500_000_000_123_456_789n);
  assert.equal(stat.mtimeNs, -1n);
});

void test("xattrs", () => {
  const file = join(dir, "attributes");
  fs.writeFileSync(file, "");
  linux.setXattr(file, "user.one", Buffer.from([0, 1]));
  linux.setXattr(file, "user.empty", Buffer.alloc(0));
  assert.deepEqual(linux.listXattrs(file).toSorted(), ["user.empty", "user.one"]);
  assert.deepEqual(linux.getXattr(file, "user.one"), Buffer.from([0, 1]));
  assert.deepEqual(linux.getXattr(file, "user.empty"), Buffer.alloc(0));
  assert.equal(linux.getXattr(file, "user.none"), undefined);
  linux.removeXattr(file, "user.one");
  linux.removeXattr(file, "user.one");
  assert.deepEqual(linux.listXattrs(file), ["user.empty"]);
  assert.throws(() => linux.getXattr(join(dir, "no"), "user.one"), { code: "ENOENT" });
});

void test("copying inside the kernel", () => {
  fs.writeFileSync(join(dir, "source"), "x".repeat(100_000));
  const from = fs.openSync(join(dir, "source"), "r");
  const to = fs.openSync(join(dir, "target"), "w");
  let copied = 0;
  for (let size = 1; size > 0; copied += size) size = linux.copyFileRange(from, to, 1 << 30);
  fs.closeSync(from);
  fs.closeSync(to);
  assert.equal(copied, 100_000);
  assert.deepEqual(fs.readFileSync(join(dir, "target")), fs.readFileSync(join(dir, "source")));
});

void test("locks exclude other openings of the file", () => {
  const [one, two] = [fs.openSync(join(dir, "lock"), "w"), fs.openSync(join(dir, "lock"), "w")];
  assert.equal(linux.lockFile(one, "exclusive"), true);
  assert.equal(linux.lockFile(two, "shared"), false);
  assert.equal(linux.lockFile(one, "none"), true);
  assert.equal(linux.lockFile(two, "shared"), true);
  fs.closeSync(one);
  fs.closeSync(two);
});

void test("device numbers", () => {
  for (const [major, minor] of [
    [0, 0],
    [1, 3],
    [259, 65_537],
    [4095, 1_048_575],
  ] as const) {
    assert.deepEqual(linux.splitDevice(linux.makeDevice(major, minor)), { major, minor });
  }
  linux.makeNode(join(dir, "fifo"), 0o010644);
  assert.ok(fs.lstatSync(join(dir, "fifo")).isFIFO());
  linux.makeNode(join(dir, "whiteout"), 0o020000);
  const stat = fs.lstatSync(join(dir, "whiteout"));
  assert.ok(stat.isCharacterDevice());
  assert.equal(stat.rdev, 0);
});

void test("mountinfo", () => {
  const line =
    "36 35 98:0 /mnt1 /mnt\\0402/\\303\\244 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\nnonsense\n";
  assert.deepEqual(linux.parseMounts(line), [
    {
      id: 36,
      parent: 35,
      device: "98:0",
      root: "/mnt1",
      mountPoint: "/mnt 2/ä",
      options: "rw,noatime",
      type: "ext3",
      source: "/dev/root",
      superOptions: "rw,errors=continue",
    },
  ]);
  assert.ok(linux.readMounts().some((mount) => mount.mountPoint === "/"));
});

function canMount(t: TestContext): boolean {
  const probe = join(dir, "probe");
  fs.mkdirSync(probe);
  try {
    linux.mount("tmpfs", probe, "tmpfs", 0);
    linux.unmount(probe);
    return true;
  } catch (error) {
    t.skip(`mounting is refused here: ${(error as Error).message}`);
    return false;
  }
}

void test("bind mounts and overlays, long chains and odd names included", (t) => {
  if (!canMount(t)) return;
  const target = join(dir, "target-dir");
  fs.mkdirSync(target);
  fs.mkdirSync(join(dir, "bound"));
  fs.writeFileSync(join(dir, "bound/file"), "here");
  linux.bindMount(join(dir, "bound"), target, { readOnly: true });
  try {
    assert.equal(fs.readFileSync(join(target, "file"), "utf8"), "here");
    assert.throws(() => fs.writeFileSync(join(target, "new"), ""), { code: "EROFS" });
  } finally {
    assert.equal(linux.unmount(target), true);
  }
  assert.equal(linux.unmount(target), false);

  for (const count of [2, 130]) {
    const base = join(dir, `layers:${count},odd`);
    const lower = Array.from({ length: count }, (_, index) => {
      const layer = join(base, `a-rather-long-directory-name-for-a-layer-${index}`);
      fs.mkdirSync(layer, { recursive: true });
      fs.writeFileSync(join(layer, `file-${index}`), `${index}`);
      fs.writeFileSync(join(layer, "same"), `${index}`);
      return layer;
    });
    const [upper, work] = [join(base, "upper"), join(base, "work")];
    fs.mkdirSync(upper);
    fs.mkdirSync(work);
    linux.mountOverlay(target, { lower, upper, work });
    try {
      assert.equal(fs.readdirSync(target).length, count + 1);
      assert.equal(fs.readFileSync(join(target, "same"), "utf8"), `${count - 1}`);
      fs.writeFileSync(join(target, "new"), "");
    } finally {
      linux.unmount(target);
    }
    assert.deepEqual(fs.readdirSync(upper), ["new"]);
    linux.mountOverlay(target, { lower });
    try {
      assert.throws(() => fs.writeFileSync(join(target, "new"), ""), { code: "EROFS" });
    } finally {
      linux.unmount(target);
    }
  }
});
