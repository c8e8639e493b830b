// Image references as docker writes and reads them: `[domain/]path[:tag][@digest]`, and their normalised and familiar forms.
// The grammar is unambiguous piece by piece, so that hostile text costs linear time.
// Counterpart: distribution/reference normalize.go, reference.go, regexp.go.

import { BuildError, isDigest } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";

/** Domain and path name a repository; tag and digest one image of it. `domain` is empty only in plain references. */
export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DOMAIN = "index.docker.io";
const OFFICIAL = "library/";
const MAX_PATH = 255;

const label = "[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*";
const domain = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const path = `${component}(?:/${component})*`;
const tag = "\\w[\\w.-]{0,127}";
const digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";

const NAME = new RegExp(`^(?:(${domain})/)?(${path})$`);
const REFERENCE = new RegExp(`^((?:${domain}/)?${path})(?::(${tag}))?(?:@(${digest}))?$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;

/**
 * Reads what users write: `alpine` is `docker.io/library/alpine`. Neither tag nor digest is added.
 *
 * @throws INVALID_REFERENCE with docker's own sentence.
 */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const [host, rest] = splitDockerDomain(text);
  const colon = rest.indexOf(":");
  const name = colon < 0 ? rest : rest.slice(0, colon);
  if (name.toLowerCase() !== name) {
    throw invalid(`invalid reference format: repository name (${name}) must be lowercase`);
  }
  return parsePlainReference(`${host}/${rest}`);
}

/** {@link parseReference}, undefined where that throws. */
export function tryParseReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads a reference by the bare grammar, with no defaults: the domain may be empty.
 *
 * @throws INVALID_REFERENCE.
 */
export function parsePlainReference(text: string): Reference {
  const match = REFERENCE.exec(text);
  if (match === null) {
    if (text === "") throw invalid("repository name must have at least one component");
    if (REFERENCE.test(text.toLowerCase())) throw invalid("repository name must be lowercase");
    throw invalid("invalid reference format");
  }
  const name = NAME.exec(match[1]!);
  const host = name?.[1] ?? "";
  const repository = name?.[2] ?? match[1]!;
  if (repository.length > MAX_PATH) throw invalid(`repository name must not be more than ${MAX_PATH} characters`);
  return {
    domain: host,
    path: repository,
    ...(match[2] === undefined ? {} : { tag: match[2] }),
    ...(match[3] === undefined ? {} : { digest: checkDigest(match[3]) }),
  };
}

/** Domain and path: the repository. */
export function referenceName(ref: Reference): string {
  return ref.domain === "" ? ref.path : `${ref.domain}/${ref.path}`;
}

/** The full text, domain included. */
export function referenceString(ref: Reference): string {
  return `${referenceName(ref)}${suffix(ref)}`;
}

/** The name as users like to read it: docker.io and library/ left out. */
export function familiarName(ref: Reference): string {
  if (ref.domain !== DEFAULT_DOMAIN) return referenceName(ref);
  const rest = ref.path.startsWith(OFFICIAL) ? ref.path.slice(OFFICIAL.length) : ref.path;
  return rest.includes("/") ? ref.path : rest;
}

/** {@link familiarName} with tag and digest. */
export function familiarString(ref: Reference): string {
  return `${familiarName(ref)}${suffix(ref)}`;
}

/** True without tag and digest. */
export function isNameOnly(ref: Reference): boolean {
  return ref.tag === undefined && ref.digest === undefined;
}

/** Adds the tag `latest` where there is neither tag nor digest. */
export function tagNameOnly(ref: Reference): Reference {
  return isNameOnly(ref) ? { ...ref, tag: "latest" } : ref;
}

/** The reference pinned to a digest; the tag stays. */
export function withDigest(ref: Reference, newDigest: Digest): Reference {
  return { ...ref, digest: newDigest };
}

/** The key under which a named build context replaces an image: familiar, with `:latest` left out. */
export function contextKey(ref: Reference): string {
  return familiarString(tagNameOnly(ref)).replace(/:latest$/, "");
}

function splitDockerDomain(text: string): [host: string, rest: string] {
  const slash = text.indexOf("/");
  if (slash < 0) return [DEFAULT_DOMAIN, OFFICIAL + text];
  const first = text.slice(0, slash);
  const isHost = first === "localhost" || /[.:]/.test(first) || first.toLowerCase() !== first;
  const host = !isHost || first === LEGACY_DOMAIN ? DEFAULT_DOMAIN : first;
  const rest = isHost ? text.slice(slash + 1) : text;
  return [host, host === DEFAULT_DOMAIN && !rest.includes("/") ? OFFICIAL + rest : rest];
}

function suffix(ref: Reference): string {
  return `${ref.tag === undefined ? "" : `:${ref.tag}`}${ref.digest === undefined ? "" : `@${ref.digest}`}`;
}

/** Differs: docker also takes sha384 and sha512 here; such images can't be fetched by anyone, and we say so at once. */
function checkDigest(text: string): Digest {
  if (isDigest(text)) return text;
  const [algorithm, encoded] = text.split(":") as [string, string];
  if (algorithm === "sha256") {
    throw invalid(encoded.length === 64 ? "invalid checksum digest format" : "invalid checksum digest length");
  }
  const isWellFormed = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*$/.test(algorithm);
  throw invalid(isWellFormed ? "unsupported digest algorithm" : "invalid checksum digest format");
}

function invalid(message: string): BuildError {
  return new BuildError(message, { code: "INVALID_REFERENCE", status: "InvalidArgument" });
}
