// `slipway ps`. Counterpart: docker/cli cli/command/container/list.go, cli/command/formatter/container.go.

import type { CommandDefinition } from "./command.ts";

export const ps: CommandDefinition = {
  name: "ps",
  summary: "List containers",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    { name: "all", short: "a", kind: "bool", help: "Show all containers (default shows just running)" },
    {
      name: "filter",
      short: "f",
      kind: "array",
      help: "Filter output based on conditions provided (id, name, label, status, exited, health, ancestor, network, volume)",
    },
    { name: "format", kind: "string", help: 'Format the output ("table", "json" or a template)' },
    { name: "last", short: "n", kind: "int", help: "Show n last created containers (includes all states)" },
    { name: "latest", short: "l", kind: "bool", help: "Show the latest created container (includes all states)" },
    { name: "no-trunc", kind: "bool", help: "Don't truncate output" },
    { name: "quiet", short: "q", kind: "bool", help: "Only display container IDs" },
  ],
  examples: [
    { what: "What runs", line: "slipway ps" },
    { what: "What ended badly", line: "slipway ps -a --filter status=exited --filter exited=1" },
  ],
  run: async (invocation) => (await import("./ps-run.ts")).runPs(invocation),
};
