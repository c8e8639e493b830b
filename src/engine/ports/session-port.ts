// What the engine asks of whoever wanted the build: files, secrets, agents, places for output. Embedded, these are folders and
// files of this machine; for a remote client the same port is served over its session. Counterpart: moby/buildkit session/.

import type { Digest } from "../../base/index.ts";
import type { Token, TokenRequest } from "../../distribution/index.ts";
import type { ImageLoader } from "./image-loader.ts";

/** Where an exporter's output goes: a folder, a file (written beside and renamed), a stream, or an engine's image store. */
export type OutputTarget =
  | {
      readonly kind: "directory";
      readonly path: string;
      /** Called once all is written: where the folder goes on to somewhere else. */
      readonly finish?: (signal: AbortSignal) => Promise<void>;
    }
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "stream";
      readonly stream: NodeJS.WritableStream;
      /** Called once all is written. Absent: the stream is left open. */
      readonly finish?: () => Promise<void>;
    }
  | { readonly kind: "loader"; readonly loader: ImageLoader };

/** What a local source wants of a folder; a client that sends folders sends only that. */
export interface LocalFolderRequest {
  /** The session that the source says it is of, when it says so: another one of the same client's, where builds use each other's. */
  readonly sessionId?: string | undefined;
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  readonly followPaths?: readonly string[] | undefined;
  /** Folders of the same name and hint are likely the same: what is there already is not sent again. */
  readonly sharedKeyHint?: string | undefined;
  /** Whether unchanged metadata tells that a file is unchanged; else all contents are sent. Defaults to true. */
  readonly trustMetadata?: boolean | undefined;
  /** Called now and then with the bytes that have come so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A folder to read from. It does not change before it is released. */
export interface LocalFolderHandle {
  readonly path: string;
  /** It holds what was asked for and nothing else: no filter is needed to read it. Defaults to false. */
  readonly filtered?: boolean;
  /** Names what the folder holds: while this process lives, folders of equal versions hold the same. Absent: that is not known. */
  readonly version?: string;
  readonly release?: () => void;
}

/** An OCI store of the client's: a layout folder of this machine, or blobs that the client sends. */
export type OciStore =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "blobs"; readonly blobs: SessionBlobs };

/** A content store of the client's. */
export interface SessionBlobs {
  /** Finds the store again while its session lives. */
  readonly remote: { readonly sessionId: string; readonly storeId: string };
  /** Size of a blob, or undefined where it is not there. */
  size(digest: Digest, signal?: AbortSignal): Promise<number | undefined>;
  /** The bytes from `offset` on. @throws BLOB_NOT_FOUND. */
  read(digest: Digest, offset: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Writes a blob whole; one that is there already is left alone. @throws DIGEST_MISMATCH as the client finds it. */
  write(
    blob: { readonly digest: Digest; readonly size: number },
    bytes: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<void>;
}

/** How a client answers for registries. */
export interface SessionCredentials {
  /** Name and secret for a registry's host; undefined where it has none. */
  credentials(host: string, signal?: AbortSignal): Promise<{ username: string; secret: string } | undefined>;
  /** Fetches a token for a registry itself; undefined where it does not. */
  token?(request: TokenRequest, signal?: AbortSignal): Promise<Token | undefined>;
}

export interface SessionPort {
  /** Enters the digests of local sources: a new one for each build. */
  readonly id: string;
  /**
   * Folder of the local source `name` ("context", "dockerfile", a named context); undefined when there is none.
   */
  localDir(name: string, request: LocalFolderRequest): Promise<LocalFolderHandle | undefined>;
  /** The OCI store `id` of this session or of the one named; undefined when there is none. */
  ociStore(id: string, sessionId?: string): OciStore | undefined;
  /** A folder of the client's for caches, by its path there; absent: paths are this machine's. */
  cacheStore?(path: string): SessionBlobs | undefined;
  /** Credentials for registries; absent: those of this machine's user. */
  readonly credentials?: SessionCredentials | undefined;
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
