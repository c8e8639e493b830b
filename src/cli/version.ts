// `slipway version`.

import type { CommandDefinition } from "./command.ts";

/** The version of package.json; a test holds them together. */
export const packageVersion = "0.1.0";

export const version: CommandDefinition = {
  name: "version",
  summary: "Show version information",
  usage: "",
  args: { min: 0, max: 0 },
  flags: [],
  examples: [],
  run: ({ shell }) => {
    shell.stdout.write(`slipway ${packageVersion} (Node.js ${process.version}, ${process.platform}/${process.arch})\n`);
    return Promise.resolve(0);
  },
};
