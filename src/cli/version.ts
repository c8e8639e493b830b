// `slipway version`.

import { packageVersion } from "../base/index.ts";
import type { CommandDefinition } from "./command.ts";

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
