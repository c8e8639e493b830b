// `slipway images`: the images kept in the store under a name.

import type { ImageRecord } from "../service/builders/index.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { goJson } from "../formats/oci/index.ts";
import { humanDuration, humanSize } from "./sizes.ts";
import { alignSpaces } from "./table.ts";
import { renderTemplate } from "./template.ts";

export const images: CommandDefinition = {
  name: "images",
  summary: "List images",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    { name: "format", kind: "string", help: 'Format the output ("table", "json" or a template)' },
    { name: "no-trunc", kind: "bool", help: "Don't truncate output" },
    { name: "quiet", short: "q", kind: "bool", help: "Only show image digests" },
  ],
  examples: [
    { what: "What was built", line: "slipway images" },
    { what: "Names alone", line: "slipway images --format '{{.Name}}'" },
  ],
  run: runImages,
};

async function runImages({ flags, shell, root }: Invocation): Promise<number> {
  await using builder = await shell.openBuilder({ root });
  const list = await builder.images();
  const { stdout } = shell;
  const format = flags.string("format");
  const id = (digest: string) => (flags.bool("no-trunc") ? digest : digest.replace(/^sha256:/, "").slice(0, 12));
  if (flags.bool("quiet")) for (const { digest } of list) stdout.write(`${id(digest)}\n`);
  else if (format === "json") for (const image of list) stdout.write(`${goJson(fields(image, shell.now()))}\n`);
  else if (format !== "" && format !== "table")
    for (const image of list) stdout.write(`${renderTemplate(format, fields(image, shell.now()))}\n`);
  else {
    const rows = list.map((image) => [
      shortName(image.name),
      id(image.digest),
      `${humanDuration(shell.now() - image.createdAtMs)} ago`,
      humanSize(image.sizeBytes),
      image.platforms.join(", "),
    ]);
    stdout.write(alignSpaces([["NAME", "DIGEST", "CREATED", "SIZE", "PLATFORMS"], ...rows]));
  }
  return 0;
}

/** A name without what docker's registry adds: `hello:latest` for `docker.io/library/hello:latest`. */
export function shortName(name: string): string {
  return name.replace(/^docker\.io\/(library\/)?/, "");
}

function fields(image: ImageRecord, nowMs: number): Record<string, unknown> {
  return {
    CreatedAt: new Date(image.createdAtMs).toISOString(),
    CreatedSince: `${humanDuration(nowMs - image.createdAtMs)} ago`,
    Digest: image.digest,
    MediaType: image.mediaType,
    Name: shortName(image.name),
    Platforms: image.platforms,
    Size: humanSize(image.sizeBytes),
  };
}
