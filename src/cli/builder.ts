// `slipway builder …`: the verbs of builders, also where containers have verbs of the same name.

import { bootstrap, builderRm, builderStop, use } from "./use.ts";
import type { CommandDefinition } from "./command.ts";
import { create } from "./create.ts";
import { builderInspect } from "./inspect.ts";
import { ls } from "./ls.ts";

const own = (command: CommandDefinition): CommandDefinition => ({ ...command, name: `builder ${command.name}` });

export const builder: CommandDefinition = {
  name: "builder",
  summary: "Manage builder instances",
  description:
    "The same as `slipway create`, `use`, `ls`, `bootstrap`; and `stop`, `rm` and `inspect` of builders alone.",
  usage: "COMMAND",
  args: { min: 0, max: 0 },
  flags: [],
  verbs: [own(create), own(use), own(ls), own(bootstrap), builderInspect, builderStop, builderRm],
  examples: [{ what: "Stop a builder that has a container's name", line: "slipway builder stop web" }],
  run: () => Promise.resolve(0),
};
