// The networks of a state root as files: `ROOT/networks/<id>/config.json`. The three that docker always has are here too: `bridge` gets a
// record when it is first used, `host` and `none` have none on disk.
// Folders are 0755 and files 0644: a container's DNS helper reads them as nobody, through a descriptor it opened as root. Who may
// not enter the state root sees none of it.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";

export interface NetworkRecord {
  /** 64 hexadecimal digits; the bridge is named after the first twelve. */
  readonly id: string;
  readonly name: string;
  readonly driver: "bridge" | "host" | "null";
  /** `172.18.0.0/16`; empty for host and none. */
  readonly subnet: string;
  readonly gateway: string;
  /** Where addresses are given out from. Defaults to the subnet. */
  readonly ipRange?: string | undefined;
  /** The user chose the subnet: addresses may be asked for by number, and it is never moved. */
  readonly subnetGiven: boolean;
  /** No way out and no published ports. */
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdMs: number;
}

/** The network of containers that name none. */
export const DEFAULT_NETWORK = "bridge";
const NO_BRIDGE = {
  subnet: "",
  gateway: "",
  subnetGiven: false,
  internal: false,
  attachable: false,
  labels: {},
  options: {},
  createdMs: 0,
};
export const HOST_RECORD: NetworkRecord = { ...NO_BRIDGE, id: fixedId("host"), name: "host", driver: "host" };
export const NONE_RECORD: NetworkRecord = { ...NO_BRIDGE, id: fixedId("none"), name: "none", driver: "null" };

/** The id of one that needs no record. */
export function fixedId(name: string): string {
  return createHash("sha256").update(`slipway ${name}`).digest("hex");
}

export function networksDir(root: string): string {
  return join(root, "networks");
}

export function networkDir(root: string, id: string): string {
  return join(root, "networks", id);
}

/** Name of a network's bridge on this machine. */
export function bridgeName({ id }: { readonly id: string }): string {
  return `sw-${id.slice(0, 12)}`;
}

/** Those on disk, in the order they were made. */
export function readRecords(root: string): NetworkRecord[] {
  const records: NetworkRecord[] = [];
  for (const id of namesIn(networksDir(root))) {
    if (!/^[0-9a-f]{64}$/.test(id)) continue;
    const text = tryRead(join(networkDir(root, id), "config.json"));
    // A folder without it is of a create or remove that was cut short.
    if (text !== undefined) records.push(JSON.parse(text) as NetworkRecord);
  }
  return records.toSorted((one, two) => one.createdMs - two.createdMs || (one.id < two.id ? -1 : 1));
}

/** Writes a record, new or changed. */
export function writeRecord(root: string, record: NetworkRecord): void {
  const dir = networkDir(root, record.id);
  mkdirSync(join(dir, "members"), { recursive: true, mode: 0o755 });
  writeWhole(join(dir, "config.json"), `${JSON.stringify(record, undefined, 2)}\n`);
}

export function removeRecord(root: string, id: string): void {
  const dir = networkDir(root, id);
  rmSync(join(dir, "config.json"), { force: true });
  rmSync(dir, { recursive: true, force: true });
}

/** By whole name, whole id, or a beginning of an id that only one has. @throws NETWORK_NOT_FOUND, NETWORK_AMBIGUOUS in docker's words. */
export function findRecord(records: readonly NetworkRecord[], nameOrId: string): NetworkRecord {
  const exact = records.find(({ name }) => name === nameOrId) ?? records.find(({ id }) => id === nameOrId);
  if (exact !== undefined) return exact;
  const found = /^[0-9a-f]+$/.test(nameOrId) ? records.filter(({ id }) => id.startsWith(nameOrId)) : [];
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw new BuildError(`network ${nameOrId} is ambiguous (${found.length} matches found on ID prefix)`, {
      code: "NETWORK_AMBIGUOUS",
      status: "InvalidArgument",
    });
  throw new BuildError(`network ${nameOrId} not found`, {
    code: "NETWORK_NOT_FOUND",
    status: "NotFound",
    hint: "slipway network ls lists what there is; slipway network create makes one",
  });
}

/** Replaces a file at once, readable for all. */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o644 });
  renameSync(temporary, path);
}

/** Content of a text file, undefined where there is none. */
export function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Names in a folder, none where it is missing. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw error;
  }
}
