// Pushes an image that the store keeps, byte for byte: the digest that it has here is the one that the registry gets. Nothing is built,
// described or compressed anew; a layer whose bytes are not here is packed again, and packs to what its manifest says.

import { BuildError } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import {
  isIndexType,
  parseIndex,
  parseManifest,
  parseReference,
  platformOf,
  parseImageConfig,
  tagNameOnly,
} from "../../formats/oci/index.ts";
import type { Descriptor, Manifest } from "../../formats/oci/index.ts";
import type { Ref } from "../../storage/refs/index.ts";
import { pushImage } from "../exporters/index.ts";
import type { LayerBlob, MadeImage, PlatformImage, SmallBlob } from "../exporters/index.ts";
import type { Engine } from "./engine.ts";

export interface PushKeptOptions {
  /** Where to, tag included. */
  readonly reference: string;
  readonly insecure?: boolean;
  readonly onProgress?: (id: string, current: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** Resolves with the digest that was pushed. @throws IMAGE_NOT_FOUND, REGISTRY_*. */
export async function pushKeptImage(engine: Engine, name: string, options: PushKeptOptions): Promise<Digest> {
  const { store } = engine;
  const image = store.images.get(name);
  if (image === undefined) {
    throw new BuildError(`No such image: ${name}`, { code: "IMAGE_NOT_FOUND", status: "NotFound" });
  }
  await using held = new AsyncDisposableStack();
  const made = madeOf(image, engine, held);
  await pushImage(
    made,
    {
      references: [tagNameOnly(parseReference(options.reference))],
      byDigest: false,
      insecure: options.insecure ?? false,
    },
    {
      content: store.content,
      images: store.images,
      jobs: engine.workers,
      pusher: (domain, insecure) => engine.pusher(domain, insecure),
      progress: (id, { current = 0, total = 0 }) => options.onProgress?.(id, Number(current), Number(total)),
      warn: () => {},
      signal: options.signal,
    },
  );
  return image.digest;
}

type Kept = NonNullable<ReturnType<Engine["store"]["images"]["get"]>>;

function madeOf(image: Kept, { store }: Engine, held: AsyncDisposableStack): MadeImage {
  const { content, refs } = store;
  const blobs = new Map<Digest, SmallBlob>();
  const add = (kind: SmallBlob["kind"], digest: Digest): Uint8Array => {
    const bytes = content.read(digest);
    blobs.set(digest, { kind, digest, bytes });
    return bytes;
  };
  const isIndex = isIndexType(image.mediaType);
  const rootBytes = add(isIndex ? "index" : "manifest", image.digest);
  const root: Descriptor = { mediaType: image.mediaType, digest: image.digest, size: rootBytes.byteLength };
  const manifests = isIndex ? parseIndex(rootBytes).manifests : [root];
  const images: PlatformImage[] = [];
  const attestations: Descriptor[] = [];
  const layers: LayerBlob[][] = [];
  const owners: Ref[] = [];
  for (const descriptor of manifests) {
    const manifest = parseManifest(add("manifest", descriptor.digest));
    const configBytes = add("config", manifest.config.digest);
    if (descriptor.platform?.os === "unknown") {
      for (const { digest } of manifest.layers) add("statement", digest);
      attestations.push(descriptor);
      continue;
    }
    const config = parseImageConfig(configBytes);
    const ref = refs.load(image.refs[images.length] ?? "");
    if (ref === undefined) throw gone(image.name);
    held.defer(() => refs.release(ref));
    owners.push(ref);
    images.push({
      platform: platformOf(config),
      manifest: descriptor,
      config: manifest.config,
      layers: manifest.layers,
    });
    layers.push(
      manifest.layers.map((each, at) => ({ descriptor: each, diffId: config.rootfs.diff_ids[at]!, repositories: [] })),
    );
  }
  const bring = async (at: number, index: number): Promise<void> => {
    const wanted = images[at]!.layers[index]!;
    const packed = await refs.forms.blob(owners[at]!.layers[index]!, packing(wanted));
    if (packed.descriptor.digest !== wanted.digest) throw gone(image.name);
  };
  return {
    image: { root, images, attestations, isIndex, blobs: [...blobs.values()], sourceDateEpoch: undefined },
    layers,
    bring,
    tar: () => Promise.reject(new Error("a push needs no tar")),
  };
}

function packing({ mediaType }: Manifest["layers"][number]): { compression: "none" | "gzip" | "zstd"; bytes: true } {
  if (/zstd$/.test(mediaType)) return { compression: "zstd", bytes: true };
  return { compression: /gzip$/.test(mediaType) ? "gzip" : "none", bytes: true };
}

function gone(name: string): BuildError {
  return new BuildError(`layers of ${name} are no longer here as they were built`, {
    code: "IMAGE_INCOMPLETE",
    status: "FailedPrecondition",
    hint: "build it again",
  });
}
