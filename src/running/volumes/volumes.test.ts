// Volumes as folders: made, filled from an image once, in use, removed, pruned; paths of images and volumes are hostile.

import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { getXattr, setXattr, whileMaking } from "../../system/linux/index.ts";
import {
  checkMountSources,
  createVolume,
  dropUnborn,
  inspectVolume,
  listVolumes,
  planMounts,
  pruneVolumes,
  removeVolume,
} from "./index.ts";
import type { MountRequest } from "./types.ts";

let home: string;
let root: string;
let imageRoot: string;
const id = "a".repeat(64);
const asker = () => ({ root, containerId: id, imageRoot });
const ask = (name: string, target: string, more: object = {}): MountRequest => ({
  kind: "volume",
  name,
  target,
  readOnly: false,
  noCopy: false,
  ...more,
});

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "slipway-volumes-"));
  root = join(home, "state");
  imageRoot = join(home, "image");
  mkdirSync(join(root, "containers", id), { recursive: true });
  mkdirSync(join(imageRoot, "data/deep"), { recursive: true });
  writeFileSync(join(imageRoot, "data/deep/file"), "from the image");
  symlinkSync("deep/file", join(imageRoot, "data/link"));
  chownSync(join(imageRoot, "data/deep/file"), 1000, 1001);
  chmodSync(join(imageRoot, "data/deep/file"), 0o4750);
  utimesSync(join(imageRoot, "data/deep/file"), 1000, 2000);
  setXattr(join(imageRoot, "data/deep/file"), "user.note", Buffer.from("kept"));
  chownSync(join(imageRoot, "data"), 70, 71);
  chmodSync(join(imageRoot, "data"), 0o700);
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

test("first content comes from the image, owners, modes, times, links and attributes too; the second time nothing does", async () => {
  const [mount] = await planMounts([ask("db", "/data")], asker());
  const { source } = mount!;
  assert.equal(source, join(root, "volumes/db/_data"));
  const file = statSync(join(source, "deep/file"));
  assert.deepEqual([file.uid, file.gid, file.mode & 0o7777, file.mtimeMs], [1000, 1001, 0o4750, 2_000_000]);
  assert.equal(getXattr(join(source, "deep/file"), "user.note")?.toString(), "kept");
  assert.equal(readFileSync(join(source, "link"), "utf8"), "from the image");
  const folder = statSync(source);
  assert.deepEqual([folder.uid, folder.gid, folder.mode & 0o7777], [70, 71, 0o700]);
  rmSync(join(source, "link"));
  await planMounts([ask("db", "/data")], asker());
  assert.ok(!existsSync(join(source, "link")));
});

test("nocopy, a subpath, and folders that the image does not have leave a volume empty", async () => {
  const [one] = await planMounts([ask("one", "/data", { noCopy: true })], asker());
  const [two] = await planMounts([ask("two", "/nowhere")], asker());
  assert.deepEqual([readdirSync(one!.source), readdirSync(two!.source)], [[], []]);
});

test("a copy that was cut short is made again", async () => {
  createVolume(root, { name: "db" });
  writeFileSync(join(root, "volumes/db/copying"), "");
  writeFileSync(join(root, "volumes/db/_data/half"), "");
  const [mount] = await planMounts([ask("db", "/data")], asker());
  assert.deepEqual(readdirSync(mount!.source).toSorted(), ["deep", "link"]);
  assert.ok(!existsSync(join(root, "volumes/db/copying")));
});

test("links of the image are resolved inside it", async () => {
  symlinkSync("/data", join(imageRoot, "absolute"));
  symlinkSync("../../../../../../etc", join(imageRoot, "out"));
  const [one] = await planMounts([ask("one", "/absolute")], asker());
  assert.deepEqual(readdirSync(one!.source).toSorted(), ["deep", "link"]);
  const [two] = await planMounts([ask("two", "/out")], asker());
  assert.deepEqual(readdirSync(two!.source), []);
});

test("part of a volume: there, inside, and still so at the start", async () => {
  const [whole] = await planMounts([ask("db", "/data")], asker());
  const [part] = await planMounts([ask("db", "/x", { subpath: "deep" })], asker());
  assert.equal(part!.source, join(whole!.source, "deep"));
  checkMountSources([part!]);
  await assert.rejects(planMounts([ask("db", "/x", { subpath: "no" })], asker()), {
    message: "cannot access path no of the volume: no such file or directory",
  });
  await assert.rejects(
    planMounts([ask("db", "/x", { subpath: "../.." })], asker()),
    /must be a relative path within the volume/,
  );
  symlinkSync("/etc", join(whole!.source, "etc"));
  await assert.rejects(planMounts([ask("db", "/x", { subpath: "etc" })], asker()), {
    message: "cannot access path etc of the volume: it leads out of the volume",
  });
  rmSync(part!.source, { recursive: true });
  symlinkSync("/etc", part!.source);
  assert.throws(() => checkMountSources([part!]), { code: "MOUNT_SUBPATH" });
});

