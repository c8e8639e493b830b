// `slipway history …`: builds that run or have ended. Counterpart: docker/buildx commands/history.

import { builderFlag } from "./builder-flag.ts";
import type { CommandDefinition } from "./command.ts";

export const history: CommandDefinition = {
  name: "history",
  summary: "Look at past builds: what ran, what it said, why it failed",
  description:
    "`ls` lists builds, newest first. `logs` prints what a build said, whole. `inspect` shows how it was asked for and how it ended, with the lines of the Dockerfile where it failed. `rm` removes records, `export` writes one to an archive. " +
    "REF is an identifier from `ls`, `^N` the Nth before the newest; without one it is the newest. A daemon's records are those that `docker buildx history` shows.",
  usage: "ls|logs|inspect|rm|export [OPTIONS] [REF...]",
  args: { min: 1, max: Infinity },
  flags: [
    { name: "all", kind: "bool", help: "All records (rm)" },
    builderFlag,
    { name: "filter", kind: "array", help: 'Provide filter values (e.g., "status=error", "startedAt>=2h"; ls)' },
    { name: "format", kind: "string", help: 'Format the output ("table", "json" or a template; ls, inspect)' },
    { name: "no-trunc", kind: "bool", help: "Don't truncate output (ls)" },
    { name: "output", short: "o", kind: "string", help: "Output file path (export)" },
    {
      name: "progress",
      kind: "string",
      default: "plain",
      help: 'Set type of progress output ("plain", "rawjson", "tty"; logs)',
    },
  ],
  examples: [
    { what: "What was built", line: "slipway history ls" },
    { what: "What the last build said", line: "slipway history logs" },
    { what: "Why builds failed today", line: "slipway history ls --filter status=error --filter 'startedAt>=24h'" },
  ],
  run: async (invocation) => (await import("./history-run.ts")).runHistory(invocation),
};
