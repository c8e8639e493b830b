// Receiving a folder: what an honest sender sends, again with changes, and everything that a hostile one may try.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import {
  comparePaths,
  decodePacket,
  encodeData,
  encodeFin,
  encodeStat,
  goMode,
  PacketType,
} from "../../formats/fsutil/index.ts";
import type { FileStat } from "../../formats/fsutil/index.ts";
import { FolderReceiver } from "./remote-receiver.ts";
import { packPackets } from "./remote-sync-messages.ts";

type Entry = Partial<Omit<FileStat, "mode">> & {
  readonly path: string;
  readonly mode?: number;
  readonly data?: string;
};

const stat = ({ data, mode = 0o100644, ...rest }: Entry): FileStat => ({
  uid: 0,
  gid: 0,
  size: data === undefined ? 0 : Buffer.byteLength(data),
  mtimeNs: 1_700_000_000_000_000_000n,
  linkname: "",
  devmajor: 0,
  devminor: 0,
  xattrs: undefined,
  ...rest,
  mode: goMode(mode),
});

function folder(t: TestContext): string {
  const home = fs.mkdtempSync(join(tmpdir(), "slipway-receive-"));
  t.after(() => fs.rmSync(home, { recursive: true, force: true }));
  fs.mkdirSync(join(home, "fs"));
  return home;
}

interface Sent {
  /** Paths whose contents were asked for. */
  readonly asked: string[];
  readonly version: string;
}

interface HowSent {
  readonly trustMetadata?: boolean;
  /** Packets that arrive together. */
  readonly together?: number;
  readonly encode?: (stat: FileStat) => Uint8Array;
}

/** Plays an honest sender; returns the paths whose contents were asked for. */
function sync(home: string, entries: readonly Entry[], trustMetadata = true): string[] {
  return send(home, entries, { trustMetadata }).asked;
}

function send(
  home: string,
  entries: readonly Entry[],
  { trustMetadata = true, together = 1, encode = encodeStat }: HowSent = {},
): Sent {
  const receiver = new FolderReceiver({ folder: join(home, "fs"), listFile: join(home, "list"), trustMetadata });
  const answers: Uint8Array[] = [];
  const asked: string[] = [];
  const packets = [...entries.map((entry) => encode(stat(entry))), encodeStat()];
  for (let at = 0; at < packets.length; at += together)
    receiver.receivePiece(packPackets(packets.slice(at, at + together)), answers);
  for (let answer = answers.shift(); answer !== undefined; answer = answers.shift()) {
    const { type, id } = decodePacket(answer);
    if (type === PacketType.fin) receiver.receive(encodeFin(), answers);
    if (type !== PacketType.request) continue;
    asked.push(entries[id]!.path);
    receiver.receive(encodeData(id, Buffer.from(entries[id]!.data ?? "")), answers);
    receiver.receive(encodeData(id), answers);
  }
  assert.equal(receiver.finished, true);
  receiver.dispose();
  return { asked, version: receiver.version! };
}

/** Whether a sender may send this: folders before what they hold, names in order, links to files. */
function isHonest(entries: readonly Entry[]): boolean {
  const paths = entries.map(({ path }) => path);
  const isSorted = paths.every((path, at) => at === 0 || comparePaths(paths[at - 1]!, path) < 0);
  return (
    isSorted &&
    entries.every(({ linkname, data }) => linkname === undefined || (data === undefined && paths.includes(linkname))) &&
    entries.every(({ mode, data }) => mode === undefined || data === undefined)
  );
}

const dir = (path: string, mode = 0o40755): Entry => ({ path, mode });

test("files, folders, links, modes and times arrive; the same again asks for nothing", (t) => {
  const home = folder(t);
  const entries: Entry[] = [
    { path: "a", data: "one", mode: 0o100750 },
    dir("d", 0o40711),
    { path: "d/empty" },
    { path: "d/in", data: "two" },
    { path: "d-e", data: "after the folder" },
    { path: "hard", linkname: "a" },
    { path: "link", mode: 0o120777, linkname: "/etc/passwd" },
  ];
  assert.deepEqual(sync(home, entries), ["a", "d/in", "d-e"]);
  const at = (name: string) => join(home, "fs", name);
  assert.equal(fs.readFileSync(at("d/in"), "utf8"), "two");
  assert.equal(fs.statSync(at("a")).mode & 0o7777, 0o750);
  assert.equal(fs.statSync(at("d")).mode & 0o7777, 0o711);
  assert.equal(fs.statSync(at("hard")).ino, fs.statSync(at("a")).ino);
  assert.equal(fs.readlinkSync(at("link")), "/etc/passwd");
  for (const name of ["a", "d", "d/in", "link"]) {
    assert.equal(fs.lstatSync(at(name), { bigint: true }).mtimeNs, 1_700_000_000_000_000_000n, name);
  }
  const inode = fs.statSync(at("a")).ino;
  assert.deepEqual(sync(home, entries), []);
  assert.equal(fs.statSync(at("a")).ino, inode);
  assert.deepEqual(sync(home, entries, false), ["a", "d/in", "d-e"]);
});

