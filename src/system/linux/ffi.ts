// The only file that loads C. libc is loaded on the first call; every call of it is synchronous and its errno becomes an Error like
// node's own (`code`, `errno`, `syscall`, `path`). Nothing here keeps state, so every thread may use it.
// Spec: the man pages of section 2; syscall numbers of asm-generic and x86-64 (equal from openat2 on).

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { getSystemErrorMap } from "node:util";
import type { Koffi, KoffiFunction, LibraryHandle, PollHandle } from "./koffi-types.ts";

/** A path as node's fs takes it; Buffers may hold any bytes but NUL. */
export type Path = string | Buffer;

const SIGNATURES = {
  mount: ["int", ["void *", "void *", "void *", "ulong", "void *"]],
  umount2: ["int", ["void *", "int"]],
  lgetxattr: ["long", ["void *", "void *", "void *", "size_t"]],
  llistxattr: ["long", ["void *", "void *", "size_t"]],
  lsetxattr: ["int", ["void *", "void *", "void *", "size_t", "int"]],
  lremovexattr: ["int", ["void *", "void *"]],
  fgetxattr: ["long", ["int", "void *", "void *", "size_t"]],
  flistxattr: ["long", ["int", "long", "size_t"]],
  openat: ["int", ["int", "long", "int", "uint"]],
  unlinkat: ["int", ["int", "long", "int"]],
  read: ["long", ["int", "long", "size_t"]],
  write: ["long", ["int", "long", "size_t"]],
  fchmod: ["int", ["int", "uint"]],
  fchown: ["int", ["int", "uint", "uint"]],
  close: ["int", ["int"]],
  mknod: ["int", ["void *", "uint", "uint64"]],
  flock: ["int", ["int", "int"]],
  copy_file_range: ["long", ["int", "void *", "int", "void *", "size_t", "uint"]],
  utimensat: ["int", ["int", "void *", "void *", "int"]],
  futimens: ["int", ["int", "void *"]],
  syncfs: ["int", ["int"]],
  statx: ["int", ["int", "long", "int", "uint", "long"]],
  pipe2: ["int", ["void *", "int"]],
  waitpid: ["int", ["int", "void *", "int"]],
  posix_spawnp: ["int", ["void *", "void *", "void *", "void *", "const char **", "const char **"]],
  posix_spawn_file_actions_init: ["int", ["void *"]],
  posix_spawn_file_actions_destroy: ["int", ["void *"]],
  posix_spawn_file_actions_adddup2: ["int", ["void *", "int", "int"]],
  posix_spawn_file_actions_addopen: ["int", ["void *", "int", "void *", "int", "uint"]],
  posix_spawn_file_actions_addclosefrom_np: ["int", ["void *", "int"]],
  posix_spawn_file_actions_addchdir_np: ["int", ["void *", "void *"]],
  posix_spawnattr_init: ["int", ["void *"]],
  posix_spawnattr_destroy: ["int", ["void *"]],
  posix_spawnattr_setflags: ["int", ["void *", "short"]],
  posix_spawnattr_setpgroup: ["int", ["void *", "int"]],
  posix_spawnattr_setsigdefault: ["int", ["void *", "void *"]],
  posix_spawnattr_setsigmask: ["int", ["void *", "void *"]],
  sigfillset: ["int", ["void *"]],
  sigemptyset: ["int", ["void *"]],
} as const satisfies Record<string, readonly [string, readonly string[]]>;

// Called through syscall(2): libc lacks them, or only new ones have them.
const NUMBERS = {
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_open: 434,
  openat2: 437,
  renameat2: process.arch === "x64" ? 316 : 276,
} as const;

export type Function_ = keyof typeof SIGNATURES;
export type Syscall = keyof typeof NUMBERS;
/** What may be passed: numbers, big integers, byte arrays (by address), NULL-ended lists of strings, null. */
export type Argument = number | bigint | Uint8Array | Int32Array | readonly (string | null)[] | null;

