// `slipway daemon`: serves BuildKit's API until it is told to stop. Counterpart: moby/buildkit cmd/buildkitd.

import { packageVersion } from "../base/index.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { UsageError } from "./flags.ts";

export const DEFAULT_ADDRESS = "unix:///run/slipway/slipwayd.sock";

export const daemon: CommandDefinition = {
  name: "daemon",
  summary: "Serve builds to other programs: docker buildx, buildctl, slipway",
  description:
    "Speaks BuildKit's API. SIGTERM lets builds that run end and takes no new ones; a second one ends them.\n\n" +
    "`slipway daemon init-tls [DIR]` makes the certificates for mutual TLS instead.",
  usage: "[OPTIONS] [init-tls [DIR]]",
  args: { min: 0, max: 2 },
  flags: [
    {
      name: "addr",
      kind: "array",
      help: `Where to listen: unix://PATH, tcp://HOST:PORT, fd:// for a socket of systemd (default: ${DEFAULT_ADDRESS})`,
    },
    {
      name: "allow-insecure-entitlement",
      kind: "slice",
      help: "What builds may ask for: network.host, security.insecure",
    },
    { name: "client", kind: "string", default: "client", help: "init-tls: whom the client's certificate is for" },
    { name: "config", kind: "string", help: "Configuration file, a buildkitd.toml" },
    { name: "days", kind: "int", default: "3650", help: "init-tls: how long certificates count" },
    { name: "group", kind: "string", help: "Group (name or id) that may use the unix socket" },
    { name: "host", kind: "array", help: "init-tls: a name or address that the daemon is reached by" },
    {
      name: "no-tls",
      kind: "bool",
      help: "Listen on tcp without TLS, with SLIPWAY_TCP_WITHOUT_TLS=yes in the environment",
    },
    {
      name: "oci-max-parallelism",
      kind: "int",
      help: "Most steps that run at once, of all builds (default: the number of cores)",
    },
    { name: "oci-worker", kind: "string", bareValue: "true", hidden: true, help: "For buildkitd's command lines" },
    { name: "oci-worker-gc", kind: "string", bareValue: "true", help: "Collect garbage after builds (default true)" },
    { name: "oci-worker-labels", kind: "slice", help: "Labels of the worker, NAME=VALUE" },
    { name: "oci-worker-snapshotter", kind: "string", help: "auto, overlayfs or native" },
    {
      name: "stand-in-bases",
      kind: "bool",
      help: "Make busybox and debian from the distribution's packages where their registry can't be reached",
    },
    { name: "tlscacert", kind: "string", help: "Authority whose certificates clients must have" },
    { name: "tlscert", kind: "string", help: "The daemon's certificate" },
    { name: "tlskey", kind: "string", help: "Its key" },
  ],
  examples: [
    { what: "Serve this machine's users in a group", line: "slipway daemon --group docker" },
    {
      what: "Serve other machines, with certificates made here",
      line: "slipway daemon init-tls --host builder.example.com /etc/slipway/tls",
    },
    {
      what: "Let docker buildx build here",
      line: "docker buildx create --name slipway --driver remote unix:///run/slipway/slipwayd.sock",
    },
  ],
  mounts: true,
  run: runDaemon,
};

async function runDaemon(invocation: Invocation): Promise<number> {
  const [word] = invocation.args;
  if (word === undefined) return (await import("./daemon-serve.ts")).serveDaemon(invocation, packageVersion);
  if (word !== "init-tls") throw new UsageError(`unknown argument ${word}`);
  return (await import("./daemon-tls.ts")).initTlsFiles(invocation);
}
