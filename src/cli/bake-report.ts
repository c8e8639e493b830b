// What is left after a bake: the metadata file, every failure, and for people what each target made.

import { messageOf } from "../base/index.ts";
import type { Builder, ExporterResponse } from "../service/builders/index.ts";
import type { PreparedTarget } from "./bake-build.ts";
import { imageId, metadataJson } from "./build-report.ts";
import { Failure, renderError } from "./error.ts";
import { humanSize } from "./sizes.ts";
import { alignSpaces } from "./table.ts";

/** The text of `--metadata-file`: what exporters report, by target. */
export function bakeMetadata(responses: ReadonlyMap<string, ExporterResponse>): string {
  const members = [...responses]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, response]) => `${JSON.stringify(name)}: ${metadataJson(response)}`.replaceAll("\n", "\n  "));
  return `{\n  ${members.join(",\n  ")}\n}`;
}

/** Every failure once, with the targets that it failed. */
export function reportFailures(
  failures: readonly { readonly name: string; readonly error: unknown }[],
  options: { readonly debug: boolean },
): string {
  const groups = Map.groupBy(failures, ({ error }) => messageOf(error));
  return [...groups.values()]
    .map((same) => {
      const names = same.map(({ name }) => name).join(", ");
      const what = `${same.length > 1 ? "targets" : "target"} ${names}: failed to solve`;
      return renderError(new Failure(what, same[0]!.error), options);
    })
    .join("");
}

/** A line for each target: names, digest, size; or where its files went. */
export async function targetReport(
  builder: Builder,
  targets: readonly PreparedTarget[],
  responses: ReadonlyMap<string, ExporterResponse>,
): Promise<string> {
  const rows: string[][] = [];
  for (const { name, flags, outputs } of targets) {
    const response = responses.get(name)!;
    for (const { type, target } of outputs) {
      if (type === "image") {
        const digest = response["containerimage.digest"] ?? imageId(response);
        const names = flags.list("tag");
        rows.push([name, names.join(", ") || "(no name)", digest, await sizeOf(builder, names[0] ?? digest)]);
      } else if (target?.kind === "loader") {
        rows.push([name, flags.list("tag").join(", ") || "(no name)", imageId(response), `in ${target.loader.name}`]);
      } else if (target !== undefined && target.kind !== "stream") rows.push([name, target.path, `type ${type}`, ""]);
    }
  }
  if (rows.length === 0) return "";
  return `\n${alignSpaces([["TARGET", "IMAGE OR FILE", "DIGEST", "SIZE"], ...rows])}`;
}

async function sizeOf(builder: Builder, name: string): Promise<string> {
  try {
    return humanSize((await builder.inspectImage(name)).sizeBytes);
  } catch {
    return ""; // the size is a courtesy: the image is there, whoever else has removed its name since
  }
}
