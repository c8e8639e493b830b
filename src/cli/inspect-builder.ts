// What `slipway inspect` says of a builder. Counterpart: docker/buildx commands/inspect.go.

import { formatPlatform, hostPlatform } from "../formats/oci/index.ts";
import { BuilderConfigs } from "../service/builder-store/index.ts";
import { bootstrapBuilder, nodeStatuses } from "./builder-status.ts";
import type { GcPolicy, NodeStatus } from "./builder-status.ts";
import type { Invocation, Shell } from "./command.ts";

/** Whether a name is that of a builder. */
export function isBuilder(name: string, shell: Shell): boolean {
  return name === "embedded" || new BuilderConfigs(shell.env).tryGet(name) !== undefined;
}

/** Resolves with the exit code. @throws BUILDER_NOT_FOUND; with --bootstrap BUILDER_UNREACHABLE. */
export async function inspectBuilder({ flags, shell, root }: Invocation, name: string): Promise<number> {
  const config = new BuilderConfigs(shell.env).selected(name);
  if (config === undefined) {
    const rows = [
      ["Name:", "embedded"],
      ["Driver:", "embedded"],
      ["", ""],
      ["Nodes:", ""],
      ["Name:", "embedded"],
      ["Endpoint:", root],
      ["Status:", "running"],
      ["Platforms:", formatPlatform(hostPlatform())],
    ];
    shell.stdout.write(aligned(rows));
    return 0;
  }
  const statuses = flags.bool("bootstrap") ? await bootstrapBuilder(config, shell) : await nodeStatuses(config, shell);
  const rows: string[][] = [
    ["Name:", config.name],
    ["Driver:", config.driver],
    ["", ""],
    ["Nodes:", ""],
  ];
  for (const [index, status] of statuses.entries()) {
    if (index > 0) rows.push(["", ""]);
    rows.push(...nodeRows(status));
  }
  shell.stdout.write(aligned(rows));
  return 0;
}

/** As Go's tabwriter: a line without a value ends the block that is aligned. */
function aligned(rows: readonly (readonly string[])[]): string {
  const lines: string[] = [];
  let block: (readonly string[])[] = [];
  const flush = () => {
    const width = Math.max(0, ...block.map(([key = ""]) => key.length)) + 1;
    for (const [key = "", value = ""] of block) lines.push(`${key.padEnd(width)}${value}`);
    block = [];
  };
  for (const row of rows) {
    if (row[1] !== "") block.push(row);
    else {
      flush();
      lines.push(row[0] ?? "");
    }
  }
  flush();
  return `${lines.join("\n")}\n`;
}

function nodeRows(status: NodeStatus): string[][] {
  const { node } = status;
  const rows: string[][] = [
    ["Name:", node.name],
    ["Endpoint:", status.location],
  ];
  const options = Object.entries(node.driverOpts).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  if (options.length > 0) rows.push(["Driver Options:", options.join(" ")]);
  rows.push(["Status:", status.state]);
  if (status.error !== undefined) return [...rows, ["Error:", status.error]];
  if (status.version !== "") rows.push(["BuildKit version:", status.version]);
  if (status.platforms.length > 0) rows.push(["Platforms:", status.platforms.join(", ")]);
  const labels = Object.entries(status.labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (labels.length > 0) rows.push(["Labels:", ""], ...labels.map(([key, value]) => [` ${key}:`, value]));
  for (const [index, policy] of status.gcPolicies.entries())
    rows.push([`GC Policy rule#${index}:`, ""], ...gcRows(policy));
  return rows;
}

function gcRows(policy: GcPolicy): string[][] {
  const rows: string[][] = [[" All:", String(policy.all)]];
  if (policy.filters.length > 0) rows.push([" Filters:", policy.filters.join(" ")]);
  if (policy.keepDurationMs > 0) rows.push([" Keep Duration:", goDuration(policy.keepDurationMs)]);
  if (policy.reservedBytes > 0) rows.push([" Reserved Space:", binarySize(policy.reservedBytes)]);
  if (policy.maxUsedBytes > 0) rows.push([" Max Used Space:", binarySize(policy.maxUsedBytes)]);
  if (policy.minFreeBytes > 0) rows.push([" Min Free Space:", binarySize(policy.minFreeBytes)]);
  return rows;
}

/** As Go prints a duration of whole seconds. */
function goDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${seconds % 60}s`;
}

/** Four digits and a power of 1024, as docker's units.BytesSize. */
function binarySize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let [value, index] = [bytes, 0];
  for (; value >= 1024 && index < units.length - 1; index++) value /= 1024;
  return `${Number(value.toPrecision(4))}${units[index]}`;
}
