// The daemon as a process: its configuration from file and flags, its sockets, its signals.
// Counterpart: moby/buildkit cmd/buildkitd/main.go.

import { readFileSync, statfsSync } from "node:fs";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { BuildError, errnoOf } from "../base/index.ts";
import { Daemon, parseDaemonConfig } from "../service/daemon/index.ts";
import type { DaemonConfig } from "../service/daemon/index.ts";
import { formatAddress, parseAddress } from "../system/rpc/index.ts";
import type { Address, TlsOptions } from "../system/rpc/index.ts";
import type { Invocation, Shell } from "./command.ts";
import { DEFAULT_ADDRESS } from "./daemon.ts";
import { UsageError } from "./flags.ts";

/** Where configuration is looked for when no flag names it. */
const CONFIG_FILES = ["/etc/slipway/slipwayd.toml", "/etc/buildkit/buildkitd.toml"];
const KNOWN_ENTITLEMENTS = ["network.host", "security.insecure"];
/** What systemd hands over starts here. */
const FIRST_FD = 3;

/** Resolves with the exit code once the daemon has ended. @throws what is wrong with its configuration, sockets and store. */
export async function serveDaemon(
  { flags, shell, root: rootGiven, debug }: Invocation,
  version: string,
): Promise<number> {
  const config = readConfig(flags.string("config"), shell);
  const log = (text: string) => void shell.stderr.write(`${new Date().toISOString()} ${text}\n`);
  for (const note of config.notes) log(note);
  const root = flags.has("root") || shell.env["SLIPWAY_ROOT"] ? rootGiven : (config.root ?? rootGiven);
  const given = flags.list("addr");
  const texts = given.length > 0 ? given : config.addresses.length > 0 ? config.addresses : [DEFAULT_ADDRESS];
  const addresses = texts.map(parseAddress).flatMap((address) => activated(address, shell));
  const tls = tlsOf(
    config,
    { ca: flags.string("tlscacert"), cert: flags.string("tlscert"), key: flags.string("tlskey") },
    shell,
  );
  for (const address of addresses)
    if (address.kind === "tcp") checkTcp(address, tls, { noTls: flags.bool("no-tls"), shell });
  const entitlements = [...config.entitlements, ...flags.list("allow-insecure-entitlement")];
  for (const each of entitlements) {
    if (!KNOWN_ENTITLEMENTS.includes(each))
      throw new UsageError(`unknown entitlement ${each}: there are ${KNOWN_ENTITLEMENTS.join(" and ")}`);
  }
  const snapshotter = snapshotterOf(flags.string("oci-worker-snapshotter")) ?? config.snapshotter;
  const parallelism = flags.number("oci-max-parallelism") || config.parallelism;
  const gid = groupId(flags.string("group")) ?? config.gid;
  if (debug || config.debug) log(`state in ${root}`);

  await using server = await Daemon.open({
    root,
    version: `v${version}`,
    entitlements,
    labels: { ...config.labels, ...labelsOf(flags.list("oci-worker-labels")) },
    registries: config.registries,
    dns: config.dns,
    history: config.history,
    gc: flags.has("oci-worker-gc") ? flags.string("oci-worker-gc") !== "false" : config.gc,
    policies: config.policies,
    frontends: config.frontends,
    standInBases: flags.bool("stand-in-bases"),
    ...(snapshotter === undefined ? {} : { snapshotter }),
    ...(parallelism === undefined ? {} : { parallelism }),
    log,
  });
  const stopped = Promise.withResolvers<void>();
  let signals = 0;
  using _signals = shell.onSignals(() => {
    if (++signals === 1) {
      log("draining: builds that run are let end, no new ones are taken");
      server.drain().then(stopped.resolve, stopped.reject);
    } else {
      log("ending: builds that run are cancelled");
      stopped.resolve();
    }
  });
  for (const address of addresses) {
    const options = { ...(address.kind === "tcp" ? { tls } : { mode: gid === undefined ? 0o600 : 0o660, gid }) };
    const listener = await server.listen(address, options);
    log(`listening on ${formatAddress(listener.address)}`);
  }
  await stopped.promise;
  return 0;
}

