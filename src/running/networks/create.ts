// Networks made, found, and removed by their users.
// Counterpart: moby/moby daemon/network.go, whose words the errors have.

import { randomBytes } from "node:crypto";
import { BuildError } from "../../base/index.ts";
import { dropBridge, freeSubnet } from "./bridges.ts";
import { contains, formatIpv4, formatSubnet, overlaps, tryParseCidr, tryParseIpv4 } from "./ipv4.ts";
import { isLive, type Member, readMembers } from "./members.ts";
import { withNetworksLocked } from "./network-lock.ts";
import {
  DEFAULT_NETWORK,
  findRecord,
  fixedId,
  HOST_RECORD,
  type NetworkRecord,
  NONE_RECORD,
  readRecords,
  removeRecord,
  writeRecord,
} from "./records.ts";

export interface NetworkCreateRequest {
  readonly name: string;
  /** Defaults to "bridge", the only one there is. */
  readonly driver?: string | undefined;
  readonly subnet?: string | undefined;
  readonly gateway?: string | undefined;
  readonly ipRange?: string | undefined;
  readonly internal?: boolean | undefined;
  readonly attachable?: boolean | undefined;
  readonly ipv6?: boolean | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly options?: Readonly<Record<string, string>> | undefined;
}

/** @throws NETWORK_EXISTS, NETWORK_INVALID, NETWORK_OVERLAP, NETWORK_POOL_EMPTY */
export function createNetwork(root: string, request: NetworkCreateRequest): Promise<NetworkRecord> {
  return withNetworksLocked(root, () => {
    const records = readRecords(root);
    check(request, records);
    return make(root, records, request);
  });
}

/** The network `bridge`, made when it is first asked for. Called with the networks locked. */
export function defaultNetwork(root: string): NetworkRecord {
  const records = readRecords(root);
  return records.find(({ name }) => name === DEFAULT_NETWORK) ?? make(root, records, { name: DEFAULT_NETWORK });
}

