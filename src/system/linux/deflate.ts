// libdeflate, where the machine has it: gzip in half of zlib's time, of whole pieces only. Work happens on libuv's threads.
// Counterpart: libdeflate.h of version 1.x, whose soname is libdeflate.so.0.

import { otherLibrary } from "./ffi.ts";
import type { AsyncFunction, OtherLibrary } from "./ffi.ts";

const NAMES = ["libdeflate.so.0"];

/** Compressors of one caller. What is disposed while it works is freed when it is done. */
export interface GzipPieces extends Disposable {
  /**
   * Makes a gzip member of `data` in `target`, neither of which may change or go meanwhile, and tells its size. Any number at once.
   * @param level 0 to 12, none slower than zlib's of the same number
   * @throws where `target` has too little room
   */
  member(data: Buffer, level: number, target: Buffer): Promise<number>;
}

interface Functions {
  readonly allocate: (level: number) => number;
  readonly free: (compressor: number) => void;
  readonly compress: AsyncFunction;
  readonly address: OtherLibrary["address"];
}

let functions: Functions | undefined | null = null;

/** Compressors, if the machine has the library. SLIPWAY_LIBDEFLATE is another file of it; empty, it is not used. */
export function gzipPieces(): GzipPieces | undefined {
  functions = functions === null ? load() : functions;
  return functions === undefined ? undefined : new Pieces(functions);
}

function load(): Functions | undefined {
  const { SLIPWAY_LIBDEFLATE: given } = process.env;
  const library = otherLibrary(given === undefined ? NAMES : given === "" ? [] : [given]);
  if (library === undefined) return undefined;
  return {
    allocate: library.plain("libdeflate_alloc_compressor", "uintptr_t", ["int"]),
    free: library.plain("libdeflate_free_compressor", "void", ["uintptr_t"]),
    compress: library.async("libdeflate_gzip_compress", "size_t", [
      "uintptr_t",
      "uintptr_t",
      "size_t",
      "uintptr_t",
      "size_t",
    ]),
    address: (of) => library.address(of),
  };
}

class Pieces implements GzipPieces {
  readonly #functions: Functions;
  /** Compressors at rest, by level. */
  readonly #idle = new Map<number, number[]>();
  #isDisposed = false;

  constructor(given: Functions) {
    this.#functions = given;
  }

  async member(data: Buffer, level: number, target: Buffer): Promise<number> {
    const { compress, address } = this.#functions;
    const compressor = this.#take(level);
    try {
      const size = await compress(compressor, address(data), data.length, address(target), target.length);
      if (size === 0) throw new Error(`no room for ${data.length} bytes as gzip in ${target.length}`);
      return size;
    } finally {
      this.#giveBack(level, compressor);
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const compressor of [...this.#idle.values()].flat()) this.#functions.free(compressor);
    this.#idle.clear();
  }

  #take(level: number): number {
    const idle = this.#idle.get(level)?.pop();
    if (idle !== undefined) return idle;
    const made = this.#functions.allocate(level);
    if (made === 0) throw Object.assign(new Error("no memory for a compressor"), { code: "ENOMEM" });
    return made;
  }

  #giveBack(level: number, compressor: number): void {
    if (this.#isDisposed) return this.#functions.free(compressor);
    const idle = this.#idle.get(level) ?? [];
    idle.push(compressor);
    this.#idle.set(level, idle);
  }
}