interface Library {
  readonly handle: LibraryHandle;
  readonly functions: Map<string, KoffiFunction>;
  readonly syscall: KoffiFunction;
  readonly errno: () => number;
  readonly address: (of: Buffer) => number;
  poll(fd: number, callback: () => void): PollHandle;
}

let library: Library | undefined;

/** Koffi's native part itself, where it is sure which: its entry looks for that in a dozen places, four times as long as loading it takes. */
function loadKoffi(): Koffi {
  const require = createRequire(import.meta.url);
  const { platform, arch } = process;
  if (!existsSync(`/lib/ld-musl-${arch === "x64" ? "x86_64" : "aarch64"}.so.1`)) {
    try {
      return require(`@koromix/koffi-${platform}-${arch}/${platform}_${arch}/koffi.node`) as Koffi;
    } catch {
      // Its entry says what is missing.
    }
  }
  return require("koffi") as Koffi;
}

function open(): Library {
  const koffi = loadKoffi();
  let handle: LibraryHandle | undefined;
  for (const name of ["libc.so.6", `libc.musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`]) {
    try {
      handle = koffi.load(name, { deep: true });
      break;
    } catch {
      // The other libc, then.
    }
  }
  if (handle === undefined) throw Object.assign(new Error("no C library can be loaded"), { code: "ENOSYS" });
  const long = "long";
  return {
    handle,
    functions: new Map(),
    // All arguments as longs: on the two architectures we know, a variadic call passes integers the same way.
    syscall: handle.func("syscall", long, [long, "void *", "void *", "void *", "void *", "void *"]),
    errno: () => koffi.errno(),
    address: (of) => Number(koffi.address(of)),
    poll: (fd, callback) => koffi.node.poll(fd, { readable: true }, callback),
  };
}

/** Whether C can be called at all on this machine. */
export function ffiAvailable(): boolean {
  try {
    library ??= open();
    return true;
  } catch {
    return false;
  }
}

/** Calls a libc function and returns its raw result; a negative one leaves its reason in {@link lastErrno}. */
export function callRaw(name: Function_, ...args: Argument[]): number {
  library ??= open();
  return invoke(library, bind(library, name), args);
}

function bind({ functions, handle }: Library, name: Function_): KoffiFunction {
  let bound = functions.get(name);
  if (bound === undefined) {
    const [result, parameters] = SIGNATURES[name];
    bound = handle.func(name, result, [...parameters]);
    functions.set(name, bound);
  }
  return bound;
}

/**
 * Between a call's return and our look at errno, the thread may run other code of the engine (a collection of garbage waits on a
 * futex), which leaves its own number there: seen once in a million calls. Those numbers are not believed at first; a call
 * that failed changed nothing and is made again.
 */
function invoke({ errno }: Library, bound: KoffiFunction, args: readonly unknown[]): number {
  for (let attempt = 1; ; attempt++) {
    const result = Number(bound(...args));
    if (result >= 0) return result;
    failure = errno();
    if (!FOREIGN.has(failure) || attempt === 5) return result;
  }
}

let failure = 0;
/** EINTR, EAGAIN, ETIMEDOUT: how waiting ends. */
const FOREIGN = new Set([4, 11, 110]);

/** Whether libc has the function: some came late. */
export function hasFunction(name: Function_): boolean {
  try {
    library ??= open();
    library.handle.symbol(name);
    return true;
  } catch {
    return false;
  }
}

/** @throws like node's fs when the result is negative; `path` and `dest` only adorn the error. */
export function call(name: Function_, args: Argument[], path?: Path, dest?: Path): number {
  const result = callRaw(name, ...args);
  if (result < 0) throw errnoError(lastErrno(), name, path, dest);
  return result;
}

