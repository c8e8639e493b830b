// Copies images between repositories: what the target lacks, and nothing else. A blob that the registry has in the source's repository
// is mounted, others pass through a temporary file, checked on the way. Manifests go after what they name; whatever says something of
// them (attestations, signatures) goes along. Counterpart: docker/buildx util/imagetools/create.go CopyWithIngester.

import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError, Digester, FlightControl, Semaphore } from "../base/index.ts";
import {
  isForeignLayerType,
  isIndexType,
  isManifestType,
  parseIndex,
  parseManifest,
  referenceName,
  withDigest,
} from "../formats/oci/index.ts";
import type { Descriptor, Reference } from "../formats/oci/index.ts";
import type { PushOutcome } from "./pusher.ts";
import type { RegistryClient } from "./registry-client.ts";

/** How a blob came to the target. */
export type CopyOutcome = PushOutcome;

export interface ImageCopierOptions {
  readonly client: RegistryClient;
  /** Told of each blob that is in place. */
  readonly onBlob?: (descriptor: Descriptor, target: Reference, outcome: CopyOutcome) => void;
}

/** Artifacts that belong to the image that they are about. */
const BELONGS = new Set([
  "application/vnd.docker.attestation.manifest.v1+json",
  "application/vnd.dev.cosign.artifact.sig.v1+json",
  "application/vnd.dev.sigstore.bundle.v0.3+json",
]);
const AT_ONCE = 4;

/** Copies; what two images share goes once. Dispose to remove its temporary files. */
export class ImageCopier implements AsyncDisposable {
  readonly #o: ImageCopierOptions;
  readonly #places = new Semaphore(AT_ONCE);
  readonly #flights = new FlightControl<void>();
  readonly #done = new Set<string>();
  #folder: Promise<string> | undefined;

  constructor(options: ImageCopierOptions) {
    this.#o = options;
  }

  /**
   * Brings a manifest or index, all that it names and what belongs to it from one repository into another, under no tag.
   *
   * @throws REGISTRY_*, IMAGE_NOT_FOUND, BLOB_NOT_FOUND, BLOB_CORRUPT, INVALID_IMAGE.
   */
  copy(descriptor: Descriptor, from: Reference, to: Reference, signal: AbortSignal): Promise<void> {
    return this.#once(descriptor, to, signal, async (shared) => {
      const bytes = await this.#bytes(descriptor, from, shared);
      await this.#children(descriptor, bytes, { from, to, signal: shared });
      const { client } = this.#o;
      const { domain, path } = to;
      await client.pusher().manifest({ domain, path }, descriptor.mediaType, bytes, shared);
      for (const each of await client.referrers(from, descriptor.digest, shared))
        if (BELONGS.has(each.artifactType ?? "")) await this.copy(each, from, to, shared);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#folder !== undefined) await rm(await this.#folder, { recursive: true, force: true });
  }

  async #bytes(descriptor: Descriptor, from: Reference, signal: AbortSignal): Promise<Uint8Array> {
    const { bytes } = await this.#o.client.manifest(withDigest(from, descriptor.digest), signal);
    return bytes;
  }

  async #children(
    { mediaType }: Descriptor,
    bytes: Uint8Array,
    { from, to, signal }: { readonly from: Reference; readonly to: Reference; readonly signal: AbortSignal },
  ): Promise<void> {
    if (isIndexType(mediaType)) {
      await Promise.all(parseIndex(bytes).manifests.map((each) => this.copy(each, from, to, signal)));
    } else if (isManifestType(mediaType)) {
      const { config, layers } = parseManifest(bytes);
      const blobs = [...layers, config].filter(({ mediaType: type }) => !isForeignLayerType(type));
      await Promise.all(blobs.map((each) => this.#blob(each, from, to, signal)));
    }
  }

  #blob(descriptor: Descriptor, from: Reference, to: Reference, signal: AbortSignal): Promise<void> {
    return this.#once(descriptor, to, signal, (shared) =>
      this.#places.run(async () => {
        this.#o.onBlob?.(descriptor, to, await this.#moveBlob(descriptor, from, to, shared));
      }, shared),
    );
  }

  async #moveBlob(descriptor: Descriptor, from: Reference, to: Reference, signal: AbortSignal): Promise<CopyOutcome> {
    const pusher = this.#o.client.pusher();
    if (await pusher.hasBlob(to, descriptor, signal)) return "exists";
    if (from.domain === to.domain && (await pusher.mount(to, descriptor, from.path, signal))) return "mounted";
    const path = join(await (this.#folder ??= mkdtemp(join(tmpdir(), "slipway-copy-"))), descriptor.digest.slice(7));
    try {
      await this.#download(descriptor, from, path, signal);
      return await pusher.blob(to, descriptor, { path }, { signal });
    } finally {
      await rm(path, { force: true });
    }
  }

  async #download(descriptor: Descriptor, from: Reference, path: string, signal: AbortSignal): Promise<void> {
    const provider = this.#o.client.blobs(from);
    const digester = new Digester();
    await using file = await open(path, "w", 0o600);
    // Mirrors come first; the last source is the registry itself.
    for await (const chunk of provider.open(descriptor, provider.sources - 1, signal)) {
      digester.update(chunk);
      await file.write(chunk);
    }
    if (digester.digest() === descriptor.digest) return;
    throw new BuildError(`blob ${descriptor.digest} of ${referenceName(from)} arrived damaged`, {
      code: "BLOB_CORRUPT",
      status: "DataLoss",
      retryable: true,
    });
  }

  #once(
    { digest }: Descriptor,
    to: Reference,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const key = `${referenceName(to)} ${digest}`;
    if (this.#done.has(key)) return Promise.resolve();
    return this.#flights.do(
      key,
      async (shared) => {
        if (this.#done.has(key)) return;
        await work(shared);
        this.#done.add(key);
      },
      signal,
    );
  }
}
