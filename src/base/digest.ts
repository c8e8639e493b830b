// Digests as the OCI image-spec writes them: `sha256:` and 64 lower-case hex digits. Only sha256 is made and accepted.
// Spec: OCI image-spec v1.1 descriptor.md#digests

import type * as Crypto from "node:crypto";
import { BuildError } from "./errors.ts";

/** Loaded when the first digest is made: help needs none, and it is a tenth of what a start takes. */
const crypto = () => (loaded ??= process.getBuiltinModule("node:crypto"));
let loaded: typeof Crypto | undefined;

/** `sha256:<64 hex>`; made only by the functions of this file. */
export type Digest = string & { readonly __brand: "Digest" };

const SHAPE = /^sha256:[a-f0-9]{64}$/;

/** Digest of bytes or of a string's UTF-8. */
export function digestOf(data: Uint8Array | string): Digest {
  return `sha256:${crypto().hash("sha256", data, "hex")}` as Digest;
}

export function isDigest(text: string): text is Digest {
  return SHAPE.test(text);
}

/** @throws INVALID_DIGEST when `text` is not `sha256:` and 64 lower-case hex digits. */
export function parseDigest(text: string): Digest {
  if (!SHAPE.test(text)) {
    throw new BuildError(`invalid digest ${JSON.stringify(text.slice(0, 200))}`, {
      code: "INVALID_DIGEST",
      status: "InvalidArgument",
    });
  }
  return text as Digest;
}

/** The 64 hex digits of a digest: what paths are made from. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** The digest that has these 32 bytes. */
export function digestOfBytes(bytes: Uint8Array): Digest {
  return `sha256:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}` as Digest;
}

/** Hashes chunks as they pass; `digest()` ends it. */
export class Digester {
  readonly #hash = crypto().createHash("sha256");
  sizeBytes = 0;

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.sizeBytes += chunk.byteLength;
  }

  digest(): Digest {
    return `sha256:${this.#hash.digest("hex")}` as Digest;
  }
}
