// What the kernel says of many names, and what is in their files, asked by descriptor and by address: a third of what node's calls take, which make
// an object of each answer. Spec: statx(2), openat(2), flistxattr(2); the fields' places are the kernel's ABI.

import { constants } from "node:fs";
import { boundFunction, hasFunction } from "./ffi.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
/** Everything that was ever in struct stat. */
const STATX_BASIC_STATS = 0x7ff;
const STATX_BYTES = 256;
const O_CLOEXEC = 0o2000000;
const TO_READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY | O_CLOEXEC;
/** More than a file system lets all names of a file take. */
const XATTR_BYTES = 64 * 1024;

/** Whether {@link NameReader} works here. */
export function canReadNames(): boolean {
  return hasFunction("statx");
}

/** Reads names that lie in one buffer, each ended by a zero byte. Not for names that anybody else may change meanwhile. */
export class NameReader {
  /** Device, inode, size, mtime and ctime in milliseconds, exactly as `fs.Stats` has them, of what was looked at last. */
  readonly numbers = new Float64Array(5);
  readonly #statx: (...words: readonly number[]) => number;
  readonly #names: number;
  readonly #out: number;
  readonly #words: Uint32Array;
  /** Kept: the addresses are good only as long as these are. */
  readonly #buffers: readonly Buffer[];
  #files: FileCalls | undefined;

  constructor(names: Buffer) {
    // Never from the pool, never on V8's own heap: what has an address must not move.
    const out = Buffer.allocUnsafeSlow(STATX_BYTES);
    const { call, address } = boundFunction("statx");
    this.#statx = call;
    this.#names = address(names);
    this.#out = address(out);
    this.#words = new Uint32Array(out.buffer, out.byteOffset, STATX_BYTES / 4);
    this.#buffers = [names, out];
  }

  /** Looks at the name at `offset` in the folder open as `dirFd`, a link itself where it is one; false where there is none. */
  look(dirFd: number, offset: number): boolean {
    const { length } = this.#buffers[0]!;
    if (offset < 0 || offset >= length) throw new RangeError(`no name at ${offset} of ${length}`);
    if (this.#statx(dirFd, this.#names + offset, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, this.#out) !== 0) return false;
    const words = this.#words;
    const numbers = this.numbers;
    numbers[0] = device(words[34]!, words[35]!);
    numbers[1] = words[8]! + words[9]! * 2 ** 32;
    numbers[2] = words[10]! + words[11]! * 2 ** 32;
    numbers[3] = milliseconds(words[28]!, words[29]!, words[30]!);
    numbers[4] = milliseconds(words[24]!, words[25]!, words[26]!);
    return true;
  }

  /** st_mode of what was looked at last. */
  get mode(): number {
    return this.#words[7]! & 0xffff;
  }

  /** How many names it has. */
  get links(): number {
    return this.#words[4]!;
  }

  /** What it takes on disk, in blocks of 512 bytes. */
  get blocks(): number {
    return this.#words[12]! + this.#words[13]! * 2 ** 32;
  }

  /**
   * Reads the file at a name into `into`, from `at` on, in one call; links are not followed. How many bytes came, or -1 where it can't be read like this
   * or has attributes besides those of the host's security.
   */
  read(dirFd: number, offset: number, into: Buffer, at: number): number {
    if (at < 0 || at > into.length) throw new RangeError(`no place ${at} in ${into.length}`);
    const calls = (this.#files ??= new FileCalls());
    const fd = calls.openat(dirFd, this.#names + offset, TO_READ);
    if (fd < 0) return -1;
    try {
      return calls.hasXattrs(fd) ? -1 : calls.read(fd, calls.addressOf(into) + at, into.length - at);
    } finally {
      calls.close(fd);
    }
  }
}

/** As node computes it, so that the doubles are equal. */
function milliseconds(low: number, high: number, nanoseconds: number): number {
  return ((high | 0) * 2 ** 32 + low) * 1000 + nanoseconds / 1e6;
}

/** makedev(3). */
function device(major: number, minor: number): number {
  const low = ((major & 0xfff) << 8) | (minor & 0xff);
  return low + (minor & 0xffffff00) * 2 ** 12 + (major & 0xfffff000) * 2 ** 32;
}

class FileCalls {
  readonly openat = boundFunction("openat").call;
  readonly read = boundFunction("read").call;
  readonly close = boundFunction("close").call;
  readonly #flistxattr = boundFunction("flistxattr").call;
  readonly #address = boundFunction("read").address;
  readonly #list = Buffer.allocUnsafeSlow(XATTR_BYTES);
  readonly #listAddress = this.#address(this.#list);
  /** The buffer that was asked for last: it is the same for all files. */
  #into: Buffer | undefined;
  #intoAddress = 0;

  /** Whether there are attributes that could count, or it can't be told. */
  hasXattrs(fd: number): boolean {
    const size = this.#flistxattr(fd, this.#listAddress, XATTR_BYTES);
    if (size <= 0) return size < 0;
    const names = this.#list.toString("latin1", 0, size - 1).split("\0");
    return names.some((name) => !name.startsWith("security.") || name === "security.capability");
  }

  /** `of` must never move: a slow buffer. */
  addressOf(of: Buffer): number {
    if (of !== this.#into) {
      this.#intoAddress = this.#address(of);
      this.#into = of;
    }
    return this.#intoAddress;
  }
}