function readConfig(flag: string, shell: Shell): DaemonConfig {
  const file = flag === "" ? CONFIG_FILES.find((each) => existsSync(each)) : resolve(shell.cwd, flag);
  const { blocks, bsize } = statfsSync(file === undefined ? "/" : existsSync("/var/lib") ? "/var/lib" : dirname(file));
  if (file === undefined) return parseDaemonConfig("", "", blocks * bsize);
  try {
    return parseDaemonConfig(readFileSync(file, "utf8"), file, blocks * bsize);
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** The sockets that systemd hands over stand for fd://. */
function activated(address: Address, shell: Shell): Address[] {
  if (address.kind !== "fd") return [address];
  const { LISTEN_FDS: count, LISTEN_PID: pid } = shell.env;
  if (count === undefined) return [address];
  if (pid !== undefined && Number(pid) !== process.pid)
    throw new BuildError("the sockets of systemd are another process's", {
      code: "ADDRESS_INVALID",
      status: "FailedPrecondition",
      hint: "the unit needs PrivateMounts=yes and Environment=SLIPWAY_NAMESPACE=private: see docs/daemon.md",
    });
  return Array.from({ length: Number(count) }, (_, index) => ({ kind: "fd", fd: FIRST_FD + index }));
}

function tlsOf(
  { tls }: DaemonConfig,
  flags: { readonly ca: string; readonly cert: string; readonly key: string },
  shell: Shell,
): TlsOptions | undefined {
  const read = (flag: string, configured: string | undefined) => {
    const file = flag || configured;
    if (file === undefined || file === "") return undefined;
    try {
      return readFileSync(resolve(shell.cwd, file));
    } catch (error) {
      throw unreadable(file, error);
    }
  };
  const options = { ca: read(flags.ca, tls.ca), cert: read(flags.cert, tls.cert), key: read(flags.key, tls.key) };
  if (options.ca === undefined && options.cert === undefined && options.key === undefined) return undefined;
  if (options.cert === undefined || options.key === undefined)
    throw new UsageError("TLS needs both --tlscert and --tlskey");
  return options;
}

/** Whoever reaches the daemon can do as root does here: that is never open by mistake. */
function checkTcp(
  address: Address,
  tls: TlsOptions | undefined,
  { noTls, shell }: { readonly noTls: boolean; readonly shell: Shell },
): void {
  if (tls?.ca !== undefined) return;
  const twice = noTls && /^(yes|1|true)$/.test(shell.env["SLIPWAY_TCP_WITHOUT_TLS"] ?? "");
  if (twice) return;
  throw new BuildError(
    tls === undefined
      ? `${formatAddress(address)} without TLS would let anybody who reaches it build as this daemon's user`
      : `${formatAddress(address)} would take clients without certificates`,
    {
      code: "TLS_MISSING",
      status: "FailedPrecondition",
      hint:
        "make certificates with `slipway daemon init-tls`, and give --tlscacert, --tlscert and --tlskey; or say so twice: " +
        "--no-tls and SLIPWAY_TCP_WITHOUT_TLS=yes",
    },
  );
}

function snapshotterOf(name: string): "overlay" | "copy" | undefined {
  switch (name) {
    case "":
    case "auto":
      return undefined;
    case "overlayfs":
      return "overlay";
    case "native":
      return "copy";
    default:
      throw new UsageError(`unknown snapshotter ${name}: there are auto, overlayfs and native`);
  }
}

function labelsOf(list: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    list.map((each) => {
      const at = each.indexOf("=");
      if (at <= 0) throw new UsageError(`${each} is no label: NAME=VALUE`);
      return [each.slice(0, at), each.slice(at + 1)];
    }),
  );
}

function groupId(group: string): number | undefined {
  if (group === "") return undefined;
  if (/^\d+$/.test(group)) return Number(group);
  for (const line of readFileSync("/etc/group", "utf8").split("\n")) {
    const [name, , id] = line.split(":");
    if (name === group && id !== undefined) return Number(id);
  }
  throw new UsageError(`there is no group ${group}`);
}

function unreadable(file: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (code === undefined) return error;
  return new BuildError(`${file} can't be read: ${code}`, {
    code: "FILE_UNREADABLE",
    status: "NotFound",
    cause: error,
  });
}
