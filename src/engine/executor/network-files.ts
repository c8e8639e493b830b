// resolv.conf and hosts as a step sees them. Counterpart: moby/buildkit executor/oci/{resolvconf,hosts}.go.

import { readFileSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";

const SYSTEMD_STUB = "127.0.0.53";
const SYSTEMD_REAL = "/run/systemd/resolve/resolv.conf";
/** Used when nothing else is left, as Docker and BuildKit do. */
const FALLBACK_SERVERS = ["8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"];

/** What is configured; an empty list leaves the host's. */
export interface DnsSettings {
  readonly nameservers: readonly string[];
  readonly options: readonly string[];
  readonly searchDomains: readonly string[];
}

/**
 * Text of a step's resolv.conf. On the host's network it is the host's; with a network of its own, servers on the host's loopback
 * can't be reached and are left out.
 */
export function resolvConf(options: {
  readonly hostNetwork: boolean;
  /** Instead of the host's. */
  readonly dns?: DnsSettings | undefined;
  readonly read?: (path: string) => string;
}): string {
  const read = options.read ?? readOrEmpty;
  if (options.dns !== undefined) return configured(options.dns, read("/etc/resolv.conf"));
  let text = read("/etc/resolv.conf");
  if (options.hostNetwork) return text === "" ? serverLines(FALLBACK_SERVERS) : text;
  const servers = serversOf(text);
  if (servers.length === 1 && servers[0] === SYSTEMD_STUB) text = read(SYSTEMD_REAL) || text;
  const lines = text.split("\n").filter((line) => !isLoopback(serverOf(line)));
  const kept = lines.join("\n");
  return serversOf(kept).length > 0
    ? kept
    : `${kept.replace(/\n*$/, kept === "" ? "" : "\n")}${serverLines(FALLBACK_SERVERS)}`;
}

/** Text of a step's hosts file. */
export function hostsFile(
  hostname: string,
  extraHosts: readonly { readonly host: string; readonly ip: string }[],
): string {
  const lines = [`127.0.0.1\tlocalhost ${hostname}`, "::1\tlocalhost ip6-localhost ip6-loopback"];
  return [...lines, ...extraHosts.map(({ host, ip }) => `${ip}\t${host}`), ""].join("\n");
}

function configured({ nameservers, options, searchDomains }: DnsSettings, host: string): string {
  const servers = nameservers.length > 0 ? nameservers : serversOf(host);
  const lines = (name: string) => host.split("\n").filter((line) => line.startsWith(`${name} `));
  const search = searchDomains.length > 0 ? [`search ${searchDomains.join(" ")}`] : lines("search");
  const wanted = options.length > 0 ? [`options ${options.join(" ")}`] : lines("options");
  return [
    ...search,
    ...(servers.length > 0 ? servers : FALLBACK_SERVERS).map((each) => `nameserver ${each}`),
    ...wanted,
    "",
  ].join("\n");
}

function serversOf(text: string): string[] {
  return text
    .split("\n")
    .map(serverOf)
    .filter((server) => server !== undefined);
}

function serverOf(line: string): string | undefined {
  const match = /^\s*nameserver\s+(\S+)/.exec(line);
  return match?.[1];
}

function isLoopback(server: string | undefined): boolean {
  if (server === undefined) return false;
  return (isIPv4(server) && server.startsWith("127.")) || (isIPv6(server) && server === "::1");
}

function serverLines(servers: readonly string[]): string {
  return servers.map((server) => `nameserver ${server}\n`).join("");
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
