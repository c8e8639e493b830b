// `slipway dial-stdio`: standard input and output become a connection to the daemon; what ssh runs on a builder's machine.
// Counterpart: moby/buildkit cmd/buildctl/dialstdio.go, docker/cli system dial-stdio.

import { connect } from "node:net";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { BuildError, messageOf } from "../base/index.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { DEFAULT_ADDRESS } from "./daemon.ts";

export const dialStdio: CommandDefinition = {
  name: "dial-stdio",
  summary: "Connect standard input and output to a daemon",
  description: "What clients run over ssh to reach a daemon on another machine.",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    {
      name: "addr",
      kind: "string",
      default: DEFAULT_ADDRESS,
      help: "The daemon's address; BUILDKIT_HOST where the flag is not given",
    },
  ],
  examples: [
    { what: "See whether a daemon answers on another machine", line: "ssh builder slipway dial-stdio </dev/null" },
  ],
  run: runDialStdio,
};

async function runDialStdio({ flags, shell }: Invocation): Promise<number> {
  const { parseAddress } = await import("../system/rpc/index.ts");
  const text = flags.has("addr") ? flags.string("addr") : shell.env["BUILDKIT_HOST"] || DEFAULT_ADDRESS;
  const address = parseAddress(text);
  if (address.kind === "fd")
    throw new BuildError(`${text} can't be dialled`, { code: "ADDRESS_INVALID", status: "InvalidArgument" });
  const socket =
    address.kind === "unix"
      ? connect({ path: address.path, allowHalfOpen: true })
      : connect({ ...address, allowHalfOpen: true });
  try {
    await once(socket, "connect");
  } catch (error) {
    throw new BuildError(`no daemon answers at ${text}: ${messageOf(error)}`, {
      code: "DAEMON_UNREACHABLE",
      status: "Unavailable",
      hint: "start one there: slipway daemon",
    });
  }
  const incoming = pipeline(socket, shell.stdout, { end: false });
  const outgoing = pipeline(shell.stdin, socket).catch(() => undefined);
  await incoming.catch(() => undefined);
  socket.destroy();
  await outgoing;
  return 0;
}
