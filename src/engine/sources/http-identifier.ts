// A file from the web as LLB names it: `https://…` and `http.*` attributes; the name under which it is stored, and the keys of
// cache and revalidation, the very strings of BuildKit. Counterpart: moby/buildkit source/http/{source,identifier}.go.

import { BuildError, digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { goJson } from "../../formats/oci/index.ts";

export interface HttpIdentifier {
  readonly url: string;
  /** `algorithm:hex`, of sha256, sha384 or sha512; undefined when any content will do. */
  readonly checksum: string | undefined;
  /** Empty when the server's or the URL's name is to be taken. */
  readonly filename: string;
  /** 0 means 0600. */
  readonly perm: number;
  readonly uid: number;
  readonly gid: number;
  /** Id of the secret that is the Authorization header; empty when there is none. */
  readonly authHeaderSecret: string;
  /** Sorted by name. */
  readonly headers: readonly { readonly Name: string; readonly Value: string }[];
}

const CHECKSUM_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
/** Others are left out silently, as BuildKit does. */
const USER_HEADERS: Readonly<Record<string, string>> = { accept: "Accept", "user-agent": "User-Agent" };

/** @throws INVALID_LLB for malformed attributes; UNSUPPORTED for signatures, which must not be left unchecked. */
export function parseHttpIdentifier(url: string, attrs: Readonly<Record<string, string>>): HttpIdentifier {
  const headers: { Name: string; Value: string }[] = [];
  for (const [key, value] of Object.entries(attrs)) {
    if (key.startsWith("http.sig.")) {
      throw new BuildError(`signatures of web sources are not checked by this builder: ${key}`, {
        code: "UNSUPPORTED",
        status: "Unimplemented",
        hint: "give a checksum instead",
      });
    }
    const name = key.startsWith("http.header.") ? key.slice("http.header.".length).toLowerCase() : "";
    if (Object.hasOwn(USER_HEADERS, name)) headers.push({ Name: USER_HEADERS[name]!, Value: value });
  }
  const checksum = attrs["http.checksum"];
  if (checksum !== undefined) checkChecksum(checksum);
  return {
    url,
    checksum,
    filename: attrs["http.filename"] ?? "",
    perm: integer(attrs["http.perm"]),
    uid: integer(attrs["http.uid"]),
    gid: integer(attrs["http.gid"]),
    authHeaderSecret: attrs["http.authheadersecret"] ?? "",
    headers: headers.sort((a, b) => (a.Name < b.Name ? -1 : 1)),
  };
}

/** What earlier answers to the same question are remembered under. */
export function httpRecordKey(id: HttpIdentifier): string {
  const { perm, uid, gid, authHeaderSecret, headers, filename, url } = id;
  return `http:${digestOf(JSON.stringify([url, filename, perm, uid, gid, authHeaderSecret, headers]))}`;
}

/** BuildKit's cache key of a file with this content. `lastModified` is a header as the server sent it. */
export function httpCacheKey(
  id: HttpIdentifier,
  filename: string,
  checksum: string,
  lastModified: string | undefined,
): Digest {
  const modifiedMs = lastModified === undefined ? undefined : httpTimeMs(lastModified);
  return digestOf(
    goJson({
      Filename: filename,
      Perm: id.perm,
      UID: id.uid,
      GID: id.gid,
      Checksum: checksum,
      LastModTime: modifiedMs === undefined ? undefined : new Date(modifiedMs).toUTCString(),
      AuthHeaderSecret: id.authHeaderSecret || undefined,
      Header: id.headers.length > 0 ? id.headers : undefined,
    }),
  );
}

/** Milliseconds since 1970 of an HTTP date in one of its three forms; undefined for anything else. Spec: RFC 9110 §5.6.7. */
export function httpTimeMs(text: string): number | undefined {
  const isDate =
    /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(text) ||
    /^[A-Z][a-z]+day, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT$/.test(text);
  const isAnsi = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/.test(text);
  const ms = isDate ? Date.parse(text) : isAnsi ? Date.parse(`${text} GMT`) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** The file's name: the asked one, else that of Content-Disposition, else the URL's; never a path. */
export function httpFilename(id: HttpIdentifier, contentDisposition: string | undefined): string {
  if (id.filename !== "") return safeName(id.filename);
  const offered = contentDisposition === undefined ? undefined : dispositionFilename(contentDisposition);
  if (offered !== undefined && offered !== "" && !offered.endsWith("/")) return safeName(offered);
  return safeName(URL.canParse(id.url) ? decoded(new URL(id.url).pathname) : "");
}

function safeName(text: string): string {
  const name = text.trim().replace(/\/+$/, "").split("/").at(-1)!;
  // oxlint-disable-next-line no-control-regex -- exactly these are refused
  return ["", ".", ".."].includes(name) || /[\u0000-\u001f\u007f-\u009f]/.test(name) ? "download" : name;
}

/** Spec: RFC 6266; malformed headers offer nothing. */
function dispositionFilename(header: string): string | undefined {
  const found = new Map<string, string>();
  let rest = /^\s*[^\s;=]+\s*/.exec(header) === null ? "" : header.replace(/^\s*[^\s;=]+\s*/, "");
  while (rest !== "") {
    const match = /^;\s*([^\s;=]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*/.exec(rest);
    if (match === null) return /^;?\s*$/.test(rest) ? pick(found) : undefined;
    found.set(match[1]!.toLowerCase(), match[2]?.replace(/\\(.)/g, "$1") ?? match[3] ?? "");
    rest = rest.slice(match[0].length);
  }
  return pick(found);
}

function pick(found: ReadonlyMap<string, string>): string | undefined {
  const extended = /^utf-8'[^']*'(.*)$/i.exec(found.get("filename*") ?? "")?.[1];
  return extended === undefined ? found.get("filename") : decoded(extended);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function checkChecksum(text: string): void {
  const [algorithm = "", hex = ""] = text.split(":", 2);
  const length = Object.hasOwn(CHECKSUM_LENGTHS, algorithm) ? CHECKSUM_LENGTHS[algorithm] : undefined;
  if (length !== undefined && hex.length === length && /^[a-f0-9]+$/.test(hex)) return;
  throw new BuildError(`invalid checksum ${JSON.stringify(text.slice(0, 200))}`, {
    code: "INVALID_LLB",
    status: "InvalidArgument",
    hint: "write it as sha256:HEX, sha384:HEX or sha512:HEX",
  });
}

/** As Go's ParseInt with base 0: a leading 0 means octal. */
function integer(text: string | undefined): number {
  if (text === undefined) return 0;
  const octal = /^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text;
  const value = /^(0[xob][0-9a-f]+|\d+)$/i.test(octal) ? Number(octal) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new BuildError(`a number was expected: ${JSON.stringify(text.slice(0, 100))}`, {
    code: "INVALID_LLB",
    status: "InvalidArgument",
  });
}
