// Kept images as people look at them.

import { BuildError } from "../../base/index.ts";
import {
  familiarString,
  isIndexType,
  parseIndex,
  parseManifest,
  platformOf,
  formatPlatform,
  parseImageConfig,
  parseReference,
} from "../../formats/oci/index.ts";
import type { Engine } from "../../engine/index.ts";
import type { ImageDetails, ImageRecord } from "./builder.ts";

type KeptImage = ReturnType<Engine["store"]["images"]["list"]>[number];

export function listImages(engine: Engine): ImageRecord[] {
  return engine.store.images.list().map(toRecord);
}

/** By name, digest, or a unique beginning of a digest's hex digits. @throws IMAGE_NOT_FOUND, IMAGE_AMBIGUOUS. */
export function findImage(engine: Engine, name: string): KeptImage {
  const { images } = engine.store;
  const byName = images.get(name);
  if (byName !== undefined) return byName;
  const hex = name.replace(/^sha256:/, "");
  const matches = /^[0-9a-f]{4,64}$/.test(hex)
    ? images.list().filter((image) => image.digest.slice(7).startsWith(hex))
    : [];
  if (new Set(matches.map((image) => image.digest)).size > 1) {
    throw new BuildError(`more than one image begins with ${name}`, {
      code: "IMAGE_AMBIGUOUS",
      status: "InvalidArgument",
    });
  }
  if (matches[0] !== undefined) return matches[0];
  throw new BuildError(`No such image: ${name}`, {
    code: "IMAGE_NOT_FOUND",
    status: "NotFound",
    hint: "`slipway images` lists what is kept",
  });
}

export function describeImage(engine: Engine, image: KeptImage): ImageDetails {
  const { content } = engine.store;
  const bytes = content.read(image.digest);
  const manifests = isIndexType(image.mediaType)
    ? parseIndex(bytes)
        .manifests.filter((each) => each.platform !== undefined && each.platform.os !== "unknown")
        .map((each) => each.digest)
    : [image.digest];
  return {
    ...toRecord(image),
    manifest: json(bytes),
    images: manifests.map((digest) => {
      const manifestBytes = content.read(digest);
      const configBytes = content.read(parseManifest(manifestBytes).config.digest);
      const platform = formatPlatform(platformOf(parseImageConfig(configBytes)));
      return { platform, digest, manifest: json(manifestBytes), config: json(configBytes) };
    }),
  };
}

/** Forgets the name; the digest is deleted when no other name has it. */
export function removeImage(
  engine: Engine,
  image: KeptImage,
): { readonly untagged: string; readonly deleted: string | undefined } {
  const { images } = engine.store;
  images.remove(image.name);
  const deleted = images.byDigest(image.digest).length === 0 ? image.digest : undefined;
  return { untagged: familiarName(image.name), deleted };
}

function toRecord(image: KeptImage): ImageRecord {
  const { digest, mediaType, sizeBytes, createdMs, platforms } = image;
  return { name: familiarName(image.name), digest, mediaType, sizeBytes, createdAtMs: createdMs, platforms };
}

function familiarName(name: string): string {
  return familiarString(parseReference(name));
}

function json(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
}
