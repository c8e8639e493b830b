// `slipway ls`: the builders. Counterpart: docker/buildx commands/ls.go.

import { BuilderConfigs } from "../service/builder-store/index.ts";
import { formatPlatform, goJson, hostPlatform } from "../formats/oci/index.ts";
import { nodeStatuses } from "./builder-status.ts";
import type { NodeStatus } from "./builder-status.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { alignSpaces } from "./table.ts";
import { renderTemplate } from "./template.ts";

export const ls: CommandDefinition = {
  name: "ls",
  summary: "List builder instances",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    { name: "format", kind: "string", help: 'Format the output ("table", "json" or a template)' },
    { name: "no-trunc", kind: "bool", help: "Don't truncate output" },
  ],
  examples: [{ what: "Builders and whether they answer", line: "slipway ls" }],
  run: runLs,
};

/** A list must not hang on a machine that is off. */
const ANSWER_MS = 3000;

async function runLs({ flags, shell, root }: Invocation): Promise<number> {
  const configs = new BuilderConfigs(shell.env);
  const current = shell.env["SLIPWAY_BUILDER"] || configs.currentName() || "embedded";
  const builders = configs.list();
  const statuses = await Promise.all(builders.map((config) => nodeStatuses(config, shell, ANSWER_MS)));
  const format = flags.string("format");
  if (format !== "" && format !== "table") {
    const all = [
      {
        Name: "embedded",
        DriverEndpoint: "embedded",
        Current: current === "embedded" || current === "default",
        Status: "running",
      },
      ...builders.map(({ name, driver }, index) => ({
        Name: name,
        DriverEndpoint: driver,
        Current: name === current,
        Status: statuses[index]!.find(({ state }) => state !== "running")?.state ?? "running",
        Nodes: statuses[index]!.map((status) => ({
          Name: status.node.name,
          Endpoint: status.location,
          Status: status.state,
          Version: status.version,
          Platforms: status.platforms,
          ...(status.error === undefined ? {} : { Error: status.error }),
        })),
      })),
    ];
    for (const each of all) shell.stdout.write(`${format === "json" ? goJson(each) : renderTemplate(format, each)}\n`);
    return 0;
  }
  const mark = (name: string) =>
    name === current || (name === "embedded" && current === "default") ? `${name}*` : name;
  const rows: string[][] = [
    [mark("embedded"), "embedded", "", "", ""],
    [" \\_ embedded", ` \\_ ${root}`, "running", "", formatPlatform(hostPlatform())],
  ];
  for (const [index, { name, driver }] of builders.entries()) {
    rows.push([mark(name), driver, "", "", ""]);
    for (const status of statuses[index]!) {
      rows.push([
        ` \\_ ${status.node.name}`,
        ` \\_ ${status.location}`,
        status.state,
        status.version,
        platformsText(status, flags.bool("no-trunc")),
      ]);
    }
  }
  shell.stdout.write(alignSpaces([["NAME/NODE", "DRIVER/ENDPOINT", "STATUS", "BUILDKIT", "PLATFORMS"], ...rows]));
  for (const status of statuses.flat()) {
    if (status.error !== undefined) shell.stderr.write(`Cannot load node ${status.node.name}: ${status.error}\n`);
  }
  return 0;
}

function platformsText({ platforms }: NodeStatus, whole: boolean): string {
  return whole || platforms.length <= 4
    ? platforms.join(", ")
    : `${platforms.slice(0, 4).join(", ")}, (+${platforms.length - 4})`;
}
