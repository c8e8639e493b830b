// `slipway daemon`: serves BuildKit's API until it is told to stop. Counterpart: moby/buildkit cmd/buildkitd.

import { packageVersion } from "../base/index.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { UsageError } from "./flags.ts";

export const DEFAULT_ADDRESS = "unix:///run/slipway/slipwayd.sock";

export const daemon: CommandDefinition = {
  name: "daemon",
  summary: "Serve builds to other programs: docker buildx, buildctl, slipway",
  description:
    "Speaks BuildKit's API. Builds that run when SIGTERM comes are let end; a second SIGTERM ends them.\n\n" +
    "Point a client at it: docker buildx create --driver remote --name slipway unix:///run/slipway/slipwayd.sock",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    {
      name: "addr",
      kind: "array",
      help: `Where to listen: unix://PATH, tcp://HOST:PORT, fd://N (default: ${DEFAULT_ADDRESS})`,
    },
    {
      name: "allow-insecure-entitlement",
      kind: "slice",
      help: "What builds may ask for: network.host, security.insecure",
    },
    {
      name: "stand-in-bases",
      kind: "bool",
      help: "Make busybox and debian from the distribution's packages where their registry can't be reached",
    },
    { name: "group", kind: "string", help: "Group (name or id) that may use the unix socket" },
  ],
  examples: [{ what: "Serve this machine's users in a group", line: "slipway daemon --group docker" }],
  mounts: true,
  run: runDaemon,
};

async function runDaemon({ flags, shell, root }: Invocation): Promise<number> {
  const { Daemon } = await import("../service/daemon/index.ts");
  const { parseAddress, formatAddress } = await import("../system/rpc/index.ts");
  const given = flags.list("addr");
  const addresses = (given.length > 0 ? given : [DEFAULT_ADDRESS]).map(parseAddress);
  for (const address of addresses) {
    if (address.kind === "tcp") throw new UsageError("tcp needs certificates");
  }
  const log = (text: string) => void shell.stderr.write(`${new Date().toISOString()} ${text}\n`);
  await using server = await Daemon.open({
    root,
    version: `v${packageVersion}`,
    entitlements: flags.list("allow-insecure-entitlement"),
    standInBases: flags.bool("stand-in-bases"),
    log,
  });
  const stopped = Promise.withResolvers<void>();
  let signals = 0;
  using _signals = shell.onSignals(() => {
    if (++signals === 1) {
      log("draining: builds that run are let end");
      server.drain().then(stopped.resolve, stopped.reject);
    } else stopped.resolve();
  });
  for (const address of addresses) {
    const listener = await server.listen(address, { mode: 0o660 });
    log(`listening on ${formatAddress(listener.address)}`);
  }
  await stopped.promise;
  return 0;
}
