// The verbs of `slipway network`. Counterpart: docker/cli cli/command/network, whose output this is.

import { createHash } from "node:crypto";
import { isBuildError } from "../base/index.ts";
import { goJson } from "../formats/oci/index.ts";
import {
  createNetwork,
  findRecord,
  listNetworks,
  networkMembers,
  type NetworkRecord,
  pruneNetworks,
  removeNetwork,
  sweepNetworks,
} from "../running/networks/index.ts";
import type { Invocation } from "./command.ts";
import { confirmed } from "./confirm.ts";
import { renderError } from "./error.ts";
import { executeTemplate, GoStruct, type GoField } from "./go-template.ts";
import { prettyJson } from "./inspect-objects.ts";
import { keyValues, ResourceFilters } from "./resource-filters.ts";
import { parseDuration } from "./sizes.ts";
import { alignSpaces } from "./table.ts";

export { runConnect, runDisconnect } from "./network-connect.ts";

const PREDEFINED = new Set(["bridge", "host", "none"]);

export async function runCreate({ args, flags, shell, root }: Invocation): Promise<number> {
  const single = (name: string): string => {
    const list = flags.list(name);
    if (list.length > 1) throw new Error(`several values of --${name} are not yet supported`);
    return list[0] ?? "";
  };
  if (flags.list("aux-address").length > 0) throw new Error("--aux-address is not yet supported");
  if (flags.string("ipam-driver") !== "default")
    throw new Error(`--ipam-driver ${flags.string("ipam-driver")} is not supported: there is only "default"`);
  const record = await createNetwork(root, {
    name: args[0]!,
    driver: flags.string("driver"),
    subnet: single("subnet"),
    gateway: single("gateway"),
    ipRange: single("ip-range"),
    internal: flags.bool("internal"),
    attachable: flags.bool("attachable"),
    ipv6: flags.bool("ipv6"),
    labels: keyValues(flags.list("label")),
    options: keyValues(flags.list("opt")),
  });
  shell.stdout.write(`${record.id}\n`);
  return 0;
}

export async function runList({ flags, shell, root }: Invocation): Promise<number> {
  await sweepNetworks(root);
  const filters = new ResourceFilters(flags.list("filter"), [
    "dangling",
    "driver",
    "id",
    "label",
    "name",
    "scope",
    "type",
  ]);
  const dangling = filters.bool("dangling");
  const shown: NetworkRecord[] = [];
  for (const record of listNetworks(root)) {
    const kind = PREDEFINED.has(record.name) ? "builtin" : "custom";
    const fits =
      filters.some("name", (value) => record.name.includes(value)) &&
      filters.some("id", (value) => record.id.startsWith(value)) &&
      filters.some("driver", (value) => record.driver === value) &&
      filters.some("scope", (value) => value === "local") &&
      filters.some("type", (value) => value === kind) &&
      filters.labels(record.labels);
    if (!fits) continue;
    if (dangling !== undefined) {
      const idle = kind === "custom" && networkMembers(root, record.id).length === 0;
      if (idle !== dangling) continue;
    }
    shown.push(record);
  }
  shown.sort((one, other) => (one.name < other.name ? -1 : 1));
  const idOf = ({ id }: NetworkRecord) => (flags.bool("no-trunc") ? id : id.slice(0, 12));
  const format = flags.string("format");
  const { stdout } = shell;
  if (flags.bool("quiet")) for (const record of shown) stdout.write(`${idOf(record)}\n`);
  else if (format === "" || format === "table") {
    stdout.write(
      alignSpaces([
        ["NETWORK ID", "NAME", "DRIVER", "SCOPE"],
        ...shown.map((each) => [idOf(each), each.name, each.driver, "local"]),
      ]),
    );
  } else {
    for (const record of shown) {
      const fields = listFields(record, idOf(record));
      stdout.write(`${format === "json" ? goJson(fields.toValue()) : executeTemplate(format, fields)}\n`);
    }
  }
  return 0;
}

