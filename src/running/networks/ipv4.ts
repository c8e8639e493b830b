// IPv4 addresses and subnets as numbers: parsing, printing, overlap, and the pools that new networks are cut from.
// Invariant: an address is an unsigned 32-bit number; a subnet's base has no host bits.
// Counterpart: moby/libnetwork ipamutils (the default pools).

/** An address range in prefix form. */
export interface Subnet {
  readonly base: number;
  /** 0 to 32. */
  readonly bits: number;
}

/** Dotted text as a number; undefined for anything that is not four decimal bytes. */
export function tryParseIpv4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

/** `10.1.2.3/16` as the address and its subnet; undefined when it is none. */
export function tryParseCidr(text: string): { address: number; subnet: Subnet } | undefined {
  const [left = "", right = "", ...rest] = text.split("/");
  const address = tryParseIpv4(left);
  if (address === undefined || rest.length > 0 || !/^\d{1,2}$/.test(right) || Number(right) > 32) return undefined;
  return { address, subnet: subnetOf(address, Number(right)) };
}

export function subnetOf(address: number, bits: number): Subnet {
  return { base: (address & mask(bits)) >>> 0, bits };
}

export function formatSubnet({ base, bits }: Subnet): string {
  return `${formatIpv4(base)}/${bits}`;
}

export function contains({ base, bits }: Subnet, address: number): boolean {
  return (address & mask(bits)) >>> 0 === base;
}

export function overlaps(one: Subnet, other: Subnet): boolean {
  const bits = Math.min(one.bits, other.bits);
  return (one.base & mask(bits)) === (other.base & mask(bits));
}

/** Last address of a subnet. */
export function lastOf({ base, bits }: Subnet): number {
  return (base | ~mask(bits)) >>> 0;
}

function mask(bits: number): number {
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}

/** What Docker cuts networks from by default: 172.17.0.0/16 to 172.31.0.0/16, then sixteen of 192.168.0.0/20. */
export function* defaultPools(): Generator<Subnet> {
  for (let second = 17; second <= 31; second++) yield { base: ((172 << 24) | (second << 16)) >>> 0, bits: 16 };
  for (let third = 0; third < 256; third += 16) {
    yield { base: ((192 << 24) | (168 << 16) | (third << 8)) >>> 0, bits: 20 };
  }
}

/** The first default pool that touches none of `taken`; undefined when all are used up. */
export function pickSubnet(taken: readonly Subnet[]): Subnet | undefined {
  for (const pool of defaultPools()) if (!taken.some((each) => overlaps(each, pool))) return pool;
  return undefined;
}

/**
 * Subnets that the calling process' network namespace has routes to, default routes left out.
 * @param text what /proc/net/route says
 */
export function parseRoutes(text: string): { subnet: Subnet; device: string }[] {
  const routes: { subnet: Subnet; device: string }[] = [];
  for (const line of text.split("\n").slice(1)) {
    const [device = "", destination = "", , , , , , maskText = ""] = line.split("\t").map((each) => each.trim());
    if (!/^[0-9A-F]{8}$/i.test(destination) || !/^[0-9A-F]{8}$/i.test(maskText)) continue;
    const bits = popCount(swapBytes(Number.parseInt(maskText, 16)));
    if (bits > 0) routes.push({ subnet: subnetOf(swapBytes(Number.parseInt(destination, 16)), bits), device });
  }
  return routes;
}

// The file has addresses as the machine stores them; both architectures we know are little-endian.
function swapBytes(value: number): number {
  return (((value & 255) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

function popCount(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}
