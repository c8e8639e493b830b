// What `imagetools create` is given: digests, references and descriptors. Counterpart: docker/buildx commands/imagetools/create.go.

import { BuildError, isDigest } from "../base/index.ts";
import {
  readDescriptor,
  parsePlatform,
  parseReference,
  referenceName,
  tagNameOnly,
  withDigest,
} from "../formats/oci/index.ts";
import type { Descriptor, Platform, Reference } from "../formats/oci/index.ts";

/** A source as far as it is known before its registry is asked. */
export interface GivenSource {
  readonly ref: Reference;
  /** What a descriptor said; it stands over what the registry says. */
  readonly given: Partial<Descriptor>;
}

interface ParsedSource {
  readonly ref: Reference | undefined;
  readonly given: Partial<Descriptor>;
}

/** The sources; those without a repository are in the only one that is spoken of. @throws Error in buildx's words. */
export function parseSources(texts: readonly string[], tags: readonly Reference[]): GivenSource[] {
  const parsed = texts.map((text) => {
    try {
      return parseSource(text);
    } catch (error) {
      throw new Error(
        `failed to parse source ${JSON.stringify(text)}, valid sources are digests, references and descriptors: ${(error as Error).message}`,
        { cause: error },
      );
    }
  });
  const named = parsed.flatMap(({ ref }) => (ref === undefined ? [] : [ref]));
  const repositories = new Set([...named, ...tags].map(referenceName));
  if (repositories.size === 0) throw new Error("no repositories specified, please set a reference in tag or source");
  const only = repositories.size === 1 ? (named[0] ?? tags[0]) : undefined;
  return parsed.map(({ ref, given }, at) => {
    if (ref !== undefined) return { ref, given };
    if (only === undefined)
      throw new Error(`multiple repositories specified, cannot infer repository for ${JSON.stringify(texts[at])}`);
    const { domain, path } = only;
    return { ref: withDigest({ domain, path }, given.digest!), given };
  });
}

/** @throws INVALID_REFERENCE. */
export function parseTags(texts: readonly string[]): Reference[] {
  return texts.map(parseLocation);
}

/** @throws Error for a platform that is none. */
export function parsePlatforms(texts: readonly string[]): Platform[] {
  return texts
    .flatMap((text) => text.split(","))
    .map((text) => {
      try {
        return parsePlatform(text);
      } catch (error) {
        throw new Error(`invalid platform ${JSON.stringify(text)}: ${(error as Error).message}`, { cause: error });
      }
    });
}

function parseSource(text: string): ParsedSource {
  if (isDigest(text)) return { ref: undefined, given: { digest: text } };
  if (text.trimStart().startsWith("{")) return { ref: undefined, given: parseDescriptorText(text) };
  if (text.startsWith("sha256")) throw new Error("invalid checksum digest format");
  return { ref: parseLocation(text), given: {} };
}

function parseLocation(text: string): Reference {
  if (text.startsWith("oci-layout://")) {
    throw new BuildError(`${text}: OCI layouts are not read or written by imagetools in this version`, {
      code: "NOT_IN_THIS_VERSION",
      status: "Unimplemented",
      hint: "push with -o type=registry, or copy a layout with skopeo",
    });
  }
  return tagNameOnly(parseReference(text));
}

function parseDescriptorText(text: string): Partial<Descriptor> {
  const parsed = JSON.parse(text) as Record<string, unknown>;
  if ((parsed["schemaVersion"] ?? 0) !== 0)
    throw new Error(
      `expected an OCI content descriptor, got a manifest or index (schemaVersion ${JSON.stringify(parsed["schemaVersion"])})`,
    );
  if ((parsed["digest"] ?? "") === "") throw new Error("invalid descriptor: digest is required");
  // Size and type may be left out: the registry knows them.
  const { size, mediaType, ...rest } = readDescriptor({ size: 0, ...parsed }, "descriptor");
  return { ...rest, ...(size === 0 ? {} : { size }), ...(mediaType === "" ? {} : { mediaType }) };
}
