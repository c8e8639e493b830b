// /etc/hosts and /etc/resolv.conf of a container. With an embedded DNS server the container asks 127.0.0.11 alone, and what stood there
// before goes to that server as its upstreams.
// Counterpart: moby/libnetwork etchosts, resolvconf; docker/cli opts/hosts.go.

import { isIP } from "node:net";
import { BuildError } from "../../base/index.ts";

/** Where the embedded server listens, in the container's own namespace. */
export const DNS_ADDRESS = "127.0.0.11";

export interface HostEntry {
  readonly host: string;
  readonly ip: string;
}

/** `name:ip`, `name=ip`, `name:[ip6]`; `host-gateway` is put as `gateway`. @throws HOST_INVALID in docker's words. */
export function parseExtraHost(text: string, gateway: string): HostEntry {
  const at = text.search(/[:=]/);
  const host = at < 0 ? "" : text.slice(0, at);
  let ip = at < 0 ? "" : text.slice(at + 1);
  if (host === "" || /\s/.test(host)) throw invalid(`bad format for add-host: ${JSON.stringify(text)}`);
  if (ip === "host-gateway") ip = gateway;
  else if (ip.startsWith("[") && ip.endsWith("]")) ip = ip.slice(1, -1);
  if (isIP(ip) === 0) throw invalid(`invalid IP address in add-host: ${JSON.stringify(ip)}`);
  return { host, ip };
}

function invalid(message: string): BuildError {
  return new BuildError(message, {
    code: "HOST_INVALID",
    status: "InvalidArgument",
    hint: "write --add-host NAME:ADDRESS, or NAME:host-gateway for this machine",
  });
}

export interface HostsOptions {
  readonly extraHosts: readonly HostEntry[];
  /** The container's own addresses. */
  readonly addresses: readonly string[];
  readonly hostname: string;
  readonly domainname?: string | undefined;
}

/** Text of the hosts file of a container with a network namespace of its own. */
export function hostsText({ extraHosts, addresses, hostname, domainname = "" }: HostsOptions): string {
  const names = domainname === "" ? hostname : `${hostname}.${domainname} ${hostname}`;
  return [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "ff00::\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
    ...extraHosts.map(({ host, ip }) => `${ip}\t${host}`),
    ...addresses.map((ip) => `${ip}\t${names}`),
    "",
  ].join("\n");
}

/** The host's own hosts file with `extraHosts` below. */
export function hostHostsText(hostText: string, extraHosts: readonly HostEntry[]): string {
  if (extraHosts.length === 0) return hostText;
  const lines = extraHosts.map(({ host, ip }) => `${ip}\t${host}\n`).join("");
  return `${hostText}${hostText === "" || hostText.endsWith("\n") ? "" : "\n"}${lines}`;
}

export interface ResolvSettings {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** What a resolv.conf says; the last `search` or `domain` counts, `options` add up. */
export function parseResolvConf(text: string): ResolvSettings {
  const servers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split("\n")) {
    const [word, ...rest] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    if (word === "nameserver" && rest[0] !== undefined && isIP(rest[0].replace(/%.*$/, "")) !== 0)
      servers.push(rest[0]);
    else if (word === "search" || word === "domain") search = rest;
    else if (word === "options") options.push(...rest);
  }
  return { servers, search, options };
}

/** Text of a resolv.conf. */
export function resolvConfText({ servers, search, options }: ResolvSettings): string {
  const lines = servers.map((server) => `nameserver ${server}\n`);
  // A search of "." alone means none.
  if (search.length > 0 && !(search.length === 1 && search[0] === ".")) lines.push(`search ${search.join(" ")}\n`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}\n`);
  return lines.join("");
}

/**
 * resolv.conf of a container and where its names are asked: with `embedded` the container asks our server, which asks `upstreams`
 * (undefined: whatever the host's file names at that time).
 * @throws HOST_INVALID for a server that is no address.
 */
export function resolvFiles(
  wanted: Partial<ResolvSettings>,
  hostText: string,
  embedded: boolean,
): { text: string; upstreams: readonly string[] | undefined } {
  for (const server of wanted.servers ?? []) {
    if (isIP(server) === 0)
      throw new BuildError(`IP address is not correctly formatted: ${server}`, {
        code: "HOST_INVALID",
        status: "InvalidArgument",
      });
  }
  const host = parseResolvConf(hostText);
  const pick = (name: "servers" | "search" | "options") =>
    (wanted[name]?.length ?? 0) > 0 ? wanted[name]! : host[name];
  const upstreams = (wanted.servers?.length ?? 0) > 0 ? wanted.servers! : undefined;
  if (!embedded)
    return {
      text: resolvConfText({ servers: pick("servers"), search: pick("search"), options: pick("options") }),
      upstreams,
    };
  const options = pick("options");
  return {
    text: resolvConfText({
      servers: [DNS_ADDRESS],
      search: pick("search"),
      options: options.some((each) => each.startsWith("ndots:")) ? options : [...options, "ndots:0"],
    }),
    upstreams,
  };
}
