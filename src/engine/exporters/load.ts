// Loads an image into an engine's store: only the layers that it has not got, nothing compressed on the way. The classic store gets plain
// tars: it unpacks gzip several times slower than we do, and old ones know no zstd. An engine that turns out to miss a layer that it
// seemed to have gets everything. Counterpart: none: BuildKit sends the whole image as a tar.

import { isBuildError } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { ImageLoader, LoadedImage, LoadSurvey } from "../ports/index.ts";
import { deliverArchive } from "./deliver.ts";
import { blobsOf } from "./image-parts.ts";
import type { MadeImage } from "./image-parts.ts";
import { archiveEntries } from "./oci-layout.ts";
import { oneStep } from "./types.ts";
import type { ExportContext } from "./types.ts";
import type { WriteArchiveInput } from "./write-archive.ts";

export interface LoadOptions {
  readonly names: readonly string[];
  readonly loader: ImageLoader;
}

/** @throws ENGINE_UNREACHABLE, ENGINE_FAILED, LOAD_FAILED; what bringing layers throws. */
export async function loadImage(
  made: MadeImage,
  { names, loader }: LoadOptions,
  context: ExportContext,
): Promise<void> {
  const { image, layers: perPlatform, bring, tar } = made;
  const [platform, layers] = [image.images[0]!, perPlatform[0]!];
  const facts: LoadedImage = {
    names,
    manifest: platform.manifest.digest,
    config: platform.config.digest,
    layers: layers.map(({ diffId, descriptor }) => ({ diffId, blob: descriptor.digest })),
  };
  const survey = () => oneStep(context, `asking ${loader.name}`, () => loader.survey(facts, context.signal));
  // Until it is this image's turn, another one may have brought layers that both have.
  for (let seen: LoadSurvey | undefined = await survey(); seen !== undefined;) {
    if (seen.complete) {
      await oneStep(context, `${loader.name} has the image: nothing sent`, () => undefined);
      return;
    }
    const before: LoadSurvey = seen;
    await prepare(before);
    const missing = facts.layers.slice(0, before.knownLayers + 1).map(({ diffId }) => diffId);
    seen = await loader.exclusive(missing.join(), async () => {
      const now = await survey();
      if (now.complete || now.knownLayers !== before.knownLayers) return now;
      await sendAll(now);
      return undefined;
    });
  }

  async function sendAll({ knownLayers, form }: LoadSurvey): Promise<void> {
    try {
      await send(knownLayers, form);
    } catch (error) {
      if (knownLayers === 0 || !isBuildError(error) || error.code !== "LOAD_FAILED") throw error;
      await oneStep(context, `${loader.name} lacks a layer after all: sending everything`, () => send(0, form));
    }
  }

  /** Brings the blobs of the layers that the engine lacks. */
  async function prepare({ knownLayers, form }: Pick<LoadSurvey, "knownLayers" | "form">): Promise<Descriptor[]> {
    return Promise.all(
      layers.slice(knownLayers).map(async ({ descriptor }, at) => {
        if (form === "docker") return tar(0, knownLayers + at);
        await bring(0, knownLayers + at);
        return descriptor;
      }),
    );
  }

  async function send(known: number, form: LoadSurvey["form"]): Promise<void> {
    const wanted = await prepare({ knownLayers: known, form });
    const sent = new Set<string>(wanted.map(({ digest }) => digest));
    const all = [...layers.slice(0, known).map(({ descriptor }) => descriptor), ...wanted];
    const left = new Set<string>(all.map(({ digest }) => digest).filter((each) => !sent.has(each)));
    const bytes = wanted.reduce((sum, { size }) => sum + size, 0);
    await oneStep(
      context,
      `sending ${wanted.length} of ${layers.length} layers, ${bytes} bytes, to ${loader.name}`,
      () => undefined,
    );
    for (const { digest, size } of wanted) {
      await oneStep(context, `sending layer ${digest} ${size} bytes`, () => undefined);
    }
    const inForm = { ...image, images: [{ ...platform, layers: all }] };
    const blobs = blobsOf(inForm, context, perPlatform).filter(({ digest }) => !left.has(digest));
    const entries = archiveEntries(inForm, blobs, { root: image.root, names, forDocker: form === "docker" });
    await loader.load(
      facts,
      (stream) =>
        deliverArchive<WriteArchiveInput>(
          { job: "writeArchive", input: { entries }, id: "sending tarball" },
          "docker",
          { kind: "stream", stream },
          context,
        ),
      context.signal,
    );
  }
}
