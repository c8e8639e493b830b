// Where a registry's name leads: its mirrors in order, then itself. Plain http only to this machine or where configured.
// Counterpart: moby/buildkit util/resolver/resolver.go.

import { isIPv4 } from "node:net";
import { certificatesFor } from "./certificates.ts";

/** How one registry, or mirror, is reached. */
export interface RegistrySettings {
  /** Tried first, in order, each as `host[:port][/path]`; the registry itself comes last. */
  readonly mirrors?: readonly string[];
  /** Plain http. Defaults to true for loopback addresses without certificates only. */
  readonly http?: boolean;
  /** Certificates are not checked; with `http` not set to false, http is tried after https. */
  readonly insecure?: boolean;
}

/** Settings by host as references have it: `docker.io`, `localhost:5000`. */
export type RegistriesSettings = Readonly<Record<string, RegistrySettings>>;

export interface Endpoint {
  readonly host: string;
  /** Ends in `/v2/`, or `/v2/path/` for a mirror with a path. */
  readonly base: URL;
  readonly verifyTls: boolean;
  /** The name that the reference has, where a mirror must be told it. */
  readonly namespace: string | undefined;
}

/** Endpoints of a registry in the order in which they are tried; at least one. */
export function endpointsOf(domain: string, settings: RegistriesSettings = {}): readonly Endpoint[] {
  const mirrors = (settings[domain]?.mirrors ?? []).flatMap((mirror) => {
    const text = mirror.replace(/^https?:\/\//, "");
    const slash = text.indexOf("/");
    const host = slash < 0 ? text : text.slice(0, slash);
    const path = slash < 0 ? "" : text.slice(slash + 1).replace(/^\/+|\/+$/g, "");
    const http = mirror.startsWith("http://") ? { http: true } : {};
    return variants(host, path, { ...settings[host], ...http }, host === domain ? undefined : domain);
  });
  const host = domain === "docker.io" ? "registry-1.docker.io" : domain;
  return [...mirrors, ...variants(host, "", settings[domain] ?? {}, undefined)];
}

/** Whether a host, with or without port, is this machine by its very name. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || (isIPv4(name) && name.startsWith("127."));
}

function variants(host: string, path: string, settings: RegistrySettings, namespace: string | undefined): Endpoint[] {
  const make = (scheme: string, verifyTls: boolean): Endpoint => ({
    host,
    base: new URL(`${scheme}://${host}/v2/${path === "" ? "" : `${path}/`}`),
    verifyTls,
    namespace,
  });
  if (settings.insecure) {
    return settings.http === false ? [make("https", false)] : [make("https", false), make("http", true)];
  }
  // Who has put certificates there for a host of this machine wants them used.
  const http = settings.http ?? (isLoopback(host) && certificatesFor(host) === undefined);
  return [make(http ? "http" : "https", true)];
}
