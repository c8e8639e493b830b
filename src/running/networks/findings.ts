// What this machine's networks can do for containers, tried out in a network namespace that is gone afterwards: nothing of the machine's own is
// touched. For `slipway doctor`.

import { tryCommand } from "./commands.ts";
import { applyCommand, networkRules, portRules } from "./netfilter.ts";
import { tryRead } from "./records.ts";
import { bridgeName, type NetworkRecord } from "./records.ts";

/** In the doctor's form. */
export interface NetworkFinding {
  readonly area: string;
  readonly state: "good" | "slow";
  readonly text: string;
  readonly cost?: string;
  readonly remedy?: string;
}

const SAMPLE: NetworkRecord = {
  id: "d0c70d0c70d0".padEnd(64, "0"),
  name: "sample",
  driver: "bridge",
  subnet: "10.255.255.0/24",
  gateway: "10.255.255.1",
  subnetGiven: true,
  internal: false,
  attachable: false,
  labels: {},
  options: {},
  createdMs: 0,
};
const MARK = "d0c70d0c70d0d0c7";

/** Whether containers can have networks, and how published ports and the way out are done. */
export async function networkFindings(): Promise<NetworkFinding[]> {
  const bridge = bridgeName(SAMPLE);
  const links = await aside(
    "ip -batch -",
    [
      `link add name ${bridge} type bridge`,
      "link add name swv-doctor type veth peer name swv-doctor2",
      `link set dev swv-doctor master ${bridge}`,
      "",
    ].join("\n"),
  );
  if (!links.ok) {
    const isMissing = /not found|not installed/.test(links.stderr);
    return [
      {
        area: "bridges",
        state: "slow",
        text: isMissing ? "no ip program" : firstLine(links.stderr),
        cost: "containers have the networks host, none and other containers' alone; no names, no ports of their own",
        remedy: isMissing ? "apt-get install -y iproute2" : "run as root, on a kernel with bridge and veth",
      },
    ];
  }
  return [{ area: "bridges", state: "good", text: "work" }, await netfilter(), forwarding()];
}

async function netfilter(): Promise<NetworkFinding> {
  const reasons: string[] = [];
  const port = { protocol: "tcp", hostIp: "", hostPort: 1, address: "10.255.255.2", containerPort: 1 } as const;
  for (const filter of ["iptables", "nft"] as const) {
    const rules = networkRules(filter, SAMPLE, MARK) + portRules(filter, SAMPLE.id, [port], MARK);
    const { ok, stderr } = await aside(applyCommand(filter, "/dev/stdin").join(" "), rules);
    if (ok)
      return {
        area: "netfilter",
        state: "good",
        text: `${filter}: published ports keep the client's address, containers reach the outside`,
      };
    reasons.push(`${filter}: ${firstLine(stderr)}`);
  }
  return {
    area: "netfilter",
    state: "slow",
    text: reasons.join("; "),
    cost: "published ports go through a proxy and show its address as the client's; containers reach nothing outside of this machine but through --network host; networks are not fenced off from each other",
    remedy: "apt-get install -y iptables, and load the kernel's nf_tables or ip_tables",
  };
}

function forwarding(): NetworkFinding {
  const isOn = tryRead("/proc/sys/net/ipv4/ip_forward")?.trim() === "1";
  return {
    area: "forwarding",
    state: "good",
    text: isOn
      ? "IPv4 forwarding is on"
      : "IPv4 forwarding is off; the first bridge network switches it on, and it stays on",
  };
}

/** Runs a command line in a network namespace of its own. */
function aside(line: string, stdin: string): Promise<{ ok: boolean; stderr: string }> {
  return tryCommand(["unshare", "-n", "sh", "-c", line], stdin);
}

function firstLine(text: string): string {
  return text.split("\n")[0]!.trim();
}
