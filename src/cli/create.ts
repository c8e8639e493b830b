// `slipway create`: names a builder elsewhere. Counterpart: docker/buildx commands/create.go.

import { BuildError } from "../base/index.ts";
import { BuilderConfigs, driverNames } from "../service/builder-store/index.ts";
import type { BuilderConfig, DriverName, NodeConfig } from "../service/builder-store/index.ts";
import { bootstrapBuilder } from "./builder-status.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { parseCsv } from "./csv.ts";

export const create: CommandDefinition = {
  name: "create",
  summary: "Create a new builder instance",
  description:
    "Keeps a builder elsewhere under a name: a daemon of ours or a stock buildkitd by its address (driver remote), the BuildKit inside a Docker Engine (driver docker), or a daemon in a container that is made and started on first use (drivers docker-container and kubernetes). Builds use it with --builder NAME, with SLIPWAY_BUILDER=NAME, or by themselves after `slipway use NAME`.",
  usage: "[OPTIONS] [CONTEXT|ENDPOINT]",
  args: { min: 0, max: 1 },
  flags: [
    { name: "append", kind: "bool", help: "Append a node to builder instead of changing it" },
    { name: "bootstrap", kind: "bool", help: "Boot builder after creation" },
    { name: "buildkitd-config", kind: "string", help: "BuildKit daemon config file", hidden: true },
    { name: "buildkitd-flags", kind: "string", help: "Flags of the daemon that the driver starts" },
    {
      name: "driver",
      kind: "string",
      help: `Driver to use (available: ${driverNames.map((name) => `"${name}"`).join(", ")})`,
    },
    {
      name: "driver-opt",
      kind: "array",
      help: 'Options for the driver (e.g., "cacert=ca.pem,cert=cert.pem,key=key.pem")',
    },
    { name: "leave", kind: "bool", help: "Remove a node from builder instead of changing it" },
    { name: "name", kind: "string", help: "Builder instance name" },
    { name: "node", kind: "string", help: "Create/modify node with given name" },
    { name: "platform", kind: "slice", help: "Fixed platforms for current node" },
    { name: "use", kind: "bool", help: "Set the current builder instance" },
  ],
  examples: [
    { what: "A daemon on a fast machine", line: "slipway create --name fast --driver remote --use ssh://build@host" },
    {
      what: "The same over TCP with certificates",
      line: "slipway create --name fast --driver-opt cacert=ca.pem,cert=cert.pem,key=key.pem tcp://host:1234",
    },
    { what: "Docker Engine's own BuildKit", line: "slipway create --name engine --driver docker" },
    {
      what: "A daemon in a container",
      line: "slipway create --name box --driver docker-container --driver-opt network=host,memory=4g --bootstrap",
    },
    {
      what: "Daemons in a cluster, a disk each",
      line: "slipway create --name pods --driver kubernetes --driver-opt namespace=ci,replicas=3,storage=50Gi",
    },
  ],
  run: runCreate,
};

async function runCreate({ flags, args, shell }: Invocation): Promise<number> {
  const configs = new BuilderConfigs(shell.env);
  const endpoint = args[0] ?? "";
  const named = flags.string("name");
  const append = flags.bool("append");
  const leave = flags.bool("leave");
  if (append && named === "") throw new Error("append requires a builder name");
  if (leave && (named === "" || flags.string("node") === ""))
    throw new Error("leave requires a builder name and a node name");
  const existing = named === "" ? undefined : configs.tryGet(named);
  if (existing !== undefined && !append && !leave) {
    throw new BuildError(
      `existing instance for ${JSON.stringify(named)} but no append mode, specify the node name to make changes for existing instances`,
      {
        code: "BUILDER_EXISTS",
        status: "AlreadyExists",
        hint: `slipway rm ${named} removes it; --append adds a node`,
      },
    );
  }
  if (leave) {
    if (existing === undefined) throw new Error(`failed to find instance ${JSON.stringify(named)} for leave`);
    const nodes = existing.nodes.filter(({ name }) => name !== flags.string("node"));
    if (nodes.length === existing.nodes.length)
      throw new Error(`failed to find node ${JSON.stringify(flags.string("node"))}`);
    if (nodes.length === 0) configs.remove(named);
    else configs.put({ ...existing, nodes });
    shell.stdout.write(`${named}\n`);
    return 0;
  }
  const driver = existing?.driver ?? driverOf(flags.string("driver"), endpoint);
  const name = named === "" ? configs.freeName() : named;
  const node: NodeConfig = {
    name: flags.string("node") || `${name}${existing?.nodes.length ?? 0}`,
    endpoint: await endpointOf(driver, endpoint),
    platforms: flags
      .list("platform")
      .flatMap((text) => text.split(","))
      .filter((text) => text !== ""),
    driverOpts: await optionsOf(driver, flags.list("driver-opt"), shell.cwd),
    flags: flags
      .string("buildkitd-flags")
      .split(/\s+/)
      .filter((text) => text !== ""),
  };
  (await import("../service/builders/index.ts")).checkNode(driver, node);
  const others = (existing?.nodes ?? []).filter((each) => each.name !== node.name);
  const config: BuilderConfig = { name, driver, nodes: [...others, node] };
  configs.put(config);
  if (flags.bool("use")) configs.use(name);
  if (flags.bool("bootstrap")) await bootstrapBuilder(config, shell);
  shell.stdout.write(`${name}\n`);
  return 0;
}

function driverOf(given: string, endpoint: string): DriverName {
  if (given === "") return /^(unix|tcp|ssh):\/\//.test(endpoint) ? "remote" : "docker";
  const known = driverNames.find((name) => name === given);
  if (known !== undefined) return known;
  throw new BuildError(`failed to find driver ${JSON.stringify(given)}`, {
    code: "DRIVER_UNKNOWN",
    status: "InvalidArgument",
    hint: `drivers are ${driverNames.join(", ")}`,
  });
}

async function endpointOf(driver: DriverName, endpoint: string): Promise<string> {
  if (driver !== "remote") return endpoint;
  if (endpoint === "") {
    throw new BuildError("the remote driver needs an address", {
      code: "ADDRESS_INVALID",
      status: "InvalidArgument",
      hint: "slipway create --driver remote tcp://HOST:PORT (or unix:///PATH, ssh://HOST)",
    });
  }
  if (!endpoint.startsWith("ssh://")) (await import("../system/rpc/index.ts")).parseAddress(endpoint);
  return endpoint;
}

async function optionsOf(driver: DriverName, given: readonly string[], cwd: string): Promise<Record<string, string>> {
  const { driverOptions } = await import("../service/builders/index.ts");
  const { resolve } = await import("node:path");
  const options: Record<string, string> = {};
  for (const field of given.flatMap((text) => parseCsv(text))) {
    const at = field.indexOf("=");
    const [key, value] = at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
    if (at < 0) throw new Error(`invalid driver option ${JSON.stringify(field)}, expected key=value`);
    if (
      !driverOptions[driver].some(
        (known) => key === known || (known.endsWith(".NAME") && key.startsWith(known.slice(0, -"NAME".length))),
      )
    ) {
      throw new BuildError(`invalid driver option ${JSON.stringify(key)} for the ${driver} driver`, {
        code: "DRIVER_OPTION_INVALID",
        status: "InvalidArgument",
        hint: driverOptions[driver].length === 0 ? "it has none" : `it has ${driverOptions[driver].join(", ")}`,
      });
    }
    options[key] = ["cacert", "cert", "key"].includes(key) ? resolve(cwd, value) : value;
  }
  return options;
}