test("what changed is sent, what is gone goes, kinds may change", (t) => {
  const home = folder(t);
  sync(home, [
    dir("d"),
    { path: "d/x", data: "1" },
    { path: "e", data: "old" },
    { path: "f", data: "stays" },
    dir("g"),
    { path: "g/y", data: "2" },
  ]);
  const asked = sync(home, [
    { path: "d", data: "a file now" },
    dir("e"),
    { path: "e/new", data: "n" },
    { path: "f", data: "stays" },
    { path: "g", mode: 0o120777, linkname: "f" },
  ]);
  assert.deepEqual(asked, ["d", "e/new"]);
  assert.deepEqual(fs.readdirSync(join(home, "fs"), { recursive: true }).toSorted(), ["d", "e", "e/new", "f", "g"]);
  assert.equal(fs.readFileSync(join(home, "fs/g"), "utf8"), "stays");
  assert.deepEqual(sync(home, []), []);
  assert.deepEqual(fs.readdirSync(join(home, "fs")), []);
});

test("a hard link follows its file when that is made anew", (t) => {
  const home = folder(t);
  sync(home, [
    { path: "a", data: "1" },
    { path: "b", linkname: "a" },
  ]);
  sync(home, [
    { path: "a", data: "other" },
    { path: "b", linkname: "a" },
  ]);
  assert.equal(fs.readFileSync(join(home, "fs/b"), "utf8"), "other");
});

test("after a transfer that broke, or a list that is damaged, all is sent again", (t) => {
  const home = folder(t);
  const entries = [
    { path: "a", data: "1" },
    { path: "b", data: "2" },
  ];
  sync(home, entries);
  const broken = new FolderReceiver({ folder: join(home, "fs"), listFile: join(home, "list"), trustMetadata: true });
  broken.receive(encodeStat(stat({ path: "c", data: "3" })), []);
  broken.dispose();
  assert.deepEqual(sync(home, entries), ["a", "b"]);
  const list = fs.readFileSync(join(home, "list"));
  list[20]! ^= 1;
  fs.writeFileSync(join(home, "list"), list);
  assert.deepEqual(sync(home, entries), ["a", "b"]);
});

test("a file that turned out longer than its entry said is asked for again", (t) => {
  const home = folder(t);
  assert.deepEqual(sync(home, [{ path: "log", data: "grew", size: 2 }]), ["log"]);
  assert.deepEqual(sync(home, [{ path: "log", data: "grew", size: 2 }]), ["log"]);
});

const tree: Entry[] = [
  { path: "a", data: "1" },
  dir("d"),
  dir("d/e"),
  { path: "d/e/x", data: "2" },
  { path: "d/y", data: "3" },
  dir("f"),
  { path: "f/z", data: "4" },
  { path: "h", linkname: "a" },
];

test("a folder has one version while nothing in it changes, and its list is left alone", (t) => {
  const home = folder(t);
  const first = send(home, tree);
  const list = fs.statSync(join(home, "list")).ino;
  for (const together of [1, 3, 100]) assert.deepEqual(send(home, tree, { together }), { ...first, asked: [] });
  assert.equal(fs.statSync(join(home, "list")).ino, list);
  // The same entries in other bytes: a field that nobody knows.
  const encode = (entry: FileStat) => Buffer.concat([encodeStat(entry), Buffer.from([0x28, 1])]);
  assert.deepEqual(send(home, tree, { encode, together: 2 }), { ...first, asked: [] });
  const versions = new Set([first.version]);
  const later = (changed: Entry[]) => {
    const { version } = send(home, changed);
    assert.equal(versions.has(version), false);
    versions.add(version);
  };
  later(tree.map((each) => (each.path === "d/e" ? dir("d/e", 0o40700) : each)));
  later(tree);
  later(tree.slice(0, -1));
  later(tree.map((each) => ({ ...each, mtimeNs: 1_800_000_000_000_000_000n })));
  const distrusted = send(home, tree, { trustMetadata: false });
  assert.deepEqual(distrusted.asked, ["a", "d/e/x", "d/y", "f/z"]);
  assert.equal(versions.has(distrusted.version), false);
});

test("wherever entries begin to differ, and however they arrive, the folder becomes what was sent", (t) => {
  const home = folder(t);
  const changes: ((entries: Entry[], at: number) => Entry[])[] = [
    (entries, at) => entries.toSpliced(at),
    (entries, at) => entries.map((each, index) => (index === at ? { ...each, data: "other" } : each)),
    (entries, at) => {
      const { path } = entries[at]!;
      return entries.filter((each) => each.path !== path && !each.path.startsWith(`${path}/`));
    },
    (entries, at) => entries.toSpliced(at + 1, 0, { path: `${entries[at]!.path}-new`, data: "new" }),
    (entries) => [...entries, { path: "i", linkname: "d/e/x" }],
  ];
  const look = () =>
    fs
      .readdirSync(join(home, "fs"), { recursive: true, encoding: "utf8" })
      .toSorted()
      .map((path) => {
        const at = join(home, "fs", path);
        const { mode, nlink } = fs.statSync(at);
        return (mode & 0o170000) === 0o040000 ? [path, mode] : [path, mode, nlink, fs.readFileSync(at, "utf8")];
      });
  for (const [which, change] of changes.entries()) {
    for (let at = 0; at < tree.length; at++) {
      const changed = change(tree, at);
      if (!isHonest(changed)) continue;
      for (const together of [1, 2, 5, 100]) {
        fs.rmSync(join(home, "list"), { force: true });
        send(home, changed);
        const expected = look();
        send(home, tree, { together });
        send(home, changed, { together });
        assert.deepEqual(look(), expected, `change ${which} at ${at}, ${together} together`);
      }
    }
  }
});

