// What the kernel says of many names, what is in their files, copies of them: asked by descriptor and by address, a third of what node's calls take, which make
// an object of each answer. Spec: statx(2), openat(2), flistxattr(2), futimens(3); the fields' places are the kernel's ABI.

import { constants, openSync } from "node:fs";
import { errnoOf } from "../../base/index.ts";
import { boundFunction, hasFunction, type Path } from "./ffi.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
/** Everything that was ever in struct stat. */
const STATX_BASIC_STATS = 0x7ff;
const STATX_BYTES = 256;
const O_CLOEXEC = 0o2000000;
const TO_READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY | O_CLOEXEC;
const TO_ASK = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** More than a file system lets all names of a file take. */
const XATTR_BYTES = 64 * 1024;
const TO_MAKE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW | O_CLOEXEC;
/** Of what is copied in one piece. */
const COPY_BYTES = 256 * 1024;
/** Two of struct timespec: access, modification. */
const TIMES_BYTES = 32;

/** What a copy gets. */
export interface CopyMetadata {
  readonly mode: number;
  /** Absent: whoever copies. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Absent: the times of what was looked at last. */
  readonly timeNs: bigint | undefined;
}

/** Whether {@link NameReader} works here. */
export function canReadNames(): boolean {
  return hasFunction("statx");
}

/** A folder to ask about names in, not through a link; the caller closes it. -1 where it is none or can't be opened. */
export function tryOpenFolder(path: Path): number {
  try {
    return openSync(path, TO_ASK);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return -1;
  }
}

/** Reads names that lie in one buffer, each ended by a zero byte. Not for names that anybody else may change meanwhile. */
export class NameReader {
  /** Device, inode, size, mtime and ctime in milliseconds, exactly as `fs.Stats` has them, of what was looked at last. */
  readonly numbers = new Float64Array(5);
  readonly #statx: (...words: readonly (number | Buffer)[]) => number;
  readonly #names: number;
  readonly #out: number;
  readonly #words: Uint32Array;
  /** Kept: the addresses are good only as long as these are. */
  readonly #buffers: readonly Buffer[];
  #files: FileCalls | undefined;
  readonly #timesBuffer = Buffer.alloc(TIMES_BYTES);
  readonly #timespecs = new Uint32Array(this.#timesBuffer.buffer, this.#timesBuffer.byteOffset, TIMES_BYTES / 4);

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

  get owner(): { readonly uid: number; readonly gid: number } {
    return { uid: this.#words[5]!, gid: this.#words[6]! };
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
    const fd = calls.openat(dirFd, this.#names + offset, TO_READ, 0);
    if (fd < 0) return -1;
    try {
      return calls.hasXattrs(fd) ? -1 : calls.read(fd, calls.addressOf(into) + at, into.length - at);
    } finally {
      calls.close(fd);
    }
  }

  /**
   * Makes a copy, of the same name in another folder, of the regular file that was looked at last: a small one without attributes, where there is
   * nothing yet. False where that can't be done like this; nothing is there then that was not before.
   */
  copy(fromFd: number, offset: number, toFd: number, metadata: CopyMetadata): boolean {
    copied ??= Buffer.allocUnsafeSlow(COPY_BYTES);
    const size = this.numbers[2]!;
    // A byte more would show that it has grown.
    if (size >= COPY_BYTES || this.read(fromFd, offset, copied, 0) !== size) return false;
    const calls = this.#files!;
    const name = this.#names + offset;
    const fd = calls.openat(toFd, name, TO_MAKE, 0o600);
    if (fd < 0) return false;
    let isDone = false;
    try {
      isDone = this.#fill(fd, size, metadata);
    } finally {
      calls.close(fd);
      if (!isDone) calls.unlinkat(toFd, name, 0);
    }
    return isDone;
  }

  #fill(fd: number, size: number, { mode, owner, timeNs }: CopyMetadata): boolean {
    const calls = this.#files!;
    if (size > 0 && calls.write(fd, calls.addressOf(copied!), size) !== size) return false;
    if (owner !== undefined && calls.fchown(fd, owner.uid, owner.gid) !== 0) return false;
    return calls.fchmod(fd, mode) === 0 && calls.futimens(fd, this.#times(timeNs)) === 0;
  }

  #times(timeNs: bigint | undefined): Buffer {
    const times = this.#timespecs;
    if (timeNs === undefined) {
      const words = this.#words;
      // Nanoseconds have four bytes here and eight there.
      for (let at = 0; at < 3; at++) {
        times[at] = words[16 + at]!;
        times[4 + at] = words[28 + at]!;
      }
      return this.#timesBuffer;
    }
    const rest = ((timeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    const seconds = BigInt.asUintN(64, (timeNs - rest) / 1_000_000_000n);
    for (const to of [0, 4]) {
      times[to] = Number(seconds & 0xffffffffn);
      times[to + 1] = Number(seconds >> 32n);
      times[to + 2] = Number(rest);
    }
    return this.#timesBuffer;
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

/** One for a thread: nothing is kept from one call to the next. */
let copied: Buffer | undefined;

class FileCalls {
  readonly openat = boundFunction("openat").call;
  readonly unlinkat = boundFunction("unlinkat").call;
  readonly read = boundFunction("read").call;
  readonly write = boundFunction("write").call;
  readonly fchmod = boundFunction("fchmod").call;
  readonly fchown = boundFunction("fchown").call;
  readonly futimens = boundFunction("futimens").call;
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
