// Addresses of a network's members: the lowest free one of the range, or the one asked for. Derived hardware addresses, as docker's are.

import { BuildError } from "../../base/index.ts";
import { contains, formatIpv4, lastOf, tryParseCidr, tryParseIpv4 } from "./ipv4.ts";
import type { NetworkRecord } from "./records.ts";

/**
 * An address for a new member.
 * @param taken of the members that live
 * @param wanted a fixed address
 * @throws ADDRESS_INVALID, ADDRESS_IN_USE, ADDRESS_NONE_LEFT in docker's words.
 */
export function allocateAddress(network: NetworkRecord, taken: ReadonlySet<string>, wanted?: string): string {
  const { subnet } = tryParseCidr(network.subnet)!;
  if (wanted !== undefined && wanted !== "") {
    if (!network.subnetGiven)
      throw invalid(
        `${endpointSettings(network)}user specified IP address is supported only when connecting to networks with user configured subnets`,
        "slipway network create --subnet 10.90.0.0/24 NAME",
      );
    const address = tryParseIpv4(wanted);
    if (address === undefined) throw invalid(`invalid IPv4 address: ${wanted}`);
    if (!contains(subnet, address))
      throw invalid(`${endpointSettings(network)}no configured subnet or ip-range contain the IP address ${wanted}`);
    const last = lastOf(subnet);
    if (
      wanted === network.gateway ||
      taken.has(wanted) ||
      (subnet.bits < 31 && (address === subnet.base || address === last))
    )
      throw new BuildError("Address already in use", {
        code: "ADDRESS_IN_USE",
        status: "AlreadyExists",
        hint: `${wanted} on network ${network.name}`,
      });
    return wanted;
  }
  const range = network.ipRange === undefined ? subnet : tryParseCidr(network.ipRange)!.subnet;
  const end = lastOf(range);
  for (let address = range.base; address <= end; address++) {
    if (subnet.bits < 31 && (address === subnet.base || address === lastOf(subnet))) continue;
    const text = formatIpv4(address);
    if (text !== network.gateway && !taken.has(text)) return text;
  }
  throw new BuildError(`no available IPv4 addresses on this network's address pools: ${network.name} (${network.id})`, {
    code: "ADDRESS_NONE_LEFT",
    status: "ResourceExhausted",
    hint: "stop containers of this network, or make one with a larger --subnet",
  });
}

function endpointSettings({ name }: NetworkRecord): string {
  return `invalid config for network ${name}: invalid endpoint settings:\n`;
}

/** A locally administered hardware address made of an address. */
export function macOf(ipv4: string): string {
  return ["02", "42", ...ipv4.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
}

function invalid(message: string, hint?: string): BuildError {
  return new BuildError(message, {
    code: "ADDRESS_INVALID",
    status: "InvalidArgument",
    ...(hint === undefined ? {} : { hint }),
  });
}
