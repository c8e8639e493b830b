// All sessions of a daemon, by id. Builds may ask for one that is still on its way: they wait.
// Counterpart: moby/buildkit session/manager.go.

import { Arrivals, BuildError } from "../../base/index.ts";
import type { ServerCall } from "../../system/rpc/index.ts";
import { SessionConnection } from "./remote-connection.ts";

/** How long a build waits for the session that it names. */
const ARRIVAL_MS = 10_000;
/** What a peer may hold open without naming a build. */
const MAX_SESSIONS = 10_000;

export class RemoteSessions {
  readonly #sessions = new Arrivals<SessionConnection>();

  get size(): number {
    return this.#sessions.size;
  }

  /** Serves a call of Control.Session until the client leaves. @throws RpcError INVALID_ARGUMENT; SESSION_EXISTS. */
  async accept(call: ServerCall): Promise<void> {
    const connection = SessionConnection.over(call);
    const { id } = connection;
    if (this.#sessions.find(id) !== undefined || this.#sessions.size >= MAX_SESSIONS) {
      await connection.close();
      throw new BuildError(`session ${id} is there already`, { code: "SESSION_EXISTS", status: "AlreadyExists" });
    }
    this.#sessions.add(id, connection);
    try {
      await Promise.race([connection.channel.closed, connection.watch()]);
    } finally {
      this.#sessions.delete(id);
      await connection.close();
    }
  }

  find(id: string): SessionConnection | undefined {
    return this.#sessions.find(id);
  }

  /** The session, once it is there. @throws SESSION_UNKNOWN when it does not come; `signal.reason`. */
  async get(id: string, signal?: AbortSignal): Promise<SessionConnection> {
    const session = await this.#sessions.get(id, ARRIVAL_MS, signal);
    if (session !== undefined) return session;
    throw new BuildError(`no active session for ${id}`, {
      code: "SESSION_UNKNOWN",
      status: "NotFound",
      hint: "the client that asked for this build has to keep its session open until the build ends",
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
  }
}
