// Offers a session to a builder and serves it until disposed. Counterpart: moby/buildkit session/session.go, grpchijack/dial.go.

import type { SessionPort } from "../../engine/index.ts";
import { tunnelOver } from "../../system/rpc/index.ts";
import { sessionMetadata, sessionServer } from "../session/index.ts";
import type { ServeSessionOptions } from "../session/index.ts";
import type { BuildkitConnection } from "./connection.ts";

const SESSION = "/moby.buildkit.v1.Control/Session";

export interface OpenedSession extends AsyncDisposable {
  readonly id: string;
  /** Resolves when the builder has let go of it. */
  readonly closed: Promise<void>;
  /** Resolves when the outputs that came are where they belong. @throws the first that failed. */
  readonly outputs: () => Promise<void>;
}

export interface OpenSessionOptions extends ServeSessionOptions {
  /** By which the builder finds it: another one for each build. */
  readonly id: string;
  /** Sessions with the same key likely have the same folders. */
  readonly sharedKey: string;
}

/** The session is there for builds at once, and until the caller disposes it. */
export function openSession(
  { channel }: BuildkitConnection,
  session: SessionPort,
  options: OpenSessionOptions,
): OpenedSession {
  const { server, outputs } = sessionServer(session, options);
  const call = channel.call(SESSION, { metadata: sessionMetadata(server, options) });
  const tunnel = tunnelOver(call, { onFinish: () => call.end(), onClose: () => call.cancel() });
  // A builder that goes away breaks the tunnel; the build's own calls tell of it.
  tunnel.on("error", () => undefined);
  const closed = server.serve(tunnel);
  return {
    id: options.id,
    closed,
    outputs,
    async [Symbol.asyncDispose]() {
      await server.close();
      tunnel.destroy();
      await closed;
    },
  };
}
