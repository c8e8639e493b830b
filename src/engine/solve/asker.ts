// Who work is done for, where only registries need to know: lookups and layers are fetched far below the build that wants them, and
// once however many do. The build's client travels with the work as its asynchronous context.
// Counterpart: moby/buildkit util/resolver (a resolver for each session group).

import { AsyncLocalStorage } from "node:async_hooks";
import { isBuildError } from "../../base/index.ts";
import type { Credential, Credentials, Token, TokenRequest } from "../../distribution/index.ts";
import type { SessionPort } from "../ports/index.ts";

const asker = new AsyncLocalStorage<SessionPort>();

/** Runs work for a session: its credentials are used for registries. */
export function askedBy<T>(session: SessionPort, work: () => Promise<T>): Promise<T> {
  return asker.run(session, work);
}

/** Credentials of whoever asks; those of this machine's user where the session has none of its own to give. */
export class AskerCredentials implements Credentials {
  readonly #own: Credentials;

  constructor(own: Credentials) {
    this.#own = own;
  }

  /** Tokens of one client are not used for another. */
  partition(): string {
    const session = asker.getStore();
    return session?.credentials === undefined ? "" : session.id;
  }

  async lookup(host: string, signal?: AbortSignal): Promise<Credential | undefined> {
    const session = asker.getStore();
    if (session?.credentials === undefined) return this.#own.lookup(host, signal);
    try {
      const found = await session.credentials.credentials(sessionHost(host), signal);
      if (found === undefined) return undefined;
      return found.username === ""
        ? { kind: "identity", token: found.secret }
        : { kind: "basic", username: found.username, password: found.secret };
    } catch (error) {
      // The client that began this is gone; others may wait for it, and what is public needs no credentials.
      if (isBuildError(error) && error.code === "SESSION_GONE") return undefined;
      throw error;
    }
  }

  async token(request: TokenRequest, signal?: AbortSignal): Promise<Token | undefined> {
    const { credentials } = asker.getStore() ?? {};
    return credentials?.token?.({ ...request, host: sessionHost(request.host) }, signal);
  }
}

/** Clients know Docker Hub by the name of its registry. */
function sessionHost(host: string): string {
  return host === "docker.io" ? "registry-1.docker.io" : host;
}
