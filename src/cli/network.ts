// `slipway network …`: docker's verbs for networks. The work is in network-run.ts. Counterpart: docker/cli cli/command/network.

import type { CommandDefinition, Invocation } from "./command.ts";
import type { FlagDefinition } from "./flags.ts";
import type * as runners from "./network-run.ts";

type Runner = keyof typeof runners;

const load =
  (name: Runner) =>
  async (invocation: Invocation): Promise<number> =>
    (await import("./network-run.ts"))[name](invocation);

const many = { min: 1, max: Number.POSITIVE_INFINITY };
const format: FlagDefinition = {
  name: "format",
  short: "f",
  kind: "string",
  help: 'Format the output ("json" or a template)',
};

export const network: CommandDefinition = {
  name: "network",
  summary: "Manage networks",
  description:
    "Containers find each other on networks by name. `bridge` is there for those that name none; `create` makes others, whose containers are apart from the rest. " +
    "Bridges, addresses and packet rules are made when the first container of a network starts and are gone with its last one.",
  usage: "COMMAND",
  args: many,
  flags: [],
  examples: [
    {
      what: "A network, and two containers that talk on it",
      line: "slipway network create shop && slipway run -d --network shop --name db …",
    },
    { what: "Who is on it", line: "slipway network inspect shop" },
  ],
  verbs: [
    {
      name: "network connect",
      summary: "Connect a container to a network",
      usage: "[OPTIONS] NETWORK CONTAINER",
      args: { min: 2, max: 2 },
      flags: [
        { name: "alias", kind: "slice", help: "Add network-scoped alias for the container" },
        { name: "driver-opt", kind: "slice", help: "driver options for the network (none is known)" },
        { name: "ip", kind: "string", help: 'IPv4 address (e.g., "172.30.100.104")' },
        { name: "ip6", kind: "string", help: "IPv6 address (not yet supported)" },
        { name: "link", kind: "slice", help: "Add link to another container (not yet supported)" },
        {
          name: "link-local-ip",
          kind: "slice",
          help: "Add a link-local address for the container (not yet supported)",
        },
      ],
      examples: [
        { what: "A running container on one more network", line: "slipway network connect --alias cache shop redis" },
      ],
      run: load("runConnect"),
    },
    {
      name: "network create",
      summary: "Create a network",
      usage: "[OPTIONS] NETWORK",
      args: { min: 1, max: 1 },
      flags: [
        { name: "attachable", kind: "bool", help: "Enable manual container attachment" },
        {
          name: "aux-address",
          kind: "array",
          help: "Auxiliary IPv4 addresses used by Network driver (not yet supported)",
        },
        { name: "driver", short: "d", kind: "string", default: "bridge", help: "Driver to manage the Network" },
        { name: "gateway", kind: "slice", help: "IPv4 Gateway for the master subnet" },
        { name: "internal", kind: "bool", help: "Restrict external access to the network" },
        { name: "ip-range", kind: "slice", help: "Allocate container ip from a sub-range" },
        { name: "ipam-driver", kind: "string", default: "default", help: "IP Address Management Driver" },
        { name: "ipam-opt", kind: "array", help: "Set IPAM driver specific options (none is known)" },
        { name: "ipv6", kind: "bool", help: "Enable IPv6 networking (not yet supported)" },
        { name: "label", kind: "array", help: "Set metadata on a network" },
        {
          name: "opt",
          short: "o",
          kind: "array",
          help: "Set driver specific options (kept, and shown by inspect; none changes anything)",
        },
        { name: "scope", kind: "string", help: "Control the network's scope", hidden: true },
        { name: "subnet", kind: "slice", help: "Subnet in CIDR format that represents a network segment" },
      ],
      examples: [
        { what: "A network of its own for a project", line: "slipway network create shop" },
        {
          what: "With fixed addresses, and no way out",
          line: "slipway network create --internal --subnet 10.90.0.0/24 vault",
        },
      ],
      run: load("runCreate"),
    },
    {
      name: "network disconnect",
      summary: "Disconnect a container from a network",
      usage: "[OPTIONS] NETWORK CONTAINER",
      args: { min: 2, max: 2 },
      flags: [{ name: "force", short: "f", kind: "bool", help: "Force the container to disconnect from a network" }],
      examples: [{ what: "Off a network while it runs", line: "slipway network disconnect shop redis" }],
      run: load("runDisconnect"),
    },
    {
      name: "network inspect",
      summary: "Display detailed information on one or more networks",
      usage: "[OPTIONS] NETWORK [NETWORK...]",
      args: many,
      flags: [format, { name: "verbose", short: "v", kind: "bool", help: "Verbose output for diagnostics" }],
      examples: [
        { what: "Its subnet", line: "slipway network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' shop" },
      ],
      run: load("runInspect"),
    },
    {
      name: "network ls",
      aliases: ["list"],
      summary: "List networks",
      usage: "[OPTIONS]",
      args: { min: 0, max: 0 },
      flags: [
        { name: "filter", short: "f", kind: "filter", help: 'Provide filter values (e.g. "driver=bridge")' },
        { name: "format", kind: "string", help: 'Format the output ("table", "json" or a template)' },
        { name: "no-trunc", kind: "bool", help: "Do not truncate the output" },
        { name: "quiet", short: "q", kind: "bool", help: "Only display network IDs" },
      ],
      examples: [{ what: "Those that no container is on", line: "slipway network ls --filter dangling=true" }],
      run: load("runList"),
    },
    {
      name: "network prune",
      summary: "Remove all unused networks",
      usage: "[OPTIONS]",
      args: { min: 0, max: 0 },
      flags: [
        { name: "filter", kind: "filter", help: 'Provide filter values (e.g. "until=<timestamp>", "label=x")' },
        { name: "force", short: "f", kind: "bool", help: "Do not prompt for confirmation" },
      ],
      examples: [{ what: "Without being asked", line: "slipway network prune -f" }],
      run: load("runPrune"),
    },
    {
      name: "network rm",
      aliases: ["remove"],
      summary: "Remove one or more networks",
      usage: "NETWORK [NETWORK...]",
      args: many,
      flags: [{ name: "force", short: "f", kind: "bool", help: "Do not error if the network does not exist" }],
      examples: [{ what: "One that nobody is on", line: "slipway network rm shop" }],
      run: load("runRemove"),
    },
  ],
  run: () => Promise.reject(new Error("network has verbs")),
};
