// The images of a state root, as a project needs them. The engine is opened when an image is first asked for.

import { BuildError } from "../../base/index.ts";
import type { Engine } from "../../engine/index.ts";
import {
  formatAllPlatform,
  hostPlatform,
  isIndexType,
  normalizePlatform,
  parseImageConfig,
  parseIndex,
  parseManifest,
  parsePlatform,
  platformOf,
  strictMatcher,
} from "../../formats/oci/index.ts";
import type { ProjectImage, ProjectImages } from "./ports.ts";

export class EngineImages implements ProjectImages {
  readonly #open: () => Promise<Engine>;
  readonly #cwd: string;

  constructor(open: () => Promise<Engine>, cwd: string) {
    this.#open = open;
    this.#cwd = cwd;
  }

  async find(reference: string, platform: string): Promise<ProjectImage | undefined> {
    const { store } = await this.#open();
    const image = store.images.get(reference);
    if (image === undefined) return undefined;
    const wanted = platform === "" ? undefined : normalizePlatform(parsePlatform(platform));
    const host = strictMatcher(normalizePlatform(hostPlatform()));
    const digests = isIndexType(image.mediaType)
      ? parseIndex(store.content.read(image.digest))
          .manifests.filter((each) => each.platform?.os !== "unknown")
          .map(({ digest }) => digest)
      : [image.digest];
    const manifests = digests.flatMap((digest) => {
      if (!store.content.has(digest)) return [];
      const { config } = parseManifest(store.content.read(digest));
      const own = normalizePlatform(platformOf(parseImageConfig(store.content.read(config.digest))));
      return wanted === undefined || strictMatcher(wanted).matches(own) ? [{ config, platform: own }] : [];
    });
    const found = manifests.find((each) => host.matches(each.platform)) ?? manifests[0];
    if (found === undefined) return undefined;
    return {
      reference,
      digest: image.digest,
      configDigest: found.config.digest,
      sizeBytes: image.sizeBytes,
      createdMs: image.createdMs,
      platform: formatAllPlatform(found.platform),
    };
  }

  async pull(reference: string, platform: string, signal: AbortSignal): Promise<ProjectImage> {
    const engine = await this.#open();
    const pulled = await engine.rootImage(reference, {
      ...(platform === "" ? {} : { platform }),
      pull: "always",
      onNotice: () => {},
      cwd: this.#cwd,
      signal,
    });
    engine.store.refs.release(pulled.ref);
    const found = await this.find(reference, platform);
    if (found !== undefined) return found;
    throw new BuildError(`${reference} was pulled and is gone again`, { code: "IMAGE_NOT_FOUND", status: "NotFound" });
  }

  async push(reference: string, signal: AbortSignal): Promise<string> {
    const { pushKeptImage } = await import("../../engine/index.ts");
    return await pushKeptImage(await this.#open(), reference, { reference, signal });
  }

  async remove(reference: string): Promise<void> {
    const { images } = (await this.#open()).store;
    const image = images.get(reference);
    if (image === undefined) {
      throw new BuildError(`No such image: ${reference}`, { code: "IMAGE_NOT_FOUND", status: "NotFound" });
    }
    images.remove(image.name);
  }
}
