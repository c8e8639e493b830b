// The sessions of one bake: a target's own files, secrets and outputs, and those of the targets that it takes as contexts, whose steps
// run as part of its build.

import type { LocalFolderHandle, LocalFolderRequest, OciStore, OutputTarget, SessionPort } from "../engine/index.ts";
import type { LocalSession } from "../service/session/index.ts";

export class BakeSession implements SessionPort {
  readonly #own: LocalSession;
  readonly #find: (target: string) => BakeSession | undefined;
  readonly #links: readonly string[];

  /** `links` are the targets that this one needs; `find` gives their sessions once all are open. */
  constructor(own: LocalSession, find: (target: string) => BakeSession | undefined, links: readonly string[]) {
    this.#own = own;
    this.#find = find;
    this.#links = links;
  }

  get id(): string {
    return this.#own.id;
  }

  localDir(name: string, { sessionId = this.id }: LocalFolderRequest = {}): Promise<LocalFolderHandle | undefined> {
    return this.#session(sessionId)?.localDir(name) ?? Promise.resolve(undefined);
  }

  ociStore(id: string, sessionId = this.id): OciStore | undefined {
    return this.#session(sessionId)?.ociStore(id);
  }

  async secret(id: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    for (const session of this.#reached()) {
      const bytes = await session.secret(id, signal);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }

  secretIsInput(id: string): boolean {
    return [...this.#reached()].some((session) => session.secretIsInput(id));
  }

  async sshAgent(id: string): Promise<string | undefined> {
    for (const session of this.#reached()) {
      const socket = await session.sshAgent(id);
      if (socket !== undefined) return socket;
    }
    return undefined;
  }

  upload(id: string): AsyncIterable<Uint8Array> | undefined {
    for (const session of this.#reached()) {
      const bytes = session.upload(id);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }

  output(index: number): OutputTarget | undefined {
    return this.#own.output(index);
  }

  #session(sessionId: string): LocalSession | undefined {
    return [...this.#reached()].find(({ id }) => id === sessionId);
  }

  /** Its own first, then those that it needs, each once. */
  #reached(into = new Set<LocalSession>()): Set<LocalSession> {
    if (into.has(this.#own)) return into;
    into.add(this.#own);
    for (const session of this.#links.map(this.#find)) if (session !== undefined) session.#reached(into);
    return into;
  }
}
