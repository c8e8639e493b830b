// Which builder a command is about: `--builder`, SLIPWAY_BUILDER, what `slipway use` chose, else the one in this process.

import { BuilderConfigs } from "../service/builder-store/index.ts";
import type { Shell } from "./command.ts";
import type { FlagDefinition, FlagValues } from "./flags.ts";

export const builderFlag: FlagDefinition = {
  name: "builder",
  kind: "string",
  help: 'Override the configured builder instance ("embedded" is the one in this process)',
};

/** Whether it is the builder in this process. @throws BUILDER_NOT_FOUND. */
export function isEmbedded(flags: FlagValues, env: Shell["env"]): boolean {
  return new BuilderConfigs(env).selected(flags.string("builder")) === undefined;
}
