// `slipway imagetools create`: combines, copies what the targets lack, and gives the new image its names last.
// Counterpart: docker/buildx commands/imagetools/create.go.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { create } from "@bufbuild/protobuf";
import { digestOf, TaskScope } from "../base/index.ts";
import { ImageCopier } from "../distribution/index.ts";
import type { RegistryClient } from "../distribution/index.ts";
import { descriptorJson, goJson, referenceName, referenceString } from "../formats/oci/index.ts";
import type { Reference } from "../formats/oci/index.ts";
import { control } from "../formats/proto/index.ts";
import { displayModeOf } from "./build-run.ts";
import { writeWhole } from "./build-report.ts";
import { annotations } from "./build-values.ts";
import type { Invocation } from "./command.ts";
import { Failure } from "./error.ts";
import { combineImages, indented, type CombinedImage } from "./imagetools-combine.ts";
import { parsePlatforms, parseSources, parseTags } from "./imagetools-sources.ts";
import { type DisplayedWork, underDisplay } from "./under-display.ts";

/** Resolves with the exit code. */
export async function createImage(
  invocation: Invocation,
  args: readonly string[],
  client: RegistryClient,
): Promise<number> {
  const { flags, shell } = invocation;
  const files = flags.list("file");
  const dryRun = flags.bool("dry-run");
  if (args.length === 0 && files.length === 0) throw new Error("no sources specified");
  if (!dryRun && flags.list("tag").length === 0)
    throw new Error("can't push with no tags specified, please set --tag or --dry-run");
  const tags = parseTags(flags.list("tag"));
  const described = await Promise.all(files.map((file) => readFile(resolve(shell.cwd, file), "utf8")));
  const appended = flags.bool("append") && tags[0] !== undefined ? [referenceString(tags[0])] : [];
  const sources = parseSources([...appended, ...described, ...args], tags);
  const options = {
    annotations: Failure.of("failed to parse annotations", () => annotations(flags.list("annotation"))),
    preferIndex: flags.bool("prefer-index"),
    platforms: parsePlatforms(flags.list("platform")),
  };
  if (dryRun) {
    const { bytes } = await combineImages(sources, options, client, new AbortController().signal);
    shell.stdout.write(`${Buffer.from(bytes).toString("utf8")}\n`);
    return 0;
  }
  const ended = await underDisplay(
    { shell, mode: displayModeOf(invocation), expandWarnings: false, summary: false },
    async (work) => {
      const image = await combineImages(sources, options, client, work.signal);
      await publish(image, tags, client, work);
      return image;
    },
  );
  if (ended.kind === "interrupted") {
    shell.stderr.write("ERROR: context canceled\n");
    return ended.exitCode;
  }
  if (ended.kind === "failed") throw ended.error;
  const metadata = flags.string("metadata-file");
  if (metadata !== "") {
    const names = [...new Set(tags.map(referenceName))].toSorted().join(",");
    const facts = {
      "containerimage.descriptor": descriptorJson(ended.value.descriptor),
      "image.name": names,
    };
    await Failure.wrap("writing metadata file", () =>
      writeWhole(resolve(shell.cwd, metadata), indented(goJson(facts))),
    );
  }
  return 0;
}

async function publish(
  { descriptor, bytes, parts }: CombinedImage,
  tags: readonly Reference[],
  client: RegistryClient,
  work: DisplayedWork,
): Promise<void> {
  const byRepository = Map.groupBy(tags, referenceName);
  await using scope = new TaskScope(work.signal);
  for (const [repository, names] of byRepository) {
    scope.run(async (signal) => {
      const step = new Step(`[internal] pushing ${repository}`, work);
      try {
        await using copier = new ImageCopier({
          client,
          onBlob: (blob, _, outcome) =>
            step.log(`${outcome === "exists" ? "has" : outcome} ${blob.digest} ${blob.size} bytes`),
        });
        await Promise.all(
          parts.map(async (part) => {
            step.log(`copying ${part.descriptor.digest} from ${referenceString(part.from)} to ${repository}`);
            await copier.copy(part.descriptor, part.from, names[0]!, signal);
          }),
        );
        for (const name of names) {
          step.log(`pushing ${descriptor.digest} to ${referenceString(name)}`);
          await client.pusher().manifest(withoutDigest(name), descriptor.mediaType, bytes, signal);
        }
        step.end();
      } catch (error) {
        step.end(error);
        throw error;
      }
    });
  }
  await scope.join();
}

function withoutDigest({ domain, path, tag }: Reference): Reference {
  return { domain, path, ...(tag === undefined ? {} : { tag }) };
}

/** A line of progress with its log, as the Control service would tell it. */
class Step {
  readonly #digest: string;
  readonly #name: string;
  readonly #tell: DisplayedWork["onStatus"];
  readonly #started = now();

  constructor(name: string, { onStatus }: DisplayedWork) {
    this.#digest = digestOf(name);
    this.#name = name;
    this.#tell = onStatus;
    this.#vertex({});
  }

  log(line: string): void {
    const msg = Buffer.from(`${line}\n`);
    this.#tell(
      create(control.StatusResponseSchema, {
        logs: [{ vertex: this.#digest, stream: 1n, msg, timestamp: now() }],
      }),
    );
  }

  end(error?: unknown): void {
    this.#vertex({ completed: now(), ...(error === undefined ? {} : { error: String((error as Error).message) }) });
  }

  #vertex(more: { completed?: ReturnType<typeof now>; error?: string }): void {
    this.#tell(
      create(control.StatusResponseSchema, {
        vertexes: [{ digest: this.#digest, name: this.#name, started: this.#started, ...more }],
      }),
    );
  }
}

function now(): { seconds: bigint; nanos: number } {
  const ms = Date.now();
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}
