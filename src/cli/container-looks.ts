// Verbs that look at containers: top, stats, port, events. Counterpart: docker/cli cli/command/container/{top,stats,port}.go,
// cli/command/system/events.go.

import type { CommandDefinition } from "./command.ts";
import { alignSpaces } from "./table.ts";

const MANY = Number.POSITIVE_INFINITY;

export const top: CommandDefinition = {
  name: "top",
  summary: "Display the running processes of a container",
  usage: "CONTAINER [ps OPTIONS]",
  args: { min: 1, max: MANY },
  argumentsLast: true,
  flags: [],
  examples: [{ what: "Who runs in it", line: "slipway top web" }],
  async run({ args, shell, root }) {
    const { openContainers } = await import("../running/containers/index.ts");
    await using containers = await openContainers({ root });
    const options = args.slice(1);
    const { titles, processes } = await containers.top(args[0]!, options.length === 0 ? undefined : options);
    shell.stdout.write(alignSpaces([titles, ...processes]));
    return 0;
  },
};

export const port: CommandDefinition = {
  name: "port",
  summary: "List port mappings or a specific mapping for the container",
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  args: { min: 1, max: 2 },
  flags: [],
  examples: [{ what: "Where is it reached?", line: "slipway port web 80" }],
  async run({ args, shell, root }) {
    const { openContainers } = await import("../running/containers/index.ts");
    await using containers = await openContainers({ root });
    const { ports } = await containers.inspect(args[0]!);
    const [, wanted] = args;
    const lines = ports.map(({ hostIp, hostPort, containerPort, protocol }) => ({
      inside: `${containerPort}/${protocol}`,
      outside: `${hostIp.includes(":") ? `[${hostIp}]` : hostIp || "0.0.0.0"}:${hostPort}`,
    }));
    if (wanted === undefined) {
      for (const { inside, outside } of lines) shell.stdout.write(`${inside} -> ${outside}\n`);
      return 0;
    }
    if (!/^\d{1,5}(\/(tcp|udp|sctp))?$/.test(wanted)) throw new Error(`Error: invalid port: ${wanted}`);
    const full = wanted.includes("/") ? wanted : `${wanted}/tcp`;
    const found = lines.filter(({ inside }) => inside === full);
    if (found.length === 0) throw new Error(`Error: No public port '${full}' published for ${args[0]}`);
    for (const { outside } of found) shell.stdout.write(`${outside}\n`);
    return 0;
  },
};

export const stats: CommandDefinition = {
  name: "stats",
  summary: "Display a live stream of container(s) resource usage statistics",
  usage: "[OPTIONS] [CONTAINER...]",
  args: { min: 0, max: MANY },
  flags: [
    { name: "all", short: "a", kind: "bool", help: "Show all containers (default shows just running)" },
    { name: "format", kind: "string", help: 'Format the output ("table", "json" or a template)' },
    { name: "no-stream", kind: "bool", help: "Disable streaming stats and only pull the first result" },
    { name: "no-trunc", kind: "bool", help: "Do not truncate output" },
  ],
  examples: [{ what: "What they use right now", line: "slipway stats --no-stream" }],
  run: async (invocation) => (await import("./stats-run.ts")).runStats(invocation),
};

export const events: CommandDefinition = {
  name: "events",
  summary: "Get real time events of containers",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    {
      name: "filter",
      short: "f",
      kind: "array",
      help: "Filter output based on conditions provided (container, event, label, image)",
    },
    { name: "format", kind: "string", help: 'Format the output ("json" or a template)' },
    { name: "since", kind: "string", help: "Show all events created since timestamp" },
    { name: "until", kind: "string", help: "Stream events until this timestamp" },
  ],
  examples: [{ what: "What happens", line: "slipway events --filter event=die" }],
  run: async (invocation) => (await import("./events-run.ts")).runEvents(invocation),
};
