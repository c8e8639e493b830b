// What the engine asks of whoever wanted the build: files, secrets, agents, places for output. Embedded, these are folders and
// files of this machine; for a remote client the same port is served over its session. Counterpart: moby/buildkit session/.

import type { ImageLoader } from "./image-loader.ts";

/** Where an exporter's output goes: a folder, a file (written beside and renamed), a stream, or an engine's image store. */
export type OutputTarget =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "stream"; readonly stream: NodeJS.WritableStream }
  | { readonly kind: "loader"; readonly loader: ImageLoader };

export interface SessionPort {
  /** Enters the digests of local sources: a new one for each build. */
  readonly id: string;
  /**
   * Folder of the local source `name` ("context", "dockerfile", a named context); undefined when there is none. `sessionId` is the
   * session that the source says it is of, when it says so: another one of the same client's, where builds use each other's.
   */
  localDir(name: string, sessionId?: string): string | undefined;
  /** A secret's bytes, or undefined when the client has none of that id. */
  secret(id: string, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Whether the steps that use a secret are to run again when it changes. Defaults to no: secrets enter no cache key. */
  secretIsInput?(id: string): boolean;
  /** Path of an SSH agent's socket, or undefined when none is forwarded under `id` ("default" when empty). */
  sshAgent(id: string): Promise<string | undefined>;
  /** A file that the client sends for `http://buildkit-session/ID`: a context from its standard input. Each call reads it from the start. */
  upload?(id: string): AsyncIterable<Uint8Array> | undefined;
  /** Where the exporter at `index` of the request writes; undefined for exporters without output of their own. */
  output(index: number): OutputTarget | undefined;
}