function check({ name, driver = "bridge", ipv6 }: NetworkCreateRequest, records: readonly NetworkRecord[]): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name))
    throw invalid(
      name.trim() === ""
        ? "network name cannot be empty"
        : `${name} includes invalid characters for a network name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    );
  if ([DEFAULT_NETWORK, HOST_RECORD.name, NONE_RECORD.name, "default", "container"].includes(name))
    throw new BuildError(`operation is not permitted on predefined ${name} network`, {
      code: "NETWORK_PREDEFINED",
      status: "PermissionDenied",
    });
  if (records.some((each) => each.name === name))
    throw new BuildError(`network with name ${name} already exists`, {
      code: "NETWORK_EXISTS",
      status: "AlreadyExists",
    });
  if (driver !== "bridge")
    throw new BuildError(`plugin ${JSON.stringify(driver)} not found`, {
      code: "NETWORK_INVALID",
      status: "NotFound",
      hint: "the only driver is bridge; overlay, macvlan and plugins are not yet supported",
    });
  if (ipv6 === true) throw invalid("IPv6 networks are not yet supported");
}

function make(root: string, records: readonly NetworkRecord[], request: NetworkCreateRequest): NetworkRecord {
  const record: NetworkRecord = {
    id: randomBytes(32).toString("hex"),
    name: request.name,
    driver: "bridge",
    ...addressing(request, records),
    internal: request.internal ?? false,
    attachable: request.attachable ?? false,
    labels: request.labels ?? {},
    options: request.options ?? {},
    createdMs: Date.now(),
  };
  writeRecord(root, record);
  return record;
}

function addressing(
  request: NetworkCreateRequest,
  records: readonly NetworkRecord[],
): Pick<NetworkRecord, "subnet" | "gateway" | "ipRange" | "subnetGiven"> {
  if (request.subnet === undefined || request.subnet === "") {
    if (request.gateway || request.ipRange) throw invalid("every ip-range or gateway must have a corresponding subnet");
    return { ...freeSubnet(records), subnetGiven: false };
  }
  if (request.subnet.includes(":")) throw invalid(`IPv6 networks are not yet supported: ${request.subnet}`);
  const subnet = tryParseCidr(request.subnet)?.subnet;
  if (subnet === undefined)
    throw invalid(`invalid network config:\ninvalid subnet ${request.subnet}: invalid CIDR block notation`);
  if (subnet.bits < 8 || subnet.bits > 30)
    throw invalid(`invalid subnet ${request.subnet}: its prefix must be between /8 and /30`);
  const other = records.find((each) => {
    const theirs = tryParseCidr(each.subnet)?.subnet;
    return theirs !== undefined && overlaps(theirs, subnet);
  });
  if (other !== undefined)
    throw new BuildError("Pool overlaps with other one on this address space", {
      code: "NETWORK_OVERLAP",
      status: "PermissionDenied",
      hint: `network ${other.name} has ${other.subnet}`,
    });
  const gateway = request.gateway ? tryParseIpv4(request.gateway) : subnet.base + 1;
  if (gateway === undefined) throw invalid(`invalid gateway address: ${request.gateway}`);
  if (!contains(subnet, gateway)) throw invalid(`no matching subnet for gateway ${request.gateway}`);
  const range = request.ipRange ? tryParseCidr(request.ipRange)?.subnet : undefined;
  if (request.ipRange && range === undefined)
    throw invalid(`invalid ip-range ${request.ipRange}: invalid CIDR address: ${request.ipRange}`);
  if (range !== undefined && (range.bits < subnet.bits || !contains(subnet, range.base)))
    throw invalid(`no matching subnet for range ${request.ipRange}`);
  return {
    subnet: formatSubnet(subnet),
    gateway: formatIpv4(gateway),
    ...(range === undefined ? {} : { ipRange: formatSubnet(range) }),
    subnetGiven: true,
  };
}

/** All networks: docker's three, then those that users made. */
export function listNetworks(root: string): NetworkRecord[] {
  const records = readRecords(root);
  const fallback: NetworkRecord = {
    ...NONE_RECORD,
    id: fixedId(DEFAULT_NETWORK),
    name: DEFAULT_NETWORK,
    driver: "bridge",
  };
  const bridge = records.find(({ name }) => name === DEFAULT_NETWORK) ?? fallback;
  return [bridge, HOST_RECORD, NONE_RECORD, ...records.filter((each) => each !== bridge)];
}

/**
 * Removes a network and its bridge; resolves with its name.
 * @throws NETWORK_NOT_FOUND, NETWORK_PREDEFINED, NETWORK_IN_USE
 */
export function removeNetwork(root: string, nameOrId: string): Promise<NetworkRecord> {
  return withNetworksLocked(root, async () => {
    const record = findRecord(listNetworks(root), nameOrId);
    if ([DEFAULT_NETWORK, "host", "none"].includes(record.name))
      throw new BuildError(`${record.name} is a pre-defined network and cannot be removed`, {
        code: "NETWORK_PREDEFINED",
        status: "PermissionDenied",
      });
    const users = liveMembers(root, record.id);
    if (users.length > 0)
      throw new BuildError(
        `error while removing network: network ${record.name} id ${record.id} has active endpoints`,
        {
          code: "NETWORK_IN_USE",
          status: "FailedPrecondition",
          hint: `containers on it: ${users.map(({ names }) => names[0]).join(", ")}`,
        },
      );
    await dropBridge(root, record);
    removeRecord(root, record.id);
    return record;
  });
}

/** Removes all that nobody lives on and that `wanted` accepts; docker's three stay. */
export function pruneNetworks(root: string, wanted: (network: NetworkRecord) => boolean): Promise<NetworkRecord[]> {
  return withNetworksLocked(root, async () => {
    const removed: NetworkRecord[] = [];
    for (const record of readRecords(root)) {
      if (record.name === DEFAULT_NETWORK || !wanted(record) || liveMembers(root, record.id).length > 0) continue;
      await dropBridge(root, record);
      removeRecord(root, record.id);
      removed.push(record);
    }
    return removed;
  });
}

/** Members whose supervisor lives. */
export function liveMembers(root: string, networkId: string): Member[] {
  return readMembers(root, networkId).filter(({ containerId }) => isLive(root, containerId));
}

function invalid(message: string): BuildError {
  return new BuildError(message, { code: "NETWORK_INVALID", status: "InvalidArgument" });
}