test("what follows entries that are as before is checked as ever", (t) => {
  const home = folder(t);
  const bad: [after: number, entry: Entry, message: RegExp][] = [
    [4, { path: "d/e/x" }, /d\/e\/x out of order/],
    [5, { path: "d/e/y" }, /d\/e\/y without the folder/],
    [5, { path: "a" }, /a out of order/],
    [4, { path: "d/e/../z" }, /not plain/],
    [3, { path: "d/e/l", linkname: "d/y" }, /as a link to d\/y/],
  ];
  for (const [after, entry, message] of bad) {
    send(home, tree);
    const receiver = new FolderReceiver({
      folder: join(home, "fs"),
      listFile: join(home, "list"),
      trustMetadata: true,
    });
    const packets = [...tree.slice(0, after), entry].map((each) => encodeStat(stat(each)));
    assert.throws(() => receiver.receivePiece(packPackets(packets), []), message);
    receiver.dispose();
    assert.equal(fs.existsSync(join(home, "list")), false);
  }
});

test("a transfer that broke before anything differed leaves the folder known", (t) => {
  const home = folder(t);
  const { version } = send(home, tree);
  const broken = new FolderReceiver({ folder: join(home, "fs"), listFile: join(home, "list"), trustMetadata: true });
  broken.receivePiece(packPackets(tree.slice(0, 3).map((each) => encodeStat(stat(each)))), []);
  assert.equal(broken.version, undefined);
  broken.dispose();
  assert.deepEqual(send(home, tree), { asked: [], version });
});

const hostile: [name: string, packets: (Entry | Uint8Array)[], message: RegExp][] = [
  ["out by ..", [{ path: "../x" }], /path "\.\.\/x": it is not plain/],
  ["out by .. inside", [dir("d"), { path: "d/../../x" }], /it is not plain/],
  ["absolute", [{ path: "/etc/x" }], /it is not relative/],
  ["no path", [{ path: "" }], /it is not relative/],
  ["a dot", [{ path: "./x" }], /it is not plain/],
  ["two slashes", [dir("d"), { path: "d//x" }], /it is not plain/],
  ["NUL", [{ path: "a\0b" }], /it is not plain/],
  [
    "through a link",
    [
      { path: "l", mode: 0o120777, linkname: "/etc" },
      { path: "l/x", data: "1" },
    ],
    /l\/x without the folder that it lies in/,
  ],
  ["in a folder that was not sent", [{ path: "d/x" }], /without the folder/],
  ["twice", [{ path: "a" }, { path: "a" }], /a out of order/],
  ["backwards", [{ path: "b" }, { path: "a" }], /a out of order/],
  ["a hard link to nothing", [{ path: "h", linkname: "nothing" }], /h as a link to nothing/],
  ["a hard link out", [{ path: "h", linkname: "../../etc/passwd" }], /as a link to/],
  ["a hard link to a later file", [{ path: "h", linkname: "z" }, { path: "z" }], /as a link to z/],
  ["an empty symlink", [{ path: "s", mode: 0o120777 }], /leads nowhere/],
  ["contents that nobody asked for", [encodeData(0, Buffer.from("x"))], /contents of 0, which was not asked for/],
  [
    "contents after their end",
    [{ path: "a", data: "1" }, encodeData(0), encodeData(0, Buffer.from("2"))],
    /not asked for/,
  ],
  ["no packet", [Buffer.from("ffff", "hex")], /a packet that can't be read/],
  ["an unknown packet", [Buffer.from("0809", "hex")], /unknown type 9/],
  ["an entry after the list", [encodeStat(), { path: "late" }], /after the end of the list/],
  ["an error of the sender's", [Buffer.from("08042203626164", "hex")], /error from sender: bad/],
];
for (const [name, packets, message] of hostile) {
  test(`refused: ${name}`, (t) => {
    const home = folder(t);
    const receiver = new FolderReceiver({
      folder: join(home, "fs"),
      listFile: join(home, "list"),
      trustMetadata: true,
    });
    assert.throws(() => {
      for (const packet of packets)
        receiver.receive(packet instanceof Uint8Array ? packet : encodeStat(stat(packet)), []);
    }, message);
    receiver.dispose();
    for (const left of fs.readdirSync(home)) assert.match(left, /^(fs|list)$/);
  });
}
