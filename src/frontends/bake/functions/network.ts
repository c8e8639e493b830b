// Functions of IP networks in CIDR notation. Counterpart: hashicorp/go-cty-funcs cidr, apparentlymart/go-cidr.

import { isIPv4, isIPv6 } from "node:net";
import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import { STRING, listOf } from "../values/types.ts";
import { asString, listValue, stringValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { define, defineVariadic, number, text, wholeNumber } from "./function.ts";

interface Network {
  /** Host bits are zero. */
  readonly address: bigint;
  readonly prefix: number;
  readonly bits: 32 | 128;
}

export const networkFunctions: Readonly<Record<string, HclFunction>> = {
  cidrhost: define([text("prefix"), number("hostnum")], STRING, (prefix, hostnum) => {
    const host = wholeNumber(hostnum);
    const network = parseNetwork(asString(prefix));
    const last = (1n << BigInt(network.bits - network.prefix)) - 1n;
    const magnitude = host < 0 ? BigInt(-host) - 1n : BigInt(host);
    if (magnitude > last) {
      throw new FunctionError(`prefix of ${network.prefix} does not accommodate a host numbered ${host}`);
    }
    return stringValue(addressText(network.address | (host < 0 ? last - magnitude : magnitude), network.bits));
  }),
  cidrnetmask: define([text("prefix")], STRING, (prefix) => {
    const { prefix: length, bits } = parseNetwork(asString(prefix));
    const mask = ((1n << BigInt(length)) - 1n) << BigInt(bits - length);
    return stringValue(addressText(mask, bits));
  }),
  cidrsubnet: define([text("prefix"), number("newbits"), number("netnum")], STRING, (prefix, newbits, netnum) => {
    const extension = wholeNumber(newbits);
    const number = wholeNumber(netnum);
    const network = parseNetwork(asString(prefix));
    if (extension > 32) throw new FunctionError("may not extend prefix by more than 32 bits");
    const length = network.prefix + extension;
    if (length > network.bits) {
      throw new FunctionError(`insufficient address space to extend prefix of ${network.prefix} by ${extension}`);
    }
    if (extension < 0 || number < 0 || BigInt(number) > (1n << BigInt(extension)) - 1n) {
      throw new FunctionError(`prefix extension of ${extension} does not accommodate a subnet numbered ${number}`);
    }
    const address = network.address | (BigInt(number) << BigInt(network.bits - length));
    return stringValue(networkText({ ...network, address, prefix: length }));
  }),
  cidrsubnets: defineVariadic([text("prefix")], number("newbits"), listOf(STRING), subnets),
};

function subnets([prefix, ...extensions]: readonly Value[]): Value {
  let network: Network;
  try {
    network = parseNetwork(asString(prefix!));
  } catch (error) {
    throw error instanceof FunctionError ? new FunctionError(error.message, 0) : error;
  }
  const end = network.address + (1n << BigInt(network.bits - network.prefix));
  let next = network.address;
  let last = network;
  const made = extensions.map((extension, at) => {
    const bits = wholeNumber(extension, at + 1);
    if (bits < 1) throw new FunctionError("must extend prefix by at least one bit", at + 1);
    if (bits > 32) throw new FunctionError("may not extend prefix by more than 32 bits", at + 1);
    const length = network.prefix + bits;
    if (length > network.bits) {
      const protocol = network.bits === 32 ? "IPv4" : "IPv6";
      throw new FunctionError(
        `would extend prefix to ${length} bits, which is too long for an ${protocol} address`,
        at + 1,
      );
    }
    const size = 1n << BigInt(network.bits - length);
    const address = ((next + size - 1n) / size) * size;
    if (address + size > end) {
      throw new FunctionError(
        `not enough remaining address space for a subnet with a prefix of ${length} bits after ${networkText(last)}`,
        at + 1,
      );
    }
    next = address + size;
    last = { ...network, address, prefix: length };
    return stringValue(networkText(last));
  });
  return listValue(made, STRING);
}

function parseNetwork(given: string): Network {
  const [address = "", length = ""] = given.split("/", 2);
  const bits = isIPv4(address) ? 32 : 128;
  const prefix = Number(length);
  const bad =
    !(isIPv4(address) || isIPv6(address)) || !/^\d{1,3}$/.test(length) || prefix > bits || /[.]0\d/.test(address);
  if (bad || address.includes("%")) throw new FunctionError(`invalid CIDR expression: invalid CIDR address: ${given}`);
  const host = BigInt(bits - prefix);
  return { address: (addressNumber(address) >> host) << host, prefix, bits };
}

function addressNumber(address: string): bigint {
  if (isIPv4(address)) return address.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  const [head = "", tail] = address.split("::", 2);
  const groups = (text: string) =>
    text === ""
      ? []
      : text.split(":").flatMap((group) => {
          if (!group.includes(".")) return [BigInt(`0x${group}`)];
          const v4 = addressNumber(group);
          return [v4 >> 16n, v4 & 0xffffn];
        });
  const [first, last] = [groups(head), tail === undefined ? [] : groups(tail)];
  const all =
    tail === undefined ? first : [...first, ...Array<bigint>(8 - first.length - last.length).fill(0n), ...last];
  return all.reduce((sum, group) => (sum << 16n) | group, 0n);
}

function networkText({ address, prefix, bits }: Network): string {
  return `${addressText(address, bits)}/${prefix}`;
}

/** Spec: RFC 5952 for IPv6: the longest run of zero groups, of two at least, is shortened. */
function addressText(address: bigint, bits: 32 | 128): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 0xffn).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => Number((address >> BigInt(112 - 16 * at)) & 0xffffn));
  let [best, bestLength] = [-1, 1];
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === 0) length++;
    if (length > bestLength) [best, bestLength] = [at, length];
  }
  const hex = groups.map((group) => group.toString(16));
  if (best < 0) return hex.join(":");
  return `${hex.slice(0, best).join(":")}::${hex.slice(best + bestLength).join(":")}`;
}
