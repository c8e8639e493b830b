// The `oci` and `docker` exporters: an image as an OCI layout, in a tar or in a directory.
// Counterpart: moby/buildkit exporter/oci/export.go.

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { ImageLoader, OutputTarget } from "../ports/index.ts";
import {
  type Attributes,
  imageAttributes,
  readFlag,
  readImageOptions,
  refuseUnknown,
  unsupported,
} from "./attributes.ts";
import type { ImageOptions } from "./attributes.ts";
import { deliverArchive, wrongTarget } from "./deliver.ts";
import { explainOutput } from "./failures.ts";
import { formatSeconds } from "./go-time.ts";
import type { AssembledImage } from "./image-assembler.ts";
import { chosenName, normalizedNames } from "./image-names.ts";
import { blobsOf, imageResponse, makeImage } from "./image-parts.ts";
import { loadImage } from "./load.ts";
import { archiveEntries, layoutMarker, mergedLayoutIndex } from "./oci-layout.ts";
import type { JobProgress } from "./sink.ts";
import type { Exporter, ExportContext, ExportSource } from "./types.ts";
import type { BlobSource, WriteArchiveInput } from "./write-archive.ts";
import { writeBeside, type WriteLayoutInput } from "./write-layout.ts";
import { writeSync } from "node:fs";

const CREATED = "org.opencontainers.image.created";
const ID = "sending tarball";

export class LayoutExporter implements Exporter {
  readonly name: string;
  readonly type: "oci" | "docker";
  readonly isJob = true;
  readonly #options: ImageOptions;
  readonly #overrides: ReadonlyMap<string, string>;
  readonly #tar: boolean;

  /** @throws EXPORT_ATTRIBUTE_INVALID, EXPORT_UNSUPPORTED, INVALID_REFERENCE. */
  constructor(type: "oci" | "docker", attributes: Attributes) {
    this.type = type;
    this.name = `exporting to ${type} image format`;
    const { options, rest } = readImageOptions(attributes);
    this.#options = options;
    const tar = rest.get("tar");
    this.#tar = tar === undefined || readFlag("tar", tar);
    rest.delete("tar");
    refuseUnknown(type, rest.keys(), [...imageAttributes, "tar"]);
    this.#overrides = rest;
    if (options.name !== "*") normalizedNames(options.name);
  }

  async export(
    source: ExportSource,
    target: OutputTarget | undefined,
    context: ExportContext,
  ): Promise<Record<string, string>> {
    const isAttested = source.platforms.some(({ attestations = [] }) => attestations.some((each) => !each.inlineOnly));
    if (this.type === "docker" && (source.multiPlatform || isAttested)) {
      throw new BuildError("docker exporter does not currently support exporting manifest lists", {
        code: "EXPORT_MULTI_PLATFORM",
        status: "InvalidArgument",
        hint: source.multiPlatform
          ? "export with -o type=oci, or build one platform"
          : "attestations need an index: export with -o type=oci, or leave --provenance and --sbom out",
      });
    }
    const names = normalizedNames(chosenName(this.#options.name, source.metadata, this.#overrides));
    if (target?.kind === "loader") return this.#load(source, names, target.loader, context);
    const options = { ...this.#options, subjects: names };
    const { image, layers } = await makeImage(source, options, { ...this.#options.pack, bytes: true }, context);
    const created = image.sourceDateEpoch ?? BigInt(Math.floor(Date.now() / 1000));
    const root: Descriptor = {
      ...image.root,
      annotations: { [CREATED]: formatSeconds(created), ...image.root.annotations },
    };
    const blobs = blobsOf(image, context, layers);
    if (this.#tar) await this.#archive(image, blobs, { root, names, target, context });
    else await this.#directory(blobs, { root, names, target, context });
    return imageResponse(image, root, names);
  }

  /** Layers made here go as plain tars, as they lie; those that came compressed stay as they came. */
  async #load(
    source: ExportSource,
    names: readonly string[],
    loader: ImageLoader,
    context: ExportContext,
  ): Promise<Record<string, string>> {
    if (this.#options.pack.estargz === true)
      throw unsupported(
        "compression=estargz",
        "Docker Engine is sent whole layers: leave compression out, or write a file",
      );
    const pack = this.#options.compressionChosen ? this.#options.pack : ({ compression: "none", exact: true } as const);
    const options = { ...this.#options, subjects: names };
    const made = await makeImage(source, options, { ...pack, bytes: false, keep: true }, context);
    await loadImage(made, { names, loader }, context);
    return imageResponse(made.image, made.image.root, names);
  }

  async #archive(
    image: AssembledImage,
    blobs: readonly BlobSource[],
    { root, names, target, context }: Place,
  ): Promise<void> {
    const entries = archiveEntries(image, blobs, { root, names, forDocker: this.type === "docker" });
    await deliverArchive<WriteArchiveInput>(
      { job: "writeArchive", input: { entries }, id: ID },
      this.type,
      target,
      context,
    );
  }

  async #directory(blobs: readonly BlobSource[], { root, names, target, context }: Place): Promise<void> {
    if (target?.kind !== "directory") throw wrongTarget(this.type, "directory");
    const dir = target.path;
    context.progress(ID, {});
    try {
      await mkdir(dir, { recursive: true });
      const indexPath = join(dir, "index.json");
      const index = mergedLayoutIndex(await tryRead(indexPath), root, names);
      await context.jobs.run<WriteLayoutInput, void>(
        "writeLayoutBlobs",
        { dir, blobs },
        {
          signal: context.signal,
          onProgress: (value) => {
            const progress = value as JobProgress;
            if (progress.kind === "bytes") context.progress(ID, { current: progress.bytes });
          },
        },
      );
      writeBeside(join(dir, "oci-layout"), 0o644, (fd) => writeSync(fd, layoutMarker));
      writeBeside(indexPath, 0o644, (fd) => writeSync(fd, index));
      await target.finish?.(context.signal);
    } catch (error) {
      throw explainOutput(dir, error);
    } finally {
      context.progress(ID, { completed: true });
    }
  }
}

interface Place {
  readonly root: Descriptor;
  readonly names: readonly string[];
  readonly target: OutputTarget | undefined;
  readonly context: ExportContext;
}

async function tryRead(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
