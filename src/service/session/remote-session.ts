// A build's client, somewhere else: what the engine asks of it is asked over its session. Folders that it sends are kept, so that the next
// build needs only what changed. Counterpart: moby/buildkit session/*, source/local.

import { join } from "node:path";
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import type {
  LocalFolderHandle,
  LocalFolderRequest,
  OciStore,
  OutputTarget,
  SessionCredentials,
  SessionPort,
} from "../../engine/index.ts";
import { BuildError, parseDigest } from "../../base/index.ts";
import type { Token, TokenRequest } from "../../distribution/index.ts";
import { auth, type control, secrets } from "../../formats/proto/index.ts";
import type { CacheMounts } from "../../storage/refs/index.ts";
import { decodeBytesMessage, Metadata, RpcError, StatusCode } from "../../system/rpc/index.ts";
import { RemoteAgent } from "./remote-agent.ts";
import { RemoteBlobs } from "./remote-blobs.ts";
import { lostSession } from "./remote-connection.ts";
import type { SessionConnection } from "./remote-connection.ts";
import { setList } from "./remote-headers.ts";
import { EXPORTER_HEADER, FILE_SEND, RemoteFile } from "./remote-output.ts";
import type { FolderSync } from "./remote-sync.ts";
import type { RemoteSessions } from "./remote-sessions.ts";

// The names of the wire, spelled out: asking the schemas for them would load all of a session's messages in builds that have no session elsewhere.
const DIFF_COPY = "/moby.filesync.v1.FileSync/DiffCopy";
const GET_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CREDENTIALS = "/moby.filesync.v1.Auth/Credentials";
const FETCH_TOKEN = "/moby.filesync.v1.Auth/FetchToken";
const PULL = "/moby.upload.v1.Upload/Pull";

export interface RemoteSessionHost {
  readonly sessions: RemoteSessions;
  readonly sync: FolderSync;
  /** Folders that clients sent. */
  readonly folders: CacheMounts;
  /** A folder of this process's own. */
  readonly runDir: string;
}

/** One build's use of a session. Dispose when the build has ended; the session stays. */
export class RemoteSession implements SessionPort, AsyncDisposable {
  readonly id: string;
  readonly credentials: SessionCredentials;
  readonly #host: RemoteSessionHost;
  readonly #connection: SessionConnection;
  readonly #request: control.SolveRequest;
  readonly #agents = new Map<string, Promise<RemoteAgent | undefined>>();
  readonly #stages: string[] = [];
  readonly #stop = new AbortController();

  constructor(host: RemoteSessionHost, connection: SessionConnection, request: control.SolveRequest) {
    this.id = connection.id;
    this.#host = host;
    this.#connection = connection;
    this.#request = request;
    this.credentials = new RemoteCredentials(connection);
  }

  async localDir(name: string, request: LocalFolderRequest): Promise<LocalFolderHandle | undefined> {
    const { sessionId = this.id, signal } = request;
    const connection = sessionId === this.id ? this.#connection : await this.#host.sessions.get(sessionId, signal);
    if (!connection.supports(DIFF_COPY)) return undefined;
    const { folders, sync } = this.#host;
    const stop = signalOf(connection, signal);
    const folder = await folders.acquire(
      {
        name: `${name}:${request.sharedKeyHint ?? ""}:${connection.sharedKey}`,
        sharing: "private",
        description: `local source for ${name}`,
      },
      stop,
    );
    try {
      const metadata = new Metadata();
      setList(metadata, "dir-name", [name]);
      setList(metadata, "include-patterns", request.includePatterns ?? []);
      setList(metadata, "exclude-patterns", request.excludePatterns ?? []);
      setList(metadata, "followpaths", request.followPaths ?? []);
      const version = await sync.receive(connection.channel.call(DIFF_COPY, { metadata, signal: stop }), {
        folder: folder.path,
        listFile: join(folder.path, "..", "list"),
        trustMetadata: request.trustMetadata ?? true,
        onBytes: request.onBytes,
        signal: stop,
      });
      return { path: folder.path, filtered: true, version, release: () => folder[Symbol.dispose]() };
    } catch (error) {
      folder[Symbol.dispose]();
      if (error instanceof RpcError && error.code === StatusCode.NOT_FOUND) return undefined;
      throw failedSync(name, error);
    }
  }

  ociStore(id: string, sessionId = this.id): OciStore | undefined {
    const connection = sessionId === this.id ? this.#connection : this.#host.sessions.find(sessionId);
    return connection === undefined ? undefined : { kind: "blobs", blobs: new RemoteBlobs(connection, `oci:${id}`) };
  }