test("binds: missing folders are made for -v and refused for --mount", async () => {
  const request = { kind: "bind", target: "/x", readOnly: true } as const;
  const made = join(home, "made/deep");
  const [mount] = await planMounts([{ ...request, source: made, createSource: true }], asker());
  assert.ok(statSync(made).isDirectory());
  assert.deepEqual(mount!.options, ["rbind", "rprivate", "ro"]);
  await assert.rejects(planMounts([{ ...request, source: join(home, "no"), createSource: false }], asker()), {
    message: `invalid mount config for type "bind": bind source path does not exist: ${join(home, "no")}`,
  });
});

test("tmpfs options in order, unknown ones refused", async () => {
  const request = { kind: "tmpfs", target: "/t", readOnly: false } as const;
  const [mount] = await planMounts([{ ...request, sizeBytes: 4096, mode: 0o1770, options: "exec,uid=5" }], asker());
  assert.deepEqual(mount!.options, ["nosuid", "nodev", "noexec", "size=4096", "mode=1770", "exec", "uid=5"]);
  for (const options of ["what", "size", "size=", "exec=1", "context=x"]) {
    await assert.rejects(
      planMounts([{ ...request, options }], asker()),
      /^BuildError: invalid tmpfs option "/,
      options,
    );
  }
});

test("in use as long as a container has it; anonymous ones have long names", async () => {
  const [mount] = await planMounts([ask("", "/data")], asker());
  assert.match(mount!.volumeName!, /^[0-9a-f]{64}$/);
  assert.equal(mount!.anonymous, true);
  await planMounts([ask("db", "/data")], asker());
  assert.throws(() => removeVolume(root, "db"), {
    message: `remove db: volume is in use - [${id}]`,
    code: "VOLUME_IN_USE",
  });
  assert.deepEqual(await pruneVolumes(root, () => true), { names: [], sizeBytes: 0 });
  rmSync(join(root, "containers", id), { recursive: true });
  const { names, sizeBytes } = await pruneVolumes(root, ({ anonymous }) => anonymous);
  assert.deepEqual(names, [mount!.volumeName]);
  assert.ok(sizeBytes > 0);
  removeVolume(root, "db");
  assert.deepEqual(listVolumes(root), []);
  assert.throws(() => removeVolume(root, "db"), { message: "get db: no such volume" });
  assert.throws(() => inspectVolume(root, "../containers"), { code: "VOLUME_NOT_FOUND" });
});

test("names, drivers and options that are none", () => {
  const table: [Parameters<typeof createVolume>[1], RegExp][] = [
    [
      { name: "a/b" },
      /^create a\/b: "a\/b" includes invalid characters for a local volume name, only "\[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\]" are allowed\. If you intended to pass a host directory, use absolute path$/,
    ],
    [{ name: "a" }, /^create a: volume name is too short/],
    [{ name: ".." }, /includes invalid characters/],
    [{ name: "ab", driver: "nfs" }, /^create ab: error looking up volume plugin nfs: plugin "nfs" not found$/],
    [{ name: "ab", options: { what: "x" } }, /^create ab: invalid option: "what"$/],
    [
      { name: "ab", options: { type: "nfs", device: ":/x", o: "addr=1.2.3.4" } },
      /volumes of type nfs are not yet supported$/,
    ],
    [{ name: "ab", options: { type: "none", device: "/nowhere/x", o: "bind" } }, /no such file or directory$/],
  ];
  for (const [request, message] of table)
    assert.throws(() => createVolume(root, request), { message }, JSON.stringify(request));
});

test("a volume that stands for a folder of the machine is not filled, and its folder outlives it", async () => {
  const device = join(home, "device");
  mkdirSync(device);
  createVolume(root, { name: "dev", options: { type: "none", o: "bind", device } });
  const [mount] = await planMounts([ask("dev", "/data")], asker());
  assert.equal(mount!.source, device);
  assert.deepEqual(readdirSync(device), []);
  rmSync(join(root, "containers", id), { recursive: true });
  removeVolume(root, "dev");
  assert.ok(lstatSync(device).isDirectory());
});

test("a volume is there whole or not at all: what the killed left is cleared away, and in nobody's way", async () => {
  const volumes = join(root, "volumes");
  const left = [".new-1", ".new-2", ".removed-3"];
  for (const name of left) {
    mkdirSync(join(volumes, name, "_data/deep"), { recursive: true });
    writeFileSync(join(volumes, name, "config.json"), "{}");
  }
  // A removal by somebody who was killed, of a version that did not rename first.
  mkdirSync(join(volumes, "db/_data/deep"), { recursive: true });
  assert.deepEqual(listVolumes(root), []);
  assert.deepEqual(readdirSync(createVolume(root, { name: "db", labels: { a: "1" } }).mountpoint), []);
  assert.deepEqual(createVolume(root, { name: "db" }).labels, { a: "1" });
  assert.throws(() => inspectVolume(root, ".new-1"), { code: "VOLUME_NOT_FOUND" });
  await planMounts([ask("", "/data")], asker());
  const hidden = () => readdirSync(volumes).filter((name) => name.startsWith("."));
  // As long as somebody makes one, it may be theirs.
  whileMaking(volumes, () => dropUnborn(root, undefined));
  assert.deepEqual(hidden(), [".new-1", ".new-2"]);
  assert.equal(listVolumes(root).length, 2);
  dropUnborn(root, id);
  assert.deepEqual(readdirSync(volumes).toSorted(), ["db"]);
});