function listFields({ name, driver, internal, labels, createdMs }: NetworkRecord, id: string): GoStruct {
  const fields: [string, string][] = [
    ["CreatedAt", new Date(createdMs).toISOString()],
    ["Driver", driver],
    ["ID", id],
    ["IPv4", "true"],
    ["IPv6", "false"],
    ["Internal", String(internal)],
    [
      "Labels",
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(","),
    ],
    ["Name", name],
    ["Scope", "local"],
  ];
  return new GoStruct(fields.map(([key, value]): GoField => [key, key, value]));
}

export async function runInspect({ args, flags, shell, root, debug }: Invocation): Promise<number> {
  await sweepNetworks(root, { keepIdle: true });
  const format = flags.string("format");
  const found: GoStruct[] = [];
  let exitCode = 0;
  for (const name of args) {
    try {
      found.push(details(root, findRecord(listNetworks(root), name)));
    } catch (error) {
      if (!isBuildError(error)) throw error;
      shell.stderr.write(renderError(error, { debug }));
      exitCode = 1;
    }
  }
  if (format === "" || format === "json")
    shell.stdout.write(`${format === "json" ? goJson(found.map((each) => each.toValue())) : prettyJson(found)}\n`);
  else for (const each of found) shell.stdout.write(`${executeTemplate(format, each)}\n`);
  return exitCode;
}

function details(root: string, record: NetworkRecord): GoStruct {
  const same = (pairs: readonly (readonly [string, unknown])[]) =>
    new GoStruct(pairs.map(([name, value]): GoField => [name, name, value]));
  const members = record.driver === "bridge" ? networkMembers(root, record.id) : [];
  const bits = record.subnet.slice(record.subnet.indexOf("/"));
  const containers = members.map(
    (each) =>
      [
        each.containerId,
        same([
          ["Name", each.containerName],
          ["EndpointID", createHash("sha256").update(`${each.containerId} ${record.id}`).digest("hex")],
          ["MacAddress", each.macAddress],
          ["IPv4Address", `${each.ipAddress}${bits}`],
          ["IPv6Address", ""],
        ]),
      ] as const,
  );
  const config =
    record.subnet === ""
      ? []
      : [
          new GoStruct([
            ["Subnet", "Subnet", record.subnet],
            ["IPRange", "IPRange", record.ipRange ?? "", true],
            ["Gateway", "Gateway", record.gateway],
          ]),
        ];
  return same([
    ["Name", record.name],
    ["Id", record.id],
    ["Created", new Date(record.createdMs).toISOString()],
    ["Scope", "local"],
    ["Driver", record.driver],
    ["EnableIPv4", true],
    ["EnableIPv6", false],
    [
      "IPAM",
      same([
        ["Driver", "default"],
        ["Options", new Map()],
        ["Config", config],
      ]),
    ],
    ["Internal", record.internal],
    ["Attachable", record.attachable],
    ["Ingress", false],
    ["ConfigFrom", same([["Network", ""]])],
    ["ConfigOnly", false],
    ["Containers", new Map(containers)],
    ["Options", new Map(Object.entries(record.options))],
    ["Labels", new Map(Object.entries(record.labels))],
  ]);
}

export async function runRemove({ args, flags, shell, root, debug }: Invocation): Promise<number> {
  await sweepNetworks(root, { keepIdle: true });
  let exitCode = 0;
  for (const name of args) {
    try {
      await removeNetwork(root, name);
      shell.stdout.write(`${name}\n`);
    } catch (error) {
      if (!isBuildError(error)) throw error;
      if (flags.bool("force") && error.code === "NETWORK_NOT_FOUND") continue;
      shell.stderr.write(renderError(error, { debug }));
      exitCode = 1;
    }
  }
  return exitCode;
}

export async function runPrune({ flags, shell, root }: Invocation): Promise<number> {
  const filters = new ResourceFilters(flags.list("filter"), ["until", "label", "label!"]);
  const untilMs = filters.untilMs(shell.now(), parseDuration);
  const warning =
    "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?";
  if (!flags.bool("force") && !(await confirmed(shell, warning))) return 0;
  await sweepNetworks(root, { thorough: true });
  const removed = await pruneNetworks(
    root,
    ({ labels, createdMs }) => filters.labels(labels) && (untilMs === undefined || createdMs <= untilMs),
  );
  if (removed.length > 0) shell.stdout.write(`Deleted Networks:\n${removed.map(({ name }) => `${name}\n`).join("")}\n`);
  return 0;
}
