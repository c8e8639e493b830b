// What COPY and ADD sources on the web look like.

import { baseName } from "../../../formats/patterns/index.ts";
import { parseGitRef } from "../context/git-ref.ts";
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
  const match = /^([a-z0-9]+(?:[.+_-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)$/.exec(text);
  if (match === null) throw new FrontendError("invalid checksum digest format");
  const length = Object.hasOwn(DIGEST_LENGTHS, match[1]!) ? DIGEST_LENGTHS[match[1]!] : undefined;
  if (length === undefined) throw new FrontendError("unsupported digest algorithm");
  if (match[2]!.length !== length) throw new FrontendError("invalid checksum digest length");
  if (!/^[a-f0-9]+$/.test(match[2]!)) throw new FrontendError("invalid checksum digest format");
}
