// The `local` and `tar` exporters: the files themselves, in a directory or in one archive; with several platforms each in a folder
// of its own. Counterpart: moby/buildkit exporter/local, exporter/tar.

import type { OutputTarget } from "../ports/index.ts";
import { makeAttestations } from "./attestation.ts";
import {
  type Attributes,
  type EpochChoice,
  invalidAttribute,
  readBool,
  readEpoch,
  refuseUnknown,
} from "./attributes.ts";
import type { CopyTreesInput } from "./copy-tree.ts";
import { deliverArchive, wrongTarget } from "./deliver.ts";
import { explainOutput } from "./failures.ts";
import type { JobProgress } from "./sink.ts";
import { attestationNames, type TreeAttestation } from "./tree-attestations.ts";
import type { TreeInput, WriteTreeTarInput } from "./tree-tar.ts";
import type { Exporter, ExportContext, ExportPlatform, ExportSource } from "./types.ts";

abstract class TreeExporter implements Exporter {
  abstract readonly name: string;
  readonly isJob = true;
  abstract readonly type: string;
  readonly #epoch: EpochChoice | undefined;
  readonly #split: boolean | undefined;
  readonly #attestationPrefix: string;

  constructor(type: string, attributes: Attributes, known: readonly string[]) {
    this.#epoch = readEpoch(attributes);
    this.#attestationPrefix = attributes["attestation-prefix"] ?? "";
    if (/[/\0]/.test(this.#attestationPrefix))
      throw invalidAttribute("attestation-prefix is the beginning of a file's name", "leave slashes out");
    const split = attributes["platform-split"];
    this.#split = split === undefined ? undefined : readBool("platform-split", split);
    // SOURCE_DATE_EPOCH is the time of every file anyhow.
    const rewrite = attributes["rewrite-timestamp"];
    if (rewrite !== undefined) readBool("rewrite-timestamp", rewrite);
    const all = ["source-date-epoch", "rewrite-timestamp", "platform-split", "attestation-prefix", ...known];
    refuseUnknown(
      type,
      Object.keys(attributes).filter((key) => !all.includes(key)),
      all,
    );
  }

  async export(
    source: ExportSource,
    target: OutputTarget | undefined,
    context: ExportContext,
  ): Promise<Record<string, string>> {
    if (source.platforms.length > 1 && !source.multiPlatform) {
      throw invalidAttribute("unable to export multiple platforms without map", "build one platform");
    }
    await using views = new AsyncDisposableStack();
    const trees: TreeInput[] = [];
    for (const platform of source.platforms) {
      const { path } = views.use(await platform.openTree());
      trees.push({
        path,
        folder: this.#folder(source, platform),
        epochSeconds: this.#epochOf(source, platform) ?? null,
        attestations: await this.#attestations(source, platform),
      });
    }
    await this.write(trees, target, context);
    return {};
  }

  protected abstract write(
    trees: readonly TreeInput[],
    target: OutputTarget | undefined,
    context: ExportContext,
  ): Promise<void>;

  async #attestations(source: ExportSource, platform: ExportPlatform): Promise<TreeAttestation[]> {
    const wanted = (platform.attestations ?? []).filter(({ inlineOnly }) => !inlineOnly);
    const isShared = source.multiPlatform && this.#folder(source, platform) === "";
    const names = attestationNames(
      wanted.map(({ path }) => path),
      this.#attestationPrefix,
      isShared ? platform.key.replaceAll("/", "_") : "",
    );
    const made = await makeAttestations(wanted);
    return made.map((each, at) => ({ name: names[at]!, made: each }));
  }

  #folder(source: ExportSource, platform: ExportPlatform): string {
    // In an archive two platforms' files of one name would both be there.
    const split = this.type === "tar" ? undefined : this.#split;
    return (split ?? source.multiPlatform) ? platform.key.replaceAll("/", "_") : "";
  }

  #epochOf(source: ExportSource, platform: ExportPlatform): bigint | undefined {
    if (this.#epoch !== undefined) return this.#epoch.seconds;
    return source.sourceDateEpoch ?? platform.sourceDateEpoch;
  }
}

export class LocalExporter extends TreeExporter {
  readonly name = "exporting to client directory";
  readonly type = "local";
  readonly #deleteOthers: boolean;

  /** @throws EXPORT_ATTRIBUTE_INVALID. */
  constructor(attributes: Attributes) {
    super("local", attributes, ["mode"]);
    const mode = (attributes["mode"] ?? "").trim().toLowerCase();
    if (!["", "copy", "delete"].includes(mode)) {
      throw invalidAttribute(
        `invalid local exporter mode ${JSON.stringify(attributes["mode"])}`,
        "known modes are copy and delete",
      );
    }
    this.#deleteOthers = mode === "delete";
  }

  protected override async write(
    trees: readonly TreeInput[],
    target: OutputTarget | undefined,
    context: ExportContext,
  ): Promise<void> {
    if (target?.kind !== "directory") throw wrongTarget("local", "directory");
    const id = "copying files";
    context.progress(id, {});
    try {
      await context.jobs.run<CopyTreesInput, { bytes: number }>(
        "copyTrees",
        { target: target.path, trees, deleteOthers: this.#deleteOthers },
        {
          signal: context.signal,
          onProgress: (value) => {
            const progress = value as JobProgress;
            if (progress.kind === "bytes") context.progress(id, { current: progress.bytes });
          },
        },
      );
      await target.finish?.(context.signal);
    } catch (error) {
      throw explainOutput(target.path, error);
    } finally {
      context.progress(id, { completed: true });
    }
  }
}

export class TarExporter extends TreeExporter {
  readonly name = "exporting to client tarball";
  readonly type = "tar";

  /** @throws EXPORT_ATTRIBUTE_INVALID. */
  constructor(attributes: Attributes) {
    super("tar", attributes, []);
  }

  protected override write(
    trees: readonly TreeInput[],
    target: OutputTarget | undefined,
    context: ExportContext,
  ): Promise<void> {
    return deliverArchive<WriteTreeTarInput>(
      { job: "writeTreeTar", input: { trees }, id: "sending tarball" },
      "tar",
      target,
      context,
    );
  }
}
