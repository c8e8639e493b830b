// Tar headers as bytes: ustar where everything fits, pax records before it for what does not. The same entry always gives the
// same bytes. Counterpart: Go archive/tar writer.go with FormatPAX, which writes the layers of other builders.

import { BLOCK, type TarEntry } from "./entry.ts";

const TYPE_FLAGS = { file: "0", hardlink: "1", symlink: "2", char: "3", block: "4", dir: "5", fifo: "6" } as const;
const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;
// oxlint-disable-next-line no-control-regex
const NOT_ASCII = /[^\u0001-\u007f]/;

/** The two zero blocks that end an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** Zero bytes that follow `size` bytes of data. */
export function paddingAfter(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** All header blocks of an entry; its data and {@link paddingAfter} zero bytes come next. */
export function encodeHeader(entry: TarEntry): Buffer {
  const path = entry.type === "dir" ? `${entry.path}/` : entry.path;
  const records: [string, string][] = [];
  if (tooLong(path)) records.push(["path", path]);
  if (tooLong(entry.linkname)) records.push(["linkpath", entry.linkname]);
  if (entry.uid > MAX_OCTAL_7) records.push(["uid", String(entry.uid)]);
  if (entry.gid > MAX_OCTAL_7) records.push(["gid", String(entry.gid)]);
  if (entry.size > MAX_OCTAL_11) records.push(["size", String(entry.size)]);
  const whole = entry.mtimeNs >= 0n && entry.mtimeNs % 1_000_000_000n === 0n;
  if (!whole || entry.mtimeNs > BigInt(MAX_OCTAL_11) * 1_000_000_000n) records.push(["mtime", paxTime(entry.mtimeNs)]);
  for (const [name, value] of entry.xattrs) records.push([`SCHILY.xattr.${name}`, value.toString("latin1")]);

  if (records.length === 0) {
    // From the pool: thousands of buffers of their own are what collecting garbage then takes its time for.
    const block = Buffer.allocUnsafe(BLOCK).fill(0);
    fill(block, 0, entry, path, TYPE_FLAGS[entry.type], entry.size);
    return block;
  }
  const body = Buffer.from(
    records
      .toSorted(([one], [two]) => (one < two ? -1 : one > two ? 1 : 0))
      .map(([key, value]) => paxRecord(key, value))
      .join(""),
    "latin1",
  );
  const bytes = Buffer.alloc(BLOCK + body.length + paddingAfter(body.length) + BLOCK);
  const slash = entry.path.lastIndexOf("/");
  const paxPath = `${entry.path.slice(0, slash + 1)}PaxHeaders.0/${entry.path.slice(slash + 1)}`;
  const plain = { ...entry, mode: 0, uid: 0, gid: 0, mtimeNs: 0n, linkname: "", devMajor: 0, devMinor: 0 };
  fill(bytes, 0, plain, paxPath, "x", body.length);
  body.copy(bytes, BLOCK);
  fill(bytes, bytes.length - BLOCK, entry, path, TYPE_FLAGS[entry.type], entry.size);
  return bytes;
}

function fill(block: Buffer, at: number, entry: TarEntry, path: string, flag: string, size: number): void {
  block.write(cut(path), at, 100, "latin1");
  octal(block, at + 100, 8, entry.mode & 0o7777);
  octal(block, at + 108, 8, entry.uid > MAX_OCTAL_7 ? 0 : entry.uid);
  octal(block, at + 116, 8, entry.gid > MAX_OCTAL_7 ? 0 : entry.gid);
  octal(block, at + 124, 12, size > MAX_OCTAL_11 ? 0 : size);
  const seconds = Number(entry.mtimeNs / 1_000_000_000n);
  octal(block, at + 136, 12, seconds < 0 || seconds > MAX_OCTAL_11 ? 0 : seconds);
  block.write("        ", at + 148, 8, "latin1");
  block.write(flag, at + 156, 1, "latin1");
  block.write(cut(entry.linkname), at + 157, 100, "latin1");
  block.write("ustar\u000000", at + 257, 8, "latin1");
  if (flag === "3" || flag === "4") {
    device(block, at + 329, entry.devMajor);
    device(block, at + 337, entry.devMinor);
  } else {
    octal(block, at + 329, 8, 0);
    octal(block, at + 337, 8, 0);
  }
  let sum = 0;
  for (let index = at; index < at + BLOCK; index++) sum += block[index]!;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, 8, "latin1");
}

function octal(block: Buffer, at: number, size: number, value: number): void {
  block.write(value.toString(8).padStart(size - 1, "0"), at, size - 1, "latin1");
}

function device(block: Buffer, at: number, value: number): void {
  if (value <= MAX_OCTAL_7) return octal(block, at, 8, value);
  block.writeUInt8(0x80, at);
  block.writeUInt32BE(value, at + 4);
}

function tooLong(name: string): boolean {
  return name.length > 100 || NOT_ASCII.test(name);
}

function cut(name: string): string {
  // oxlint-disable-next-line no-control-regex
  return name.slice(0, 100).replace(/[^\u0000-\u007f]/g, "_");
}

function paxTime(timeNs: bigint): string {
  const size = timeNs < 0n ? -timeNs : timeNs;
  const fraction = (size % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return `${timeNs < 0n ? "-" : ""}${size / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}`;
}

function paxRecord(key: string, value: string): string {
  // The length counts its own digits.
  const rest = key.length + value.length + 3;
  let size = rest + String(rest).length;
  if (String(size).length > String(rest).length) size = rest + String(size).length;
  return `${size} ${key}=${value}\n`;
}
