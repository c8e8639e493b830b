// The sentences that users see when a registry does not give what was asked for. No request header, token or query ever enters.

import { BuildError, errnoOf, messageOf } from "../base/index.ts";

/** The registry can't be reached, or the connection broke too often. */
export function unreachable(host: string, cause: unknown): BuildError {
  return new BuildError(`registry ${host} can't be reached: ${connectionFailure(cause)}`, {
    code: "REGISTRY_UNREACHABLE",
    status: "Unavailable",
    hint: hintFor(cause),
    retryable: true,
    cause,
  });
}

export function notFound(name: string): BuildError {
  return new BuildError(`${name}: not found`, {
    code: "IMAGE_NOT_FOUND",
    status: "NotFound",
    hint: "check the image's name and tag",
  });
}

export function blobNotFound(digest: string, name: string): BuildError {
  return new BuildError(`blob ${digest} of ${name}: not found`, { code: "BLOB_NOT_FOUND", status: "NotFound" });
}

/** 401 and 403: registries do not tell a private repository from a missing one. */
export function accessDenied(name: string, host: string, server: string, cause?: unknown): BuildError {
  const said = server === "" ? "" : `: server message: ${server}`;
  const helper = cause === undefined ? "" : ` (${messageOf(cause)})`;
  return new BuildError(`pull access denied, repository does not exist or may require authorization${said}`, {
    code: "REGISTRY_ACCESS_DENIED",
    status: "PermissionDenied",
    hint: `check the name ${name}; for a private repository log in first, for example with: docker login ${host}${helper}`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** 401 and 403 on an upload. */
export function pushDenied(name: string, host: string, server: string, cause?: unknown): BuildError {
  const said = server === "" ? "" : `: server message: ${server}`;
  const helper = cause === undefined ? "" : ` (${messageOf(cause)})`;
  return new BuildError(`push access denied, repository does not exist or may require authorization${said}`, {
    code: "REGISTRY_ACCESS_DENIED",
    status: "PermissionDenied",
    hint: `check that you may write to ${name}; log in first, for example with: docker login ${host}${helper}`,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function unexpectedStatus(method: string, url: URL, status: number, server: string): BuildError {
  const said = server === "" ? "" : `: ${server}`;
  if (status === 429) {
    return new BuildError(`registry ${url.host} refuses more requests for now (429)${said}`, {
      code: "REGISTRY_THROTTLED",
      status: "ResourceExhausted",
      hint: "log in for a higher limit, use a mirror, or try again later",
      retryable: true,
    });
  }
  return new BuildError(`unexpected status from ${method} request to ${publicUrl(url)}: ${status}${said}`, {
    code: "REGISTRY_FAILED",
    status: status >= 500 ? "Unavailable" : "Unknown",
    retryable: status >= 500,
  });
}

/** What the registry sent can't be trusted or used. */
export function badAnswer(message: string, cause?: unknown): BuildError {
  return new BuildError(message, {
    code: "REGISTRY_BAD_ANSWER",
    status: "DataLoss",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A URL without user-info and query: what may be shown. */
export function publicUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** The registry's own error text, from its JSON body, cut and with control characters left out. */
export function serverMessage(body: Uint8Array): string {
  try {
    const { errors } = JSON.parse(Buffer.from(body).toString("utf8")) as { errors?: unknown };
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    const { code, message } = (first ?? {}) as { code?: unknown; message?: unknown };
    return [code, message]
      .filter((each): each is string => typeof each === "string" && each !== "")
      .map((each, at) => printable(at === 0 ? each.toLowerCase() : each))
      .join(": ");
  } catch {
    return "";
  }
}

/** One line of harmless text. */
export function printable(text: string): string {
  return text
    .slice(0, 300)
    .replace(/\p{C}+/gu, " ")
    .trim();
}

/** A failure of a connection that no errno names, for {@link causeCode}. */
export function connectionError(message: string, code: `HTTP_${string}` | "ECONNRESET", cause?: unknown): Error {
  return Object.assign(new Error(message, cause === undefined ? {} : { cause }), { code });
}

/** Why a connection failed, in a few words. */
export function connectionFailure(cause: unknown): string {
  switch (causeCode(cause)) {
    case "ECONNREFUSED":
      return "connection refused";
    case "ENOTFOUND":
      return "no such host";
    case "EAI_AGAIN":
      return "the name server does not answer";
    case "ETIMEDOUT":
    case "HTTP_CONNECT_TIMEOUT":
    case "HTTP_HEADERS_TIMEOUT":
    case "HTTP_BODY_TIMEOUT":
      return "no answer in time";
    default:
      return printable(messageOf(cause)) || "connection failed";
  }
}

function hintFor(cause: unknown): string {
  const code = causeCode(cause) ?? "";
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|SSL|TLS/.test(code)) {
    return "its certificate is not trusted here: put its authority into /etc/docker/certs.d/HOST/ca.crt, or configure the registry as insecure";
  }
  return "check the registry's name, the network and the proxy settings; a base image that is here already needs no registry";
}

/** The code of a failed connection: an errno, ours (`HTTP_…`), Node's, or OpenSSL's. Looks into the causes. */
export function causeCode(error: unknown): string | undefined {
  for (let each = error, depth = 0; each instanceof Error && depth < 4; each = each.cause, depth++) {
    if (each instanceof AggregateError && each.errors.length > 0) return causeCode(each.errors[0]);
    const code = errnoOf(each) ?? (each as { code?: unknown }).code;
    if (typeof code === "string") return code;
  }
  return undefined;
}