/** The same for what goes through syscall(2). @throws like node's fs. */
export function syscall(name: Syscall, args: Argument[], path?: Path, dest?: Path): number {
  library ??= open();
  const words: Argument[] = [null, null, null, null, null];
  args.forEach((arg, at) => (words[at] = typeof arg === "number" ? BigInt.asUintN(64, BigInt(arg)) : arg));
  const result = invoke(library, library.syscall, [NUMBERS[name], ...words]);
  if (result < 0) throw errnoError(lastErrno(), name, path, dest);
  return result;
}

/**
 * A function for a caller that makes very many calls of it and does not ask for reasons; pointers are addresses. The caller answers for what lies there.
 * @throws where libc has no such function.
 */
export function boundFunction(name: Function_): {
  call: (...words: readonly (number | Buffer)[]) => number;
  address: (of: Buffer) => number;
} {
  library ??= open();
  return { call: bind(library, name) as (...words: readonly (number | Buffer)[]) => number, address: library.address };
}

/** A function that is called on a thread of libuv's pool; what its pointers lead to must stay until then. */
export type AsyncFunction = (...args: number[]) => Promise<number>;

/** A library besides libc; parameters and results are numbers, pointers are `uintptr_t`. */
export interface OtherLibrary {
  plain(name: string, result: string, parameters: readonly string[]): (...args: number[]) => number;
  async(name: string, result: string, parameters: readonly string[]): AsyncFunction;
  /** Where the bytes of a Buffer are, as long as it is held. */
  address(of: Buffer): number;
}

/** The first of these libraries that the machine has; null is this program itself. */
export function otherLibrary(names: readonly (string | null)[]): OtherLibrary | undefined {
  if (names.length === 0 || !ffiAvailable()) return undefined;
  const koffi = loadKoffi();
  for (const name of names) {
    try {
      const handle = koffi.load(name);
      return {
        plain: (symbol, result, parameters) =>
          handle.func(symbol, result, [...parameters]) as (...args: number[]) => number,
        async: (symbol, result, parameters) => inBackground(handle.func(symbol, result, [...parameters])),
        address: (of) => Number(koffi.address(of)),
      };
    } catch {
      // Not here, or another version of it.
    }
  }
  return undefined;
}

function inBackground(bound: KoffiFunction & { async?: KoffiFunction }): AsyncFunction {
  return (...args) =>
    new Promise((resolve, reject) => {
      bound.async!(...args, (error: Error | null, result: unknown) =>
        error === null ? resolve(Number(result)) : reject(error),
      );
    });
}

/** errno of this thread's last call that failed. */
export function lastErrno(): number {
  return failure;
}

/** Calls back on the event loop whenever `fd` is readable, until closed. */
export function pollReadable(fd: number, callback: () => void): PollHandle {
  library ??= open();
  return library.poll(fd, callback);
}

/** NUL-terminated bytes of a path or string. */
export function cstring(text: Path): Buffer {
  if (typeof text === "string") {
    if (text.includes("\0")) throw errnoError(22, "path", text);
    return Buffer.from(`${text}\0`, "utf8");
  }
  if (text.includes(0)) throw errnoError(22, "path", text);
  const bytes = Buffer.allocUnsafe(text.length + 1);
  text.copy(bytes);
  bytes[text.length] = 0;
  return bytes;
}

/** An Error shaped like node's: `ENOENT: no such file or directory, mount '/a' -> '/b'`. */
export function errnoError(errno: number, syscallName: string, path?: Path, dest?: Path): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, "unknown error"];
  const place = path === undefined ? "" : ` '${path.toString()}'`;
  const to = dest === undefined ? "" : ` -> '${dest.toString()}'`;
  return Object.assign(new Error(`${code}: ${text}, ${syscallName}${place}${to}`), {
    code,
    errno: -errno,
    syscall: syscallName,
    ...(path === undefined ? {} : { path: path.toString() }),
    ...(dest === undefined ? {} : { dest: dest.toString() }),
  });
}
