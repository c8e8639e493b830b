// `slipway inspect`: everything about images as JSON, with the fields of `docker image inspect`.

import { formatPlatform, hostPlatform } from "../formats/oci/index.ts";
import type { ImageDetails } from "../service/builders/index.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { shortName } from "./images.ts";
import { renderTemplate } from "./template.ts";

export const inspect: CommandDefinition = {
  name: "inspect",
  summary: "Display detailed information on one or more images",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  args: { min: 1, max: Number.POSITIVE_INFINITY },
  flags: [
    { name: "format", short: "f", kind: "string", help: 'Format output using a template such as "{{json .Config}}"' },
    { name: "platform", kind: "string", help: "Image of this platform, where there are several" },
  ],
  examples: [
    { what: "Everything", line: "slipway inspect hello" },
    { what: "The entry point alone", line: "slipway inspect -f '{{json .Config.Entrypoint}}' hello" },
  ],
  run: runInspect,
};

async function runInspect({ args, flags, shell, root }: Invocation): Promise<number> {
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
