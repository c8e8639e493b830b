// `slipway cache mounts …`: the cache mounts of this machine, and their way to and from folders and registries outside of builds.

import type { CommandDefinition } from "./command.ts";

export const cache: CommandDefinition = {
  name: "cache",
  summary: "Manage cache mounts",
  description:
    "Cache mounts are the folders of RUN --mount=type=cache. `ls` lists them, `du` tells what they take, `rm` removes some by id or all with --all, " +
    "`export` and `import` write them to and read them from a place that is given as --cache-to and --cache-from give it.",
  usage: "mounts ls|du|rm|export|import [OPTIONS] [ID…|PLACE]",
  args: { min: 2, max: 100 },
  mounts: true,
  flags: [
    { name: "all", short: "a", kind: "bool", help: "All cache mounts (rm)" },
    { name: "format", kind: "string", help: 'Format of the list ("table", "json")' },
    {
      name: "scope",
      kind: "array",
      help: "Scope to export to; for import the scopes to look in, in order (default: default)",
    },
  ],
  examples: [
    { what: "What is there", line: "slipway cache mounts ls" },
    { what: "Write all of them to a folder", line: "slipway cache mounts export type=local,dest=cache" },
    { what: "Fill them on another machine", line: "slipway cache mounts import type=local,src=cache" },
  ],
  run: async (invocation) => (await import("./cache-mounts.ts")).runCacheMounts(invocation),
};
