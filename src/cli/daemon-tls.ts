// `slipway daemon init-tls`: certificates for a daemon and a client, and what to do with them.

import { join, resolve } from "node:path";
import { initTls } from "../service/daemon/index.ts";
import type { Invocation } from "./command.ts";

// oxlint-disable-next-line typescript/require-await -- verbs are asynchronous
export async function initTlsFiles({ args, flags, shell }: Invocation): Promise<number> {
  const dir = args[1] === undefined ? join(shell.cwd, "slipway-tls") : resolve(shell.cwd, args[1]);
  const hosts = flags.list("host");
  const days = flags.number("days") ?? 3650;
  const files = initTls({ dir, hosts, client: flags.string("client"), days });
  const made = files.made.length === 0 ? "all files were there already" : files.made.join("\n");
  const host = hosts[0] ?? "HOST";
  shell.stdout.write(
    `${made}\n\n` +
      `On the daemon's machine:\n` +
      `  slipway daemon --addr tcp://0.0.0.0:1234 --tlscacert ${files.ca} --tlscert ${files.serverCert} --tlskey ${files.serverKey}\n\n` +
      `On the client's, with ca.pem and the client's pair copied there:\n` +
      `  docker buildx create --name slipway --driver remote --driver-opt cacert=${files.ca},cert=${files.clientCert},key=${files.clientKey} tcp://${host}:1234\n\n` +
      `Whoever has a client's key builds as the daemon does. ca-key.pem makes more of them: keep it where nobody reads it.\n`,
  );
  return 0;
}
