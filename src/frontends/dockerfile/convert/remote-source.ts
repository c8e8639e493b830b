// What COPY and ADD sources on the web look like.

import { baseName } from "../../../formats/patterns/index.ts";
import { parseGitRef } from "../context/git-ref.ts";
import { cut } from "../go/text.ts";
import { tryParseUrl } from "../go/url.ts";
import { FrontendError } from "../source-error.ts";

/** An http(s) URL that is not a git URL. */
export function isHttpSource(source: string): boolean {
  return /^https?:\/\//.test(source) && !isGitSource(source);
}

export function isGitSource(source: string): boolean {
  return parseGitRef(source).kind === "git";
}

/** The name under which a web file is stored: the last element of the URL's path. */
export function httpFilename(source: string): string {
  const base = baseName(tryParseUrl(source)?.path ?? "");
  return base === "." || base === "/" ? "__unnamed__" : base;
}

const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Checks a digest of any algorithm that Go's digest package knows. @throws FrontendError */
export function checkDigest(text: string): void {
  const { before: algorithm, after: encoded } = cut(text, ":");
  if (algorithm === "" || encoded === "") throw new FrontendError("invalid checksum digest format");
  const length = Object.hasOwn(DIGEST_LENGTHS, algorithm) ? DIGEST_LENGTHS[algorithm] : undefined;
  if (length === undefined) {
    const isDigest = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/.test(text);
    throw new FrontendError(isDigest ? "unsupported digest algorithm" : "invalid checksum digest format");
  }
  if (Buffer.byteLength(encoded) !== length) throw new FrontendError("invalid checksum digest length");
  if (!/^[a-f0-9]+$/.test(encoded)) throw new FrontendError("invalid checksum digest format");
}
