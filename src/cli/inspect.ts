// `slipway inspect`: everything about images as JSON, with the fields of `docker image inspect`, or about a builder.

import { formatPlatform, hostPlatform } from "../formats/oci/index.ts";
import type { ImageDetails } from "../service/builders/index.ts";
import { builderFlag } from "./builder-flag.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { inspectBuilder, isBuilder } from "./inspect-builder.ts";
import { shortName } from "./images.ts";
import { renderTemplate } from "./template.ts";

export const inspect: CommandDefinition = {
  name: "inspect",
  summary: "Display detailed information on images or a builder",
  description:
    "Images of the store as JSON, with the fields of `docker image inspect`. The name of a builder, or none at all for the one in use, shows that builder instead, as `docker buildx inspect` does.",
  usage: "[OPTIONS] [IMAGE... | BUILDER]",
  args: { min: 0, max: Number.POSITIVE_INFINITY },
  flags: [
    { name: "bootstrap", kind: "bool", help: "Ensure the builder has booted before inspecting it" },
    builderFlag,
    { name: "format", short: "f", kind: "string", help: 'Format output using a template such as "{{json .Config}}"' },
    { name: "platform", kind: "string", help: "Image of this platform, where there are several" },
  ],
  examples: [
    { what: "Everything", line: "slipway inspect hello" },
    { what: "The builder in use", line: "slipway inspect" },
    { what: "The entry point alone", line: "slipway inspect -f '{{json .Config.Entrypoint}}' hello" },
  ],
  run: runInspect,
};

async function runInspect(invocation: Invocation): Promise<number> {
  const { args, flags, shell, root } = invocation;
  if (args.length === 0) return inspectBuilder(invocation, flags.string("builder"));
  if (args.length === 1 && isBuilder(args[0]!, shell)) return inspectBuilder(invocation, args[0]!);
  await using builder = await shell.openBuilder({ root });
  const found: Record<string, unknown>[] = [];
  for (const name of args) found.push(describe(await builder.inspectImage(name), flags.string("platform")));
  const format = flags.string("format");
  if (format === "" || format === "json")
    shell.stdout.write(`${JSON.stringify(found, undefined, format === "" ? 4 : undefined)}\n`);
  else for (const image of found) shell.stdout.write(`${renderTemplate(format, image)}\n`);
  return 0;
}

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
