// The sentences that users see when a web source does not give what was asked for. No query, header or token ever enters.

import { BuildError, errnoOf } from "../../base/index.ts";
import { publicUrl } from "../../distribution/index.ts";

/** The server answered, with something else than the file. */
export function badStatus(url: string, status: number): BuildError {
  const isPassing = status === 408 || status === 429 || status >= 500;
  return new BuildError(`failed to download ${shown(url)}: invalid response status ${status}`, {
    code: "HTTP_STATUS",
    status:
      status === 404 || status === 410
        ? "NotFound"
        : status === 401 || status === 403
          ? "PermissionDenied"
          : "Unavailable",
    retryable: isPassing,
    hint: hintFor(url, status),
  });
}

/** The connection could not be made, or broke too often. */
export function brokenDownload(url: string, reason: string, cause: unknown): BuildError {
  return new BuildError(`failed to download ${shown(url)}: ${reason}`, {
    code: "HTTP_BROKEN",
    status: "Unavailable",
    retryable: true,
    hint: "check the address, the network and the proxy settings (HTTPS_PROXY, NO_PROXY), or try again later",
    cause,
  });
}

/** The bytes are others than the checksum says: nothing of them is kept. */
export function wrongChecksum(url: string, got: string, expected: string): BuildError {
  return new BuildError(`digest mismatch for ${shown(url)}: ${got} (expected: ${expected})`, {
    code: "CHECKSUM_MISMATCH",
    status: "FailedPrecondition",
    hint: "the file on the server is not the one that the checksum was made of: find out why, then give the new checksum",
  });
}

/** The file can't be put into the store. */
export function unwritable(error: unknown, url: string): unknown {
  switch (errnoOf(error)) {
    case "ENOSPC":
      return new BuildError("no space left on the disk of the state directory", {
        code: "DISK_FULL",
        status: "ResourceExhausted",
        hint: "free some space, for example with: slipway prune",
        cause: error,
      });
    case "ENAMETOOLONG":
      return new BuildError(`the name of ${shown(url)} is too long for a file`, {
        code: "HTTP_FILENAME",
        status: "InvalidArgument",
        hint: "give the file a shorter name on the server",
        cause: error,
      });
    default:
      return error;
  }
}

function hintFor(url: string, status: number): string {
  const host = URL.canParse(url) ? new URL(url).hostname : "HOST";
  if (status === 401 || status === 403) {
    return `the server wants to know who asks: pass a token with --secret id=HTTP_AUTH_TOKEN_${host},env=NAME, or a whole header as HTTP_AUTH_HEADER_${host}`;
  }
  if (status === 404 || status === 410) return "check the address: the server has no such file";
  if (status === 429) return "the server refuses more requests for now: try again later, or use a mirror";
  if (status >= 500) return "the server has a problem of its own: try again later, or use a mirror";
  return "check the address: the server does not give a file there";
}

function shown(url: string): string {
  return URL.canParse(url) ? publicUrl(new URL(url)) : url;
}
