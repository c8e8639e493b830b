// The `image` exporter: keeps the image in our own store under its names. Unless a compression is asked for by name, new layers are
// described as uncompressed tars and their bytes are not written, for they can be made again from the layers' files.
// Differs: BuildKit compresses with gzip here, whether anybody wants the bytes or not.
// Counterpart: moby/buildkit exporter/containerimage/export.go.

import { formatPlatform } from "../../formats/oci/index.ts";
import type { Digest } from "../../base/index.ts";
import type { PackOptions } from "../../storage/refs/index.ts";
import type { OutputTarget } from "../ports/index.ts";
import { type Attributes, imageAttributes, readFlag, readImageOptions, refuseUnknown } from "./attributes.ts";
import type { ImageOptions } from "./attributes.ts";
import { chosenName, normalizedNames } from "./image-names.ts";
import { imageResponse, makeImage, sizeOf } from "./image-parts.ts";
import type { MadeImage, MakeImageOptions } from "./image-parts.ts";
import { EarlyPush, pushImage, pushReferences } from "./push.ts";
import type { PushOptions } from "./push.ts";
import { oneStep } from "./types.ts";
import type { Exporter, ExportContext, ExportSource } from "./types.ts";

const flags = [
  "push",
  "push-by-digest",
  "registry.insecure",
  "unpack",
  "store",
  "danging-name-empty-only",
  "name-canonical",
] as const;
type Flag = (typeof flags)[number];

export class ImageExporter implements Exporter {
  readonly name = "exporting to image";
  readonly type = "image";
  readonly isJob = false;
  readonly #options: ImageOptions;
  readonly #overrides: ReadonlyMap<string, string>;
  readonly #flags: ReadonlyMap<Flag, boolean>;
  readonly #danglingPrefix: string;

  /** @throws EXPORT_ATTRIBUTE_INVALID, EXPORT_UNSUPPORTED, INVALID_REFERENCE. */
  constructor(attributes: Attributes) {
    const { options, rest } = readImageOptions(attributes);
    this.#options = options;
    this.#flags = new Map(
      flags.flatMap((flag): [Flag, boolean][] => {
        const value = rest.get(flag);
        rest.delete(flag);
        return value === undefined ? [] : [[flag, readFlag(flag, value)]];
      }),
    );
    this.#danglingPrefix = rest.get("dangling-name-prefix") ?? "";
    rest.delete("dangling-name-prefix");
    refuseUnknown("image", rest.keys(), [...imageAttributes, ...flags, "dangling-name-prefix"]);
    this.#overrides = rest;
    if (options.name !== "*") {
      normalizedNames(options.name);
      if (this.#pushes) pushReferences(options.name, this.#is("push-by-digest"));
    }
  }

  /** `target` is not used. */
  async export(
    source: ExportSource,
    _target: OutputTarget | undefined,
    context: ExportContext,
  ): Promise<Record<string, string>> {
    const subjects = normalizedNames(chosenName(this.#options.name, source.metadata, this.#overrides));
    const push = this.#pushes ? this.#pushOptions(source) : undefined;
    await using early = push === undefined ? undefined : new EarlyPush(push, context);
    const options: MakeImageOptions = {
      ...this.#options,
      attestationInline: this.#options.attestationInline ?? true,
      subjects,
      ...(early === undefined ? {} : { onLayer: (layer) => early.send(layer) }),
    };
    const made = await makeImage(source, options, this.#pack(), context);
    const { image } = made;
    const names = this.#names(source, image.root.digest);
    for (const name of names) {
      if (!this.#is("store", true)) break;
      await oneStep(context, `naming to ${name}`, () => {
        this.#keep(name, made, source, context);
        if (this.#is("name-canonical") && !name.includes("@"))
          this.#keep(`${name}@${image.root.digest}`, made, source, context);
      });
    }
    if (this.#is("unpack")) {
      for (const platform of source.platforms) {
        await oneStep(context, `unpacking to ${names[0] ?? image.root.digest}`, async () => {
          await using _tree = await platform.openTree();
        });
      }
    }
    if (push !== undefined) await pushImage(made, push, context);
    return imageResponse(image, image.root, names);
  }

  #pushOptions(source: ExportSource): PushOptions {
    const byDigest = this.#is("push-by-digest");
    return {
      references: pushReferences(chosenName(this.#options.name, source.metadata, this.#overrides), byDigest),
      byDigest,
      insecure: this.#is("registry.insecure"),
    };
  }

  get #pushes(): boolean {
    return this.#is("push") || this.#is("push-by-digest");
  }

  #keep(name: string, { image, layers }: MadeImage, source: ExportSource, context: ExportContext): void {
    const { sourceDateEpoch } = image;
    context.images.put(
      {
        name,
        digest: image.root.digest,
        mediaType: image.root.mediaType,
        sizeBytes: sizeOf(image),
        platforms: image.images.map(({ platform }) => formatPlatform(platform)),
        refs: source.platforms.map(({ refOf }, at) => refOf(layers[at]!)),
        ...(sourceDateEpoch === undefined ? {} : { createdMs: Number(sourceDateEpoch) * 1000 }),
      },
      image.blobs.map(({ bytes }) => bytes),
    );
  }

  #pack(): PackOptions {
    if (this.#pushes) return { ...this.#options.pack, bytes: "made" };
    // A kept image stands on its blobs where they are not what the layers' files make.
    return this.#options.compressionChosen || this.#options.rewriteTimestamp
      ? { ...this.#options.pack, bytes: true }
      : { compression: "none", bytes: false };
  }

  #names(source: ExportSource, digest: Digest): string[] {
    const names = normalizedNames(chosenName(this.#options.name, source.metadata, this.#overrides));
    if (this.#danglingPrefix === "" || (this.#is("danging-name-empty-only") && names.length > 0)) return names;
    return [...names, `${this.#danglingPrefix}@${digest}`];
  }

  #is(flag: Flag, otherwise = false): boolean {
    return this.#flags.get(flag) ?? otherwise;
  }
}
