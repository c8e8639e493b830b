// Reads what `imagetools inspect` can show of an image: a config for each platform, and what its attestations say.
// Counterpart: docker/buildx util/imagetools/loader.go.

import type { RegistryClient } from "../distribution/index.ts";
import {
  formatPlatform,
  isIndexType,
  isManifestType,
  normalizePlatform,
  parseImageConfig,
  parseIndex,
  parseManifest,
  platformOf,
  withDigest,
} from "../formats/oci/index.ts";
import type { Descriptor, Manifest, Reference } from "../formats/oci/index.ts";
import { GoStruct } from "./go-template.ts";
import { readBlob } from "./imagetools-combine.ts";

export interface LoadedImage {
  /** By platform, sorted. */
  readonly configs: ReadonlyMap<string, Record<string, unknown>>;
  /** SBOMs and provenance by platform; those without are left out. */
  readonly attested: () => Promise<{
    readonly sboms: ReadonlyMap<string, unknown>;
    readonly provenances: ReadonlyMap<string, unknown>;
  }>;
}

interface Found {
  /** Manifests that are images, by platform. */
  readonly images: Map<string, { readonly digest: string; readonly manifest: Manifest }>;
  /** Manifests about others, by what they are about. */
  readonly about: Map<string, Manifest[]>;
}

const REFERENCES = ["com.docker.reference.digest", "vnd.docker.reference.digest"];
const SPDX = "https://spdx.dev/Document";
const SLSA = "https://slsa.dev/provenance/";

/** @throws REGISTRY_*, IMAGE_NOT_FOUND, INVALID_IMAGE. */
export async function loadImage(
  client: RegistryClient,
  ref: Reference,
  root: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  signal: AbortSignal,
): Promise<LoadedImage> {
  const read = (descriptor: Descriptor) => readBlob(client, ref, descriptor, signal);
  const found: Found = { images: new Map(), about: new Map() };
  await collect(root, found, { client, ref, signal, read });
  const platforms = [...found.images.keys()].toSorted();
  const configs = await Promise.all(
    platforms.map(async (platform) => {
      const bytes = await read(found.images.get(platform)!.manifest.config);
      return [platform, JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown>] as const;
    }),
  );
  return {
    configs: new Map(configs),
    attested: async () => {
      const sboms = new Map<string, unknown>();
      const provenances = new Map<string, unknown>();
      for (const platform of platforms) {
        const holders = found.about.get(found.images.get(platform)!.digest) ?? [];
        const documents = await predicates(holders, (type) => type === SPDX, read);
        const [first, ...others] = documents;
        if (documents.length > 0)
          sboms.set(
            platform,
            new GoStruct([
              ["SPDX", "SPDX", first, true],
              ["AdditionalSPDXs", "AdditionalSPDXs", others, true],
            ]),
          );
        const provenance = (await predicates(holders, (type) => type.startsWith(SLSA), read)).at(-1);
        if (provenance !== undefined) provenances.set(platform, new GoStruct([["SLSA", "SLSA", provenance, true]]));
      }
      return { sboms, provenances };
    },
  };
}

interface Place {
  readonly client: RegistryClient;
  readonly ref: Reference;
  readonly signal: AbortSignal;
  readonly read: (descriptor: Descriptor) => Promise<Uint8Array>;
}

async function collect(
  { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  found: Found,
  place: Place,
): Promise<void> {
  if (isIndexType(descriptor.mediaType)) {
    const children = parseIndex(bytes).manifests.filter(
      ({ mediaType }) => isIndexType(mediaType) || isManifestType(mediaType),
    );
    const read = await Promise.all(
      children.map(async (child) => ({
        descriptor: child,
        bytes: (await place.client.manifest(withDigest(place.ref, child.digest), place.signal)).bytes,
      })),
    );
    for (const each of read) await collect(each, found, place);
    return;
  }
  if (!isManifestType(descriptor.mediaType)) return;
  const manifest = parseManifest(bytes);
  const about = REFERENCES.map((name) => descriptor.annotations?.[name]).find((each) => each !== undefined);
  if (about !== undefined) {
    found.about.set(about, [...(found.about.get(about) ?? []), manifest]);
    return;
  }
  const platform = descriptor.platform ?? platformOf(parseImageConfig(await place.read(manifest.config)));
  found.images.set(formatPlatform(normalizePlatform(platform)), { digest: descriptor.digest, manifest });
}

async function predicates(
  holders: readonly Manifest[],
  isWanted: (type: string) => boolean,
  read: Place["read"],
): Promise<unknown[]> {
  const layers = holders
    .flatMap((each) => each.layers)
    .filter(({ mediaType, annotations }) => {
      const isStatement = /^application\/vnd\.in-toto(?:\+json$|\..*\+dsse$)/.test(mediaType);
      return isStatement && isWanted(annotations?.["in-toto.io/predicate-type"] ?? "");
    });
  return Promise.all(
    layers.map(async (layer) => {
      let statement = JSON.parse(Buffer.from(await read(layer)).toString("utf8")) as Record<string, unknown>;
      if (layer.mediaType.endsWith("+dsse")) {
        const payload = Buffer.from(String(statement["payload"] as string), "base64").toString("utf8");
        statement = JSON.parse(payload) as Record<string, unknown>;
      }
      return statement["predicate"];
    }),
  );
}
