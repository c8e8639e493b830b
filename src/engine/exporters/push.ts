// Pushes an image: layers side by side, each only where the registry has not got it, mounted from a repository that has it, or sent;
// layers that lie in another registry are fetched for that alone, and never unpacked. Layers may go while others are still packed. Manifests
// come last, so that a tag never names half an image. Counterpart: moby/buildkit util/push/push.go.

import { BuildError, Semaphore, TaskScope } from "../../base/index.ts";
import type { RegistryPusher } from "../../distribution/index.ts";
import { isNameOnly, parseReference, referenceName, referenceString, tagNameOnly } from "../../formats/oci/index.ts";
import type { Descriptor, Reference } from "../../formats/oci/index.ts";
import type { MadeImage } from "./image-parts.ts";
import { oneStep } from "./types.ts";
import type { ExportContext, LayerBlob } from "./types.ts";

export interface PushOptions {
  readonly references: readonly Reference[];
  /** Under no tag. */
  readonly byDigest: boolean;
  readonly insecure: boolean;
}

/** How many layers go at once to one registry. */
const AT_ONCE = 4;

/** @throws REGISTRY_*; what bringing layers throws. */
export async function pushImage(made: MadeImage, options: PushOptions, context: ExportContext): Promise<void> {
  const { root } = made.image;
  const done = new Set<string>();
  for (const ref of options.references) {
    const pusher = context.pusher(ref.domain, options.insecure);
    if (!done.has(referenceName(ref))) {
      await oneStep(context, "pushing layers", () => pushLayers(made, { ref, pusher, options, context }));
      done.add(referenceName(ref));
    }
    const shown = `${referenceString(ref)}@${root.digest}`;
    await oneStep(context, `pushing manifest for ${shown}`, () =>
      pushManifests(made, { ref, pusher, options, context }),
    );
  }
}

interface Push {
  readonly ref: Reference;
  readonly pusher: RegistryPusher;
  readonly options: PushOptions;
  readonly context: ExportContext;
}

/**
 * Sends layers that are packed while others still are: compressing takes the processor, sending mostly the registry's time. What fails here
 * is left to `pushImage`, which tells of it; what is still on its way it waits for. Dispose to stop.
 */
export class EarlyPush implements AsyncDisposable {
  readonly #options: PushOptions;
  readonly #context: ExportContext;
  readonly #scope: TaskScope;
  readonly #places = new Semaphore(AT_ONCE);
  #hasFailed = false;

  constructor(options: PushOptions, context: ExportContext) {
    this.#options = options;
    this.#context = context;
    this.#scope = new TaskScope(context.signal);
  }

  /** Sends a layer whose bytes are here to the first of the repositories; the others are likely to take it over from there. */
  send({ descriptor, repositories = [] }: LayerBlob): void {
    const [ref] = this.#options.references;
    if (ref === undefined || !this.#context.content.has(descriptor.digest)) return;
    const context = { ...this.#context, signal: this.#scope.signal };
    const pusher = context.pusher(ref.domain, this.#options.insecure);
    const push: Push = { ref, pusher, options: this.#options, context };
    this.#scope.run((signal) =>
      this.#places.run(async () => {
        if (this.#hasFailed) return;
        await pushLayer(descriptor, repositories, () => Promise.resolve(), push).catch(() => (this.#hasFailed = true));
      }, signal),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }
}

/** What a list with commas names. @throws EXPORT_NAME_MISSING, EXPORT_ATTRIBUTE_INVALID, INVALID_REFERENCE. */
export function pushReferences(list: string, byDigest: boolean): Reference[] {
  if (list !== "") return list.split(",").map((name) => pushReference(name, byDigest));
  throw new BuildError("tag is needed when pushing to registry", {
    code: "EXPORT_NAME_MISSING",
    status: "InvalidArgument",
    hint: "name the image with -t REGISTRY/NAME:TAG",
  });
}

function pushReference(name: string, byDigest: boolean): Reference {
  const ref = parseReference(name);
  if (!byDigest) return tagNameOnly(ref);
  if (isNameOnly(ref)) return ref;
  throw new BuildError(`can't push tagged ref ${referenceString(ref)} by digest`, {
    code: "EXPORT_ATTRIBUTE_INVALID",
    status: "InvalidArgument",
    hint: "leave the tag out of the name, or push-by-digest out of the output",
  });
}

async function pushLayers({ layers, bring }: MadeImage, push: Push): Promise<void> {
  const waiting = new Map<string, () => Promise<void>>();
  for (const [at, platform] of layers.entries()) {
    for (const [index, { descriptor, repositories = [] }] of platform.entries()) {
      if (waiting.has(descriptor.digest)) continue;
      waiting.set(descriptor.digest, () => pushLayer(descriptor, repositories, () => bring(at, index), push));
    }
  }
  const queue = [...waiting.values()];
  await using scope = new TaskScope(push.context.signal);
  for (let worker = 0; worker < Math.min(AT_ONCE, queue.length); worker++) {
    scope.run(async (signal) => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        signal.throwIfAborted();
        await next();
      }
    });
  }
  await scope.join();
}

async function pushLayer(
  descriptor: Descriptor,
  repositories: readonly string[],
  bring: () => Promise<void>,
  { ref, pusher, context }: Push,
): Promise<void> {
  const { signal, content } = context;
  const mountFrom = repositories.map((name) => parseReference(name)).find(({ domain }) => domain === ref.domain)?.path;
  if (!content.has(descriptor.digest)) {
    if (await pusher.hasBlob(ref, descriptor, signal)) return;
    if (mountFrom !== undefined && (await pusher.mount(ref, descriptor, mountFrom, signal))) return;
    await bring();
  }
  const id = `pushing layer ${descriptor.digest}`;
  let sent = false;
  try {
    await pusher.blob(
      ref,
      descriptor,
      { path: content.path(descriptor.digest) },
      {
        signal,
        ...(mountFrom === undefined ? {} : { mountFrom }),
        onProgress: (current) => {
          sent = true;
          context.progress(id, { current, total: descriptor.size });
        },
      },
    );
  } finally {
    if (sent) context.progress(id, { current: descriptor.size, total: descriptor.size, completed: true });
  }
}

async function pushManifests({ image }: MadeImage, { ref, pusher, options, context }: Push): Promise<void> {
  const { signal } = context;
  for (const { kind, digest, bytes } of image.blobs) {
    if (kind !== "config" && kind !== "statement") continue;
    const descriptor = { mediaType: "application/octet-stream", digest, size: bytes.byteLength };
    await pusher.blob(ref, descriptor, { bytes }, { signal });
  }
  const { domain, path } = ref;
  const parts = image.isIndex ? [...image.images.map(({ manifest }) => manifest), ...image.attestations] : [];
  for (const part of parts) await pusher.manifest({ domain, path }, part.mediaType, bytesOf(part), signal);
  const target = options.byDigest ? { domain, path } : ref;
  await pusher.manifest(target, image.root.mediaType, bytesOf(image.root), signal);

  function bytesOf({ digest }: Descriptor): Uint8Array {
    return image.blobs.find((blob) => blob.digest === digest)!.bytes;
  }
}
