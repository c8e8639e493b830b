// An SSH agent of the client's as a socket here: each connection is a call of its own. Counterpart: moby/buildkit session/sshforward.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { sshforward } from "../../formats/proto/index.ts";
import { Metadata, RpcError, StatusCode, tunnelOver } from "../../system/rpc/index.ts";
import type { SessionConnection } from "./remote-connection.ts";

const ID_HEADER = "buildkit.ssh.id";

/** Dispose to end it with all connections. */
export class RemoteAgent implements AsyncDisposable {
  readonly socket: string;
  readonly #close: () => Promise<void>;

  private constructor(socket: string, close: () => Promise<void>) {
    this.socket = socket;
    this.#close = close;
  }

  /** Undefined where the client forwards no agent under `id`. @param dir an existing folder of our own. */
  static async open(connection: SessionConnection, id: string, dir: string): Promise<RemoteAgent | undefined> {
    if (!connection.supports("/moby.sshforward.v1.SSH/CheckAgent")) return undefined;
    try {
      await connection.client(sshforward.SSH).checkAgent({ ID: id }, { signal: connection.signal });
    } catch (error) {
      if (error instanceof RpcError && error.code !== StatusCode.UNAVAILABLE && error.code !== StatusCode.CANCELLED)
        return undefined;
      throw error;
    }
    const folder = mkdtempSync(join(dir, "agent-"));
    const socket = join(folder, "s");
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
      sockets.add(client);
      client.on("close", () => sockets.delete(client));
      forward(connection, id, client);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socket, () => resolve());
    });
    return new RemoteAgent(socket, async () => {
      for (const each of sockets) each.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(folder, { recursive: true, force: true });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function forward(connection: SessionConnection, id: string, client: Socket): void {
  try {
    const call = connection.channel.call("/moby.sshforward.v1.SSH/ForwardAgent", {
      metadata: new Metadata({ [ID_HEADER]: id }),
    });
    const tunnel = tunnelOver(call, {
      onFinish: () => call.end(),
      onClose: (error) => {
        if (error !== null) call.cancel();
      },
    });
    // Either end may leave at any time; the step sees its connection close.
    pipeline(client, tunnel, client, () => {
      client.destroy();
      tunnel.destroy();
      call.cancel();
    });
  } catch {
    client.destroy();
  }
}
