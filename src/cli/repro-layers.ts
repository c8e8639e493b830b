// What two layer blobs differ in, entry by entry. Contents are hashed on the way; only those that differ are read a second time.

import { createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { textOf } from "../base/index.ts";
import { decompress, detectCompression, type TarEntry, TarReader } from "../formats/archive/index.ts";

export interface EntryDifference {
  /** Absolute in the image; empty for the archive itself. */
  readonly path: string;
  readonly field: string;
  readonly values: readonly [string, string];
}

interface Entry {
  readonly tar: TarEntry;
  readonly sha256: string;
}

/** How much of a file is looked at to say where it differs. */
const MOST_CONTENT = 16 << 20;
const MOST_FILES = 50;

/** @throws TAR_INVALID for what is no layer; system errors. */
export async function* compareLayers(a: string, b: string): AsyncGenerator<EntryDifference> {
  const [left, right] = [await readEntries(a), await readEntries(b)];
  const differing: string[] = [];
  for (const [path, one] of left) {
    const other = right.get(path);
    const shown = `/${textOf(path)}`;
    if (other === undefined) {
      yield { path: shown, field: "entry", values: [one.tar.type, "absent"] };
      continue;
    }
    for (const [field, get] of fields) {
      const values = [get(one.tar), get(other.tar)] as const;
      if (values[0] !== values[1]) yield { path: shown, field, values };
    }
    if (one.sha256 !== other.sha256) differing.push(path);
  }
  for (const [path, other] of right)
    if (!left.has(path)) yield { path: `/${textOf(path)}`, field: "entry", values: ["absent", other.tar.type] };
  yield* compareContents([a, b], differing, { left, right });
  const orders = [left, right].map((entries) => [...entries.keys()]);
  const common = orders.map((names, at) => names.filter((name) => (at === 0 ? right : left).has(name)));
  const at = common[0]!.findIndex((name, index) => common[1]![index] !== name);
  if (at >= 0)
    yield {
      path: "",
      field: `order of entries, from ${at}`,
      values: [textOf(common[0]![at]!), textOf(common[1]![at]!)],
    };
}

const octal = (mode: number): string => `0${mode.toString(8)}`;
const fields: readonly (readonly [string, (entry: TarEntry) => string])[] = [
  ["type", ({ type }) => type],
  ["mode", ({ mode }) => octal(mode)],
  ["owner", ({ uid, gid }) => `${uid}:${gid}`],
  ["mtime", ({ mtimeNs }) => timeText(mtimeNs)],
  ["link", ({ linkname }) => textOf(linkname)],
  ["device", ({ devMajor, devMinor }) => `${devMajor}:${devMinor}`],
  ["size", ({ size }) => String(size)],
  ["xattrs", ({ xattrs }) => [...xattrs].map(([name, value]) => `${name}=${value.toString("hex")}`).join(" ")],
];

function timeText(ns: bigint): string {
  const seconds = Number(ns / 1_000_000_000n);
  const rest = ns % 1_000_000_000n;
  const date = new Date(seconds * 1000);
  const text = Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().slice(0, 19);
  return rest === 0n ? `${text}Z` : `${text}.${String(rest).padStart(9, "0")}Z`;
}

async function* compareContents(
  blobs: readonly [string, string],
  paths: readonly string[],
  { left, right }: { readonly left: Map<string, Entry>; readonly right: Map<string, Entry> },
): AsyncGenerator<EntryDifference> {
  const looked = new Set(paths.slice(0, MOST_FILES));
  const contents = [await readContents(blobs[0], looked), await readContents(blobs[1], looked)] as const;
  for (const path of paths) {
    const shown = `/${textOf(path)}`;
    const pair = contents.map((each) => each.get(path));
    const [one, other] = pair;
    const at = one === undefined || other === undefined ? -1 : firstDifference(one, other);
    if (at < 0) {
      yield {
        path: shown,
        field: "content",
        values: [`sha256:${left.get(path)!.sha256}`, `sha256:${right.get(path)!.sha256}`],
      };
    } else if (isText(one!) && isText(other!)) {
      const line = one!.subarray(0, at).toString("latin1").split("\n").length;
      yield { path: shown, field: `content, line ${line}`, values: [lineAt(one!, at), lineAt(other!, at)] };
    } else yield { path: shown, field: `content, byte ${at}`, values: [hexAt(one!, at), hexAt(other!, at)] };
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return at;
  return a.length === b.length ? -1 : length;
}

function isText(bytes: Buffer): boolean {
  try {
    // Cut in the middle of a character, the rest of it would look wrong.
    return !new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, 8192), { stream: true }).includes("\0");
  } catch {
    return false;
  }
}

function lineAt(bytes: Buffer, at: number): string {
  const start = bytes.lastIndexOf(10, at - 1) + 1;
  const end = bytes.indexOf(10, at);
  return JSON.stringify(bytes.subarray(start, Math.min(end < 0 ? bytes.length : end, start + 400)).toString("utf8"));
}

function hexAt(bytes: Buffer, at: number): string {
  return at >= bytes.length ? "end of file" : bytes.subarray(at, at + 16).toString("hex");
}

async function readEntries(blob: string): Promise<Map<string, Entry>> {
  const found = new Map<string, Entry>();
  let tar: TarEntry | undefined;
  let hash = createHash("sha256");
  const finish = () => {
    if (tar !== undefined) found.set(tar.path, { tar, sha256: hash.digest("hex") });
    tar = undefined;
  };
  await readTar(blob, {
    entry(entry) {
      finish();
      tar = entry;
      hash = createHash("sha256");
    },
    data: (chunk) => void hash.update(chunk),
    end: () => undefined,
  });
  finish();
  return found;
}

async function readContents(blob: string, wanted: ReadonlySet<string>): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer[]>();
  if (wanted.size === 0) return new Map();
  let chunks: Buffer[] | undefined;
  let left = 0;
  await readTar(blob, {
    entry({ path }) {
      chunks = wanted.has(path) ? [] : undefined;
      left = MOST_CONTENT;
      if (chunks !== undefined) found.set(path, chunks);
    },
    data(chunk) {
      if (chunks === undefined || left === 0) return;
      chunks.push(Buffer.from(chunk.subarray(0, left)));
      left -= Math.min(left, chunk.length);
    },
    end: () => undefined,
  });
  return new Map(Array.from(found, ([path, parts]) => [path, Buffer.concat(parts)]));
}

async function readTar(blob: string, handler: ConstructorParameters<typeof TarReader>[0]): Promise<void> {
  const fd = openSync(blob, "r");
  const start = Buffer.alloc(8);
  let compression: ReturnType<typeof detectCompression>;
  try {
    compression = detectCompression(start.subarray(0, readSync(fd, start, 0, start.length, 0)));
    if (compression === "bzip2" || compression === "xz") throw new Error(`layers compressed with ${compression}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const reader = new TarReader(handler);
  const source = createReadStream("", { fd, start: 0, highWaterMark: 1 << 20 });
  for await (const chunk of decompress(source, compression)) reader.push(chunk);
  reader.finish();
}
