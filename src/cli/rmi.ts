// `slipway rmi`: forgets image names; what no name and no cache record holds is gone with the next collection.

import { isBuildError } from "../base/index.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { renderError } from "./error.ts";

export const rmi: CommandDefinition = {
  name: "rmi",
  summary: "Remove one or more images",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  args: { min: 1, max: Number.POSITIVE_INFINITY },
  flags: [{ name: "force", short: "f", kind: "bool", help: "Do not complain about images that are not there" }],
  examples: [{ what: "Remove an image", line: "slipway rmi hello" }],
  run: runRmi,
};

async function runRmi({ args, flags, shell, root, debug }: Invocation): Promise<number> {
  await using builder = await shell.openBuilder({ root, toFreeSpace: true });
  let exitCode = 0;
  for (const name of args) {
    try {
      const { untagged, deleted } = await builder.removeImage(name);
      shell.stdout.write(`Untagged: ${untagged}\n`);
      if (deleted !== undefined) shell.stdout.write(`Deleted: ${deleted}\n`);
    } catch (error) {
      if (!isBuildError(error) || error.code !== "IMAGE_NOT_FOUND") throw error;
      if (flags.bool("force")) continue;
      shell.stderr.write(renderError(error, { debug }));
      exitCode = 1;
    }
  }
  return exitCode;
}
