// `slipway volume …`: docker's verbs for volumes. The work is in volume-run.ts. Counterpart: docker/cli cli/command/volume.

import type { CommandDefinition, Invocation } from "./command.ts";
import type * as runners from "./volume-run.ts";

type Runner = keyof typeof runners;

const load =
  (name: Runner) =>
  async (invocation: Invocation): Promise<number> =>
    (await import("./volume-run.ts"))[name](invocation);

const many = { min: 1, max: Number.POSITIVE_INFINITY };

export const volume: CommandDefinition = {
  name: "volume",
  summary: "Manage volumes",
  description:
    "Files that outlive their containers, or are shared by several. A volume that is empty when a container is made with it gets what the image has in that place. " +
    "Those that nobody named go with their container (`run --rm`, `rm -v`); the others stay until they are removed.",
  usage: "COMMAND",
  args: many,
  flags: [],
  examples: [
    { what: "Keep a database's files", line: "slipway run -d -v db:/var/lib/postgresql/data postgres" },
    { what: "Remove it", line: "slipway volume rm db" },
  ],
  verbs: [
    {
      name: "volume create",
      summary: "Create a volume",
      usage: "[OPTIONS] [VOLUME]",
      args: { min: 0, max: 1 },
      flags: [
        { name: "driver", short: "d", kind: "string", default: "local", help: "Specify volume driver name" },
        { name: "label", kind: "array", help: "Set metadata for a volume" },
        { name: "name", kind: "string", help: "Specify volume name", hidden: true },
        {
          name: "opt",
          short: "o",
          kind: "array",
          help: "Set driver specific options (type=none, o=bind, device=PATH)",
        },
      ],
      examples: [
        { what: "A volume", line: "slipway volume create db" },
        {
          what: "A name for a folder of this machine",
          line: "slipway volume create -o type=none -o o=bind -o device=/srv/db db",
        },
      ],
      run: load("runCreate"),
    },
    {
      name: "volume inspect",
      summary: "Display detailed information on one or more volumes",
      usage: "[OPTIONS] VOLUME [VOLUME...]",
      args: many,
      flags: [{ name: "format", short: "f", kind: "string", help: 'Format the output ("json" or a template)' }],
      examples: [{ what: "Where its files are", line: "slipway volume inspect -f '{{.Mountpoint}}' db" }],
      run: load("runInspect"),
    },
    {
      name: "volume ls",
      aliases: ["list"],
      summary: "List volumes",
      usage: "[OPTIONS]",
      args: { min: 0, max: 0 },
      flags: [
        { name: "filter", short: "f", kind: "filter", help: 'Provide filter values (e.g. "dangling=true")' },
        { name: "format", kind: "string", help: 'Format the output ("table", "json" or a template)' },
        { name: "quiet", short: "q", kind: "bool", help: "Only display volume names" },
      ],
      examples: [{ what: "Those that no container has", line: "slipway volume ls --filter dangling=true" }],
      run: load("runList"),
    },
    {
      name: "volume prune",
      summary: "Remove unused local volumes",
      usage: "[OPTIONS]",
      args: { min: 0, max: 0 },
      flags: [
        { name: "all", short: "a", kind: "bool", help: "Remove all unused volumes, not just anonymous ones" },
        { name: "filter", kind: "filter", help: 'Provide filter values (e.g. "label=<label>")' },
        { name: "force", short: "f", kind: "bool", help: "Do not prompt for confirmation" },
      ],
      examples: [{ what: "Named ones too, without being asked", line: "slipway volume prune -a -f" }],
      run: load("runPrune"),
    },
    {
      name: "volume rm",
      aliases: ["remove"],
      summary: "Remove one or more volumes",
      usage: "[OPTIONS] VOLUME [VOLUME...]",
      args: many,
      flags: [{ name: "force", short: "f", kind: "bool", help: "Force the removal of one or more volumes" }],
      examples: [{ what: "One that no container has", line: "slipway volume rm db" }],
      run: load("runRemove"),
    },
  ],
  run: () => Promise.reject(new Error("volume has verbs")),
};
