// The plan of a container's network. Bridges are not yet made: a container on a network has its loopback alone, and is told so.

import type { NetworkAsker, NetworkPlan, NetworkRequest } from "./types.ts";
import { readFileSync } from "node:fs";

/** What the start of a container has to do for its network; see {@link NetworkPlan}. Call `release` whatever comes of it. */
export function planNetwork(request: NetworkRequest, asker: NetworkAsker): Promise<NetworkPlan> {
  const { mode } = request;
  const warnings: string[] = [];
  const netns: NetworkPlan["netns"] =
    mode.kind === "host"
      ? { kind: "host" }
      : mode.kind === "container" && asker.target !== undefined
        ? { kind: "join", path: `/proc/${asker.target.pid}/ns/net` }
        : { kind: "new" };
  if (mode.kind === "networks" && mode.endpoints.length > 0) warnings.push("networks are not yet made: loopback only");
  return Promise.resolve({
    netns,
    hostUp: [],
    insideUp: [],
    hostDown: [],
    helpers: [],
    members: [],
    hosts: `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t${asker.hostname}\n`,
    resolvConf: mode.kind === "host" ? readFileSync("/etc/resolv.conf", "utf8") : "",
    sharedDir: asker.target?.dir,
    endpoints: [],
    ports: [],
    warnings,
    release: () => {},
  });
}
