// All sessions of a daemon, by id. Builds may ask for one that is still on its way: they wait.
// Counterpart: moby/buildkit session/manager.go.

import { BuildError } from "../../base/index.ts";
import type { ServerCall } from "../../system/rpc/index.ts";
import { SessionConnection } from "./remote-connection.ts";

/** How long a build waits for the session that it names. */
const ARRIVAL_MS = 10_000;
/** What a peer may hold open without naming a build. */
const MAX_SESSIONS = 10_000;

export class RemoteSessions {
  readonly #sessions = new Map<string, SessionConnection>();
  readonly #waiting = new Map<string, Set<() => void>>();

  get size(): number {
    return this.#sessions.size;
  }

  /** Serves a call of Control.Session until the client leaves. @throws RpcError INVALID_ARGUMENT; SESSION_EXISTS. */
  async accept(call: ServerCall): Promise<void> {
    const connection = SessionConnection.over(call);
    const { id } = connection;
    if (this.#sessions.has(id) || this.#sessions.size >= MAX_SESSIONS) {
      await connection.close();
      throw new BuildError(`session ${id} is there already`, { code: "SESSION_EXISTS", status: "AlreadyExists" });
    }
    this.#sessions.set(id, connection);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    for (const wake of waiting ?? []) wake();
    try {
      await Promise.race([connection.channel.closed, connection.watch()]);
    } finally {
      this.#sessions.delete(id);
      await connection.close();
    }
  }

  find(id: string): SessionConnection | undefined {
    return this.#sessions.get(id);
  }

  /** The session, once it is there. @throws SESSION_UNKNOWN when it does not come; `signal.reason`. */
  async get(id: string, signal?: AbortSignal): Promise<SessionConnection> {
    const found = this.#sessions.get(id);
    if (found !== undefined) return found;
    const deadline = AbortSignal.timeout(ARRIVAL_MS);
    const stop = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, waiting);
      const wake = () => {
        waiting.delete(wake);
        if (waiting.size === 0 && this.#waiting.get(id) === waiting) this.#waiting.delete(id);
        stop.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      stop.addEventListener("abort", wake, { once: true });
      if (stop.aborted) wake();
    });
    signal?.throwIfAborted();
    const come = this.#sessions.get(id);
    if (come !== undefined) return come;
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