  cacheStore(path: string): RemoteBlobs {
    return new RemoteBlobs(this.#connection, `local:${path}`);
  }

  async secret(id: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    if (!this.#connection.supports(GET_SECRET)) return undefined;
    try {
      const stop = signalOf(this.#connection, signal);
      return (await this.#connection.client(secrets.Secrets).getSecret({ ID: id }, { signal: stop })).data;
    } catch (error) {
      if (error instanceof RpcError && error.code === StatusCode.NOT_FOUND) return undefined;
      throw error;
    }
  }

  async sshAgent(id: string): Promise<string | undefined> {
    let agent = this.#agents.get(id);
    if (agent === undefined) {
      mkdirSync(this.#host.runDir, { recursive: true, mode: 0o700 });
      agent = RemoteAgent.open(this.#connection, id, this.#host.runDir);
      this.#agents.set(id, agent);
    }
    return (await agent)?.socket;
  }

  upload(id: string): AsyncIterable<Uint8Array> | undefined {
    return this.#connection.supports(PULL) ? this.#pull(id) : undefined;
  }

  output(index: number): OutputTarget | undefined {
    const exporter = this.#request.Exporters[index];
    switch (exporter?.Type) {
      case "tar":
      case "oci":
      case "docker": {
        if (exporter.Type !== "tar" && exporter.Attrs["tar"] === "false") return this.#layout();
        const file = new RemoteFile(this.#connection, index, this.#stop.signal);
        return { kind: "stream", stream: file.stream, finish: () => file.finish() };
      }
      case "local":
        return this.#folder(index);
      default:
        return undefined;
    }
  }

  /** Made here, then sent. */
  #folder(index: number): OutputTarget {
    const path = this.#stage();
    return {
      kind: "directory",
      path,
      finish: async (signal) => {
        const metadata = new Metadata({ [EXPORTER_HEADER]: String(index), "buildkit-exporter-multi-platform": "1" });
        const stop = signalOf(this.#connection, signal);
        await this.#host.sync.send(this.#connection.channel.call(FILE_SEND, { metadata, signal: stop }), path, {
          signal: stop,
        });
      },
    };
  }

  /** A layout's blobs go into the client's store; its index it writes itself. */
  #layout(): OutputTarget {
    const path = this.#stage();
    return {
      kind: "directory",
      path,
      finish: async (signal) => {
        const store = new RemoteBlobs(this.#connection, "export");
        for (const name of readdirSync(join(path, "blobs", "sha256"))) {
          const digest = parseDigest(`sha256:${name}`);
          const file = join(path, "blobs", "sha256", name);
          if ((await store.size(digest, signal)) !== undefined) continue;
          const bytes = createReadStream(file, { highWaterMark: 1 << 20, signal });
          await store.write({ digest, size: statSync(file).size }, bytes, signal);
        }
      },
    };
  }

  #stage(): string {
    mkdirSync(this.#host.runDir, { recursive: true, mode: 0o700 });
    const path = mkdtempSync(join(this.#host.runDir, "output-"));
    this.#stages.push(path);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new DOMException("the build has ended", "AbortError"));
    for (const path of this.#stages) await rm(path, { recursive: true, force: true });
    for (const agent of this.#agents.values()) await (await agent.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  async *#pull(id: string): AsyncGenerator<Uint8Array> {
    const metadata = new Metadata({ urlpath: `/${id}`, urlhost: "buildkit-session" });
    const call = this.#connection.channel.call(PULL, { metadata, signal: this.#connection.signal });
    call.end();
    for await (const message of call.messages) yield decodeBytesMessage(message);
  }
}

/** Registry credentials by the client: it fetches tokens itself where it can. */
class RemoteCredentials implements SessionCredentials {
  readonly #connection: SessionConnection;

  constructor(connection: SessionConnection) {
    this.#connection = connection;
  }

  async credentials(host: string, signal?: AbortSignal): Promise<{ username: string; secret: string } | undefined> {
    if (!this.#connection.supports(CREDENTIALS)) return undefined;
    const stop = signalOf(this.#connection, signal);
    const answer = await this.#answered(
      this.#connection.client(auth.Auth).credentials({ Host: host }, { signal: stop }),
    );
    return answer.Secret === "" ? undefined : { username: answer.Username, secret: answer.Secret };
  }

  async token({ host, realm, service, scopes }: TokenRequest, signal?: AbortSignal): Promise<Token | undefined> {
    if (!this.#connection.supports(FETCH_TOKEN)) return undefined;
    const request = { ClientID: "slipway", Host: host, Realm: realm, Service: service, Scopes: [...scopes] };
    const stop = signalOf(this.#connection, signal);
    const answer = await this.#answered(this.#connection.client(auth.Auth).fetchToken(request, { signal: stop }));
    return { token: answer.Token, expiresInS: Number(answer.ExpiresIn) };
  }

  /** A call that the client's end cut short says so. */
  async #answered<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw this.#connection.signal.aborted ? lostSession(this.#connection.id) : error;
    }
  }
}

function signalOf(connection: SessionConnection, signal: AbortSignal | undefined): AbortSignal {
  return signal === undefined ? connection.signal : AbortSignal.any([signal, connection.signal]);
}

function failedSync(name: string, error: unknown): unknown {
  if (!(error instanceof RpcError)) return error;
  return new BuildError(`failed to receive the folder ${JSON.stringify(name)}: ${error.message}`, {
    code: "SYNC_FAILED",
    status: error.status,
    cause: error,
  });
}
