// `slipway inspect`: everything about containers or images as JSON, with the fields of `docker inspect`, or about a builder. A name
// means a container first, then an image, then a builder.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../base/index.ts";
import { formatPlatform, hostPlatform } from "../formats/oci/index.ts";
import type { ImageDetails } from "../service/builders/index.ts";
import { builderFlag } from "./builder-flag.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { inspectBuilder, isBuilder } from "./inspect-builder.ts";
import { shortName } from "./images.ts";
import { executeTemplate, plain } from "./go-template.ts";
import { isUnknown } from "./container-errors.ts";
import { containerJson } from "./container-json.ts";

export const inspect: CommandDefinition = {
  name: "inspect",
  summary: "Display detailed information on containers, images or a builder",
  description:
    "Containers and images of the store as JSON, with the fields of `docker inspect`. The name of a builder, or none at all for the one in use, shows that builder instead, as `docker buildx inspect` does.",
  usage: "[OPTIONS] [CONTAINER|IMAGE... | BUILDER]",
  args: { min: 0, max: Number.POSITIVE_INFINITY },
  flags: [
    { name: "bootstrap", kind: "bool", help: "Ensure the builder has booted before inspecting it" },
    builderFlag,
    { name: "format", short: "f", kind: "string", help: 'Format output using a template such as "{{json .Config}}"' },
    { name: "platform", kind: "string", help: "Image of this platform, where there are several" },
    { name: "type", kind: "string", help: "Only look for this: container, image or builder" },
  ],
  examples: [
    { what: "Everything", line: "slipway inspect hello" },
    { what: "The builder in use", line: "slipway inspect" },
    { what: "The entry point alone", line: "slipway inspect -f '{{json .Config.Entrypoint}}' hello" },
  ],
  run: runInspect,
};

async function runInspect(invocation: Invocation): Promise<number> {
  const { args, flags, shell } = invocation;
  const type = flags.string("type");
  if (!["", "container", "image", "builder"].includes(type))
    throw new Error(`${JSON.stringify(type)} is not a valid value for --type`);
  if (args.length === 0) return inspectBuilder(invocation, flags.string("builder"));
  const found: Record<string, unknown>[] = [];
  const builders: string[] = [];
  await using images = new AsyncDisposableStack();
  const openImages = lazily(async () => images.use(await shell.openBuilder({ root: invocation.root })));
  for (const name of args) {
    const container = type === "" || type === "container" ? await findContainer(name, invocation) : undefined;
    if (container !== undefined) found.push(container);
    else if (type === "container") throw unknownContainer(name);
    else if (type === "builder" || (type === "" && isBuilder(name, shell))) builders.push(name);
    else found.push(describe(await (await openImages()).inspectImage(name), flags.string("platform")));
  }
  for (const name of builders) await inspectBuilder(invocation, name);
  if (found.length > 0) print(found, invocation);
  return 0;
}

function lazily<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => (opened ??= open());
}

async function findContainer(name: string, { root }: Invocation): Promise<Record<string, unknown> | undefined> {
  if (!existsSync(join(root, "containers"))) return undefined;
  const { openContainers } = await import("../running/containers/index.ts");
  await using containers = await openContainers({ root });
  try {
    return containerJson(await containers.inspect(name));
  } catch (error) {
    if (isUnknown(error)) return undefined;
    throw error;
  }
}

function unknownContainer(name: string): BuildError {
  return new BuildError(`No such container: ${name}`, { code: "CONTAINER_UNKNOWN", status: "NotFound" });
}

function print(found: readonly Record<string, unknown>[], { flags, shell }: Invocation): void {
  const format = flags.string("format");
  if (format === "" || format === "json")
    shell.stdout.write(`${JSON.stringify(found, undefined, format === "" ? 4 : undefined)}\n`);
  else for (const each of found) shell.stdout.write(`${executeTemplate(format, plain(each))}\n`);
}

export const builderInspect: CommandDefinition = {
  name: "builder inspect",
  summary: "Inspect a builder instance",
  usage: "[OPTIONS] [NAME]",
  args: { min: 0, max: 1 },
  flags: inspect.flags.filter(({ name }) => ["bootstrap", "builder"].includes(name)),
  examples: [{ what: "The builder in use", line: "slipway builder inspect" }],
  run: (invocation) => inspectBuilder(invocation, invocation.args[0] ?? invocation.flags.string("builder")),
};

function describe(details: ImageDetails, platform: string): Record<string, unknown> {
  const own = formatPlatform(hostPlatform());
  const image =
    platform === ""
      ? (details.images.find((candidate) => candidate.platform === own) ?? details.images[0])
      : details.images.find((candidate) => candidate.platform === platform);
  if (!image && platform !== "")
    throw new Error(`image ${details.name} has no platform ${platform}, only ${details.platforms.join(", ")}`);
  const config = (image?.config ?? {}) as Record<string, unknown>;
  const rootfs = (config["rootfs"] ?? {}) as Record<string, unknown>;
  const name = shortName(details.name);
  return {
    Id: details.digest,
    RepoTags: name.includes("@") ? [] : [name],
    RepoDigests: [`${name.replace(/@.*$/, "").replace(/:[^:/]*$/, "")}@${details.digest}`],
    Created: config["created"] ?? new Date(details.createdAtMs).toISOString(),
    Author: config["author"] ?? "",
    Config: config["config"] ?? {},
    Architecture: config["architecture"] ?? "",
    Variant: config["variant"] ?? "",
    Os: config["os"] ?? "",
    Size: details.sizeBytes,
    RootFS: { Type: rootfs["type"] ?? "layers", Layers: rootfs["diff_ids"] ?? [] },
    History: config["history"] ?? [],
    Descriptor: { mediaType: details.mediaType, digest: details.digest },
    Platforms: details.platforms,
    Manifest: image?.manifest ?? details.manifest,
  };
}
