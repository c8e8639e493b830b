// SHA-256 of a stream on libuv's threads, by the OpenSSL that is part of Node and that it offers to add-ons: what `node:crypto` does with a hash it does
// on the thread that asks. Counterpart: EVP_DigestInit(3); nodejs.org/api/addons.html "Linking to libraries included with Node.js".

import { otherLibrary } from "./ffi.ts";
import type { AsyncFunction, OtherLibrary } from "./ffi.ts";

const HASH_BYTES = 32;

/** A hash in the making, to be disposed; what is disposed while it works is freed when it is done. */
export interface BackgroundHash extends Disposable {
  /** Resolves when `data` is hashed, which must not change until then. One at a time. */
  update(data: Buffer): Promise<void>;
  /** The 32 bytes; once, with no update under way. */
  digest(): Buffer;
}

interface Functions {
  readonly make: () => number;
  readonly free: (context: number) => void;
  readonly kind: () => number;
  readonly begin: (context: number, kind: number, engine: number) => number;
  readonly update: AsyncFunction;
  readonly finish: (context: number, into: number, size: number) => number;
  readonly address: OtherLibrary["address"];
}

let functions: Functions | undefined | null = null;

/** A new SHA-256, where this Node has its OpenSSL's functions to offer. */
export function backgroundSha256(): BackgroundHash | undefined {
  functions = functions === null ? load() : functions;
  return functions === undefined ? undefined : new Sha256(functions);
}

function load(): Functions | undefined {
  const library = otherLibrary([null]);
  try {
    return library && bind(library);
  } catch {
    // Another Node, which keeps them to itself.
    return undefined;
  }
}

function bind(library: OtherLibrary): Functions {
  const pointer = "uintptr_t";
  return {
    make: library.plain("EVP_MD_CTX_new", pointer, []),
    free: library.plain("EVP_MD_CTX_free", "void", [pointer]),
    kind: library.plain("EVP_sha256", pointer, []),
    begin: library.plain("EVP_DigestInit_ex", "int", [pointer, pointer, pointer]),
    update: library.async("EVP_DigestUpdate", "int", [pointer, pointer, "size_t"]),
    finish: library.plain("EVP_DigestFinal_ex", "int", [pointer, pointer, pointer]),
    address: (of) => library.address(of),
  };
}

class Sha256 implements BackgroundHash {
  readonly #functions: Functions;
  #context: number;
  #isBusy = false;
  #isDisposed = false;

  constructor(given: Functions) {
    this.#functions = given;
    this.#context = given.make();
    if (this.#context === 0 || given.begin(this.#context, given.kind(), 0) !== 1)
      throw new Error("SHA-256 can't be begun");
  }

  async update(data: Buffer): Promise<void> {
    this.#check();
    this.#isBusy = true;
    try {
      const { update, address } = this.#functions;
      if ((await update(this.#context, address(data), data.length)) !== 1)
        throw new Error(`SHA-256 of ${data.length} bytes failed`);
    } finally {
      this.#isBusy = false;
      if (this.#isDisposed) this.#free();
    }
  }

  digest(): Buffer {
    this.#check();
    const bytes = Buffer.alloc(HASH_BYTES);
    const { finish, address } = this.#functions;
    if (finish(this.#context, address(bytes), 0) !== 1) throw new Error("SHA-256 can't be finished");
    return bytes;
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    if (!this.#isBusy) this.#free();
  }

  #check(): void {
    if (this.#isBusy || this.#isDisposed) throw new Error("a hash is asked for one thing at a time");
  }

  #free(): void {
    if (this.#context !== 0) this.#functions.free(this.#context);
    this.#context = 0;
  }
}
