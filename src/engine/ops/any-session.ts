// The sessions of all builds that want a step, as one: a secret, an agent or an upload comes from the first that has it, and a client that
// leaves in the middle is passed over. Counterpart: moby/buildkit session/group.go, Manager.Any.

import { isAbort, isBuildError } from "../../base/index.ts";
import type { OpContext } from "../../graph/solver/index.ts";
import type { LocalFolderRequest, SessionPort } from "../ports/index.ts";
import type { VertexSys } from "./load.ts";

/** `own` is the session of the vertex that the op was made from; it counts where no build is known any more. */
export function anySession(own: SessionPort, context: OpContext): SessionPort {
  const sessions = (): readonly SessionPort[] => {
    const wanted = context.wanted().map(({ sys }) => (sys as VertexSys).context.session);
    return wanted.length === 0 ? [own] : [...new Set(wanted)];
  };
  const first = async <T>(ask: (session: SessionPort) => Promise<T | undefined>): Promise<T | undefined> => {
    let failure: unknown;
    for (const session of sessions()) {
      try {
        const answer = await ask(session);
        if (answer !== undefined) return answer;
      } catch (error) {
        if (!isLost(error) || context.signal.aborted) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  };
  return {
    id: own.id,
    localDir: (name, request: LocalFolderRequest) => first((session) => session.localDir(name, request)),
    ociStore: (id, sessionId) =>
      sessions()
        .map((each) => each.ociStore(id, sessionId))
        .find((each) => each !== undefined),
    secret: (id, signal) => first((session) => session.secret(id, signal)),
    secretIsInput: (id) => sessions().some((each) => each.secretIsInput?.(id) === true),
    sshAgent: (id) => first((session) => session.sshAgent(id)),
    upload: (id) =>
      sessions()
        .map((each) => each.upload?.(id))
        .find((each) => each !== undefined),
    output: () => undefined,
    credentials: own.credentials,
  };
}

function isLost(error: unknown): boolean {
  if (isBuildError(error)) return error.code === "SESSION_GONE" || error.status === "Unavailable";
  const { status } = (error ?? {}) as { status?: unknown };
  return isAbort(error) || status === "Unavailable" || status === "Canceled";
}
