// Packet rules of networks and published ports, as text for `iptables-restore --noflush` or `nft -f`. Each network and each container has chains
// (with nft: a table) of its own, named after it, so that taking them away is exact; a comment with the state root's mark tells whose
// they are. Rules for published ports leave alone what comes from our own bridges: that goes through the proxy, which also serves
// 127.0.0.1, so that no martian routing and no hairpin is needed.
// Counterpart: moby/libnetwork drivers/bridge setup_ip_tables.go; spec: iptables-extensions(8), nft(8).

import type { NetworkRecord } from "./records.ts";
import { bridgeName } from "./records.ts";

export const FILTERS = ["iptables", "nft", "none"] as const;
/** What rules are made with; "none" where neither works. */
export type Filter = (typeof FILTERS)[number];

/** One published port for the rules. */
export interface ForwardedPort {
  readonly protocol: "tcp" | "udp";
  /** Empty or 0.0.0.0: any of the host's. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly address: string;
  readonly containerPort: number;
}

/** Any bridge of ours, of whatever state root. */
const OUR_BRIDGES = "sw-";

/** The program that takes rules from a file. */
export function applyCommand(filter: Exclude<Filter, "none">, file: string): string[] {
  return filter === "iptables" ? ["iptables-restore", "-w", "--noflush", file] : ["nft", "-f", file];
}

export function networkChain({ id }: { readonly id: string }): string {
  return `SW-${id.slice(0, 12)}`;
}

export function portChain(containerId: string): string {
  return `SWP-${containerId.slice(0, 12)}`;
}

/** Rules of a network: its way out, and what may come in. `mark` is the state root's. */
export function networkRules(filter: Exclude<Filter, "none">, network: NetworkRecord, mark: string): string {
  const bridge = bridgeName(network);
  const chain = networkChain(network);
  const { subnet, internal } = network;
  if (filter === "nft") {
    const forward = [
      `iifname "${bridge}" oifname "${bridge}" accept`,
      ...(internal
        ? []
        : [`oifname "${bridge}" ct state related,established accept`, `oifname "${bridge}" ct status dnat accept`]),
      `oifname "${bridge}" drop`,
      `iifname "${bridge}" oifname "${OUR_BRIDGES}*" drop`,
      ...(internal ? [`iifname "${bridge}" drop`] : [`iifname "${bridge}" accept`]),
    ];
    const post = internal ? [] : [`ip saddr ${subnet} oifname != "${bridge}" masquerade`];
    return nftTable(chain, mark, {
      forward: ["type filter hook forward priority 0", forward],
      postrouting: ["type nat hook postrouting priority 100", post],
    });
  }
  const forward = [
    `-i ${bridge} -o ${bridge} -j ACCEPT`,
    ...(internal
      ? []
      : [
          `-o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
          `-o ${bridge} -m conntrack --ctstate DNAT -j ACCEPT`,
        ]),
    `-o ${bridge} -j DROP`,
    `-i ${bridge} -o ${OUR_BRIDGES}+ -j DROP`,
    `-i ${bridge} -j ${internal ? "DROP" : "ACCEPT"}`,
  ];
  return [
    "*filter",
    `:${chain} - [0:0]`,
    ...forward.map((rule) => `-A ${chain} ${rule}`),
    `-I FORWARD 1 ${comment(mark)} -j ${chain}`,
    "COMMIT",
    ...(internal
      ? []
      : [
          "*nat",
          `:${chain} - [0:0]`,
          `-A ${chain} -s ${subnet} ! -o ${bridge} -j MASQUERADE`,
          `-A POSTROUTING ${comment(mark)} -j ${chain}`,
          "COMMIT",
        ]),
    "",
  ].join("\n");
}

/** Succeeds while the rules of a network are in their place. */
export function rulesCheck(filter: Exclude<Filter, "none">, network: NetworkRecord, mark: string): string[] {
  const chain = networkChain(network);
  if (filter === "nft") return ["nft", "list", "table", "ip", chain];
  return ["iptables", "-w", "-C", "FORWARD", "-m", "comment", "--comment", `slipway:${mark}`, "-j", chain];
}

/** Rules that lead ports of the host into a container, with the sender's address kept. Empty when no port needs any. */
export function portRules(
  filter: Exclude<Filter, "none">,
  containerId: string,
  ports: readonly ForwardedPort[],
  mark: string,
): string {
  const chain = portChain(containerId);
  // What is published on loopback alone is never reached from outside, and IPv6 goes through the proxy.
  const outside = ports.filter(({ hostIp }) => !hostIp.includes(":") && !hostIp.startsWith("127."));
  if (outside.length === 0) return "";
  const any = (ip: string) => ip === "" || ip === "0.0.0.0";
  if (filter === "nft") {
    const rules = outside.map(
      ({ protocol, hostIp, hostPort, address, containerPort }) =>
        `iifname != "${OUR_BRIDGES}*" ${any(hostIp) ? "fib daddr type local" : `ip daddr ${hostIp}`} ${protocol} dport ${hostPort} dnat to ${address}:${containerPort}`,
    );
    return nftTable(chain, mark, { prerouting: ["type nat hook prerouting priority -100", rules] });
  }
  return [
    "*nat",
    `:${chain} - [0:0]`,
    ...outside.map(
      ({ protocol, hostIp, hostPort, address, containerPort }) =>
        `-A ${chain}${any(hostIp) ? "" : ` -d ${hostIp}/32`} -p ${protocol} --dport ${hostPort} -j DNAT --to-destination ${address}:${containerPort}`,
    ),
    `-A PREROUTING ! -i ${OUR_BRIDGES}+ -m addrtype --dst-type LOCAL ${comment(mark)} -j ${chain}`,
    "COMMIT",
    "",
  ].join("\n");
}

/** Takes away what {@link portRules} made. */
export function portRemoval(filter: Exclude<Filter, "none">, containerId: string, mark: string): string {
  const chain = portChain(containerId);
  if (filter === "nft") return `delete table ip ${chain}\n`;
  return [
    "*nat",
    `-D PREROUTING ! -i ${OUR_BRIDGES}+ -m addrtype --dst-type LOCAL ${comment(mark)} -j ${chain}`,
    `-F ${chain}`,
    `-X ${chain}`,
    "COMMIT",
    "",
  ].join("\n");
}

/** In a container's own namespace: what it sends to its DNS server's usual port goes to `port`, so that the usual one is the container's to bind. */
export function dnsRules(filter: Exclude<Filter, "none">, address: string, port: number): string {
  if (filter === "nft") {
    const rules = ["udp", "tcp"].map(
      (protocol) => `\t\tip daddr ${address} ${protocol} dport 53 dnat to ${address}:${port}\n`,
    );
    return `table ip slipway {\n\tchain output {\n\t\ttype nat hook output priority -100; policy accept;\n${rules.join("")}\t}\n}\n`;
  }
  const rules = ["udp", "tcp"].map(
    (protocol) => `-A OUTPUT -d ${address}/32 -p ${protocol} --dport 53 -j DNAT --to-destination ${address}:${port}`,
  );
  return ["*nat", ...rules, "COMMIT", ""].join("\n");
}

/**
 * What of `saved` (as `iptables-save` prints) leads to our chains and has the mark, and is not `kept`: text that removes it, chains too, and empty
 * when nothing is left over. Chains of our names that nothing leads to any more go with it, whosever they were.
 */
export function leftoverRemoval(saved: string, mark: string, kept: ReadonlySet<string>): string {
  const hasMark = (line: string) => line.includes(`"slipway:${mark}"`) || line.includes(` slipway:${mark} `);
  return removal(saved, (chain, jumps) => !kept.has(chain) && jumps.every(hasMark));
}

/** Text that removes one chain from all tables of `saved`, and every rule that leads to it. */
export function chainRemoval(saved: string, name: string): string {
  return removal(saved, (chain) => chain === name);
}

function removal(saved: string, isWanted: (chain: string, jumps: readonly string[]) => boolean): string {
  return saved
    .split(/^(?=\*)/m)
    .map((table) => {
      const lines = table.split("\n");
      const chains = lines.flatMap((line) => /^:(SWP?-[0-9a-f]{12}) /.exec(line)?.[1] ?? []);
      const out = chains.flatMap((chain) => {
        const jumps = lines.filter((line) => line.startsWith("-A ") && line.endsWith(` -j ${chain}`));
        return isWanted(chain, jumps)
          ? [...jumps.map((line) => `-D ${line.slice(3)}`), `-F ${chain}`, `-X ${chain}`]
          : [];
      });
      return out.length === 0 ? "" : [lines[0]!, ...out, "COMMIT", ""].join("\n");
    })
    .join("");
}

/** The same of what `nft list tables` prints and each table's comment tells: commands for `nft -f`. */
export function leftoverTables(
  listed: readonly { readonly name: string; readonly mark: string }[],
  mark: string,
  kept: ReadonlySet<string>,
): string {
  return listed
    .filter((each) => /^SWP?-[0-9a-f]{12}$/.test(each.name) && each.mark === mark && !kept.has(each.name))
    .map(({ name }) => `delete table ip ${name}\n`)
    .join("");
}

function comment(mark: string): string {
  return `-m comment --comment "slipway:${mark}"`;
}

function nftTable(
  name: string,
  mark: string,
  chains: Readonly<Record<string, readonly [string, readonly string[]]>>,
): string {
  const body = Object.entries(chains)
    .filter(([, [, rules]]) => rules.length > 0)
    .map(
      ([chain, [type, rules]]) =>
        `\tchain ${chain} {\n\t\t${type}; policy accept;\n${rules.map((rule) => `\t\t${rule}\n`).join("")}\t}\n`,
    );
  // An empty chain of this name tells whose table it is: comments of tables need newer kernels.
  return `table ip ${name} {\n\tchain slipway-${mark} {\n\t}\n${body.join("")}}\n`;
}
