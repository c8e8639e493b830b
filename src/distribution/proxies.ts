// Which proxy a URL is asked through, by the environment: HTTP_PROXY, HTTPS_PROXY (else HTTP_PROXY) and NO_PROXY, the lower-case names first. As Go
// does it, this machine is never asked through one. NO_PROXY names hosts with their subdomains, `*.domain` for these alone, addresses,
// networks (`10.0.0.0/8`), each with a port where one is meant, and `*` for all. Counterpart: golang.org/x/net http/httpproxy.

import { BuildError } from "../base/index.ts";
import { isLoopback } from "./endpoints.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy's URL, perhaps with a password in it; undefined where there is none to ask. @throws PROXY_INVALID. */
export function proxyFor(url: URL, env: Environment = process.env): string | undefined {
  if (isLoopback(url.host)) return undefined;
  const name = variable(env, url.protocol === "https:" ? ["https_proxy", "HTTPS_PROXY"] : []);
  const used = name ?? variable(env, ["http_proxy", "HTTP_PROXY"]);
  if (used === undefined || isExempt(url, env["no_proxy"] ?? env["NO_PROXY"] ?? "")) return undefined;
  const written = env[used]!.trim();
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(written) ? written : `http://${written}`;
  const proxy = URL.canParse(full) ? new URL(full) : undefined;
  if (proxy?.protocol === "http:" || proxy?.protocol === "https:") return proxy.href;
  // Its value may hold a password.
  throw new BuildError(`the proxy in ${used} can't be used: ${proxy === undefined ? "no URL" : proxy.protocol}`, {
    code: "PROXY_INVALID",
    status: "FailedPrecondition",
    hint: "proxies are http://HOST:PORT or https://HOST:PORT",
  });
}

/** The first of two spellings that is set at all, unless it is set to nothing. */
function variable(env: Environment, names: readonly string[]): string | undefined {
  const name = names.find((each) => env[each] !== undefined);
  return name === undefined || env[name]!.trim() === "" ? undefined : name;
}

function isExempt(url: URL, list: string): boolean {
  const host = bare(url.hostname);
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  return list
    .split(/[,\s]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      // One colon only: an address of IPv6 has its port after brackets.
      const [, name = entry, wanted] = /^(\[.+\]|[^:]+):(\d+)$/.exec(entry) ?? [];
      if (wanted !== undefined && wanted !== port) return false;
      if (name === "*") return true;
      if (name.includes("/")) return isWithin(host, name);
      const domain = bare(name.replace(/^\*?\./, ""));
      return host.endsWith(`.${domain}`) || (host === domain && !name.startsWith("*"));
    });
}

function bare(name: string): string {
  return name
    .replace(/^\[(.+)\]$/, "$1")
    .replace(/(.)\.$/, "$1")
    .toLowerCase();
}

function isWithin(host: string, network: string): boolean {
  const { BlockList, isIP } = process.getBuiltinModule("node:net");
  const [address = "", bits = ""] = network.split("/");
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const block = new BlockList();
  block.addSubnet(address, Number(bits), type);
  return block.check(host, type);
}
