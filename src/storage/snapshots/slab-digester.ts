// The digest of a layer's tar while it is packed: slab after slab on another thread, beside their compression and the hashing of what comes of it.
// A layer that does not fill even one is hashed where it is.

import { type Digest, Digester, digestOfBytes } from "../../base/index.ts";
import { type BackgroundHash, backgroundSha256 } from "../../system/linux/index.ts";

/** One is filled while the other is hashed: with more it is no faster. */
const MOST_SLABS = 2;

/** Gives out slabs, hashes them as they come back, and gives them out again. To be disposed. */
export class SlabDigester implements Disposable {
  readonly #slabBytes: number;
  readonly #free: Buffer[] = [];
  readonly #hashing: Promise<void>[] = [];
  #made = 0;
  /** Decided by the first slab. */
  #hash: BackgroundHash | Digester | undefined;
  sizeBytes = 0;

  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
  }

  /** A slab to fill, as soon as there is one. */
  async slab(): Promise<Buffer> {
    if (this.#free.length === 0 && this.#made < MOST_SLABS) {
      this.#made++;
      return Buffer.allocUnsafeSlow(this.#slabBytes);
    }
    while (this.#free.length === 0) await this.#hashing.shift();
    return this.#free.pop()!;
  }

  /** Takes a slab back, of which the first `size` bytes come next. Its bytes stay as they are until another is asked for. */
  update(slab: Buffer, size: number): void {
    const data = slab.subarray(0, size);
    this.#hash ??= (size === this.#slabBytes ? backgroundSha256() : undefined) ?? new Digester();
    this.sizeBytes += size;
    if (this.#hash instanceof Digester) {
      this.#hash.update(data);
      this.#free.push(slab);
      return;
    }
    const hash = this.#hash;
    const before = this.#hashing.at(-1);
    const done = (async () => {
      await before;
      await hash.update(data);
      this.#free.push(slab);
    })();
    // Told to whoever asks for a slab or the digest.
    done.catch(() => undefined);
    this.#hashing.push(done);
  }

  /** Of all that was given. */
  async digest(): Promise<Digest> {
    await this.#hashing.at(-1);
    const made = (this.#hash ?? new Digester()).digest();
    return typeof made === "string" ? made : digestOfBytes(made);
  }

  [Symbol.dispose](): void {
    if (this.#hash !== undefined && !(this.#hash instanceof Digester)) this.#hash[Symbol.dispose]();
  }
}
