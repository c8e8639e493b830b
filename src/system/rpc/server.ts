// A gRPC server: on sockets, with or without mutual TLS, and on any duplex.
// What a handler does wrong ends its call; what a peer does wrong ends its connection; neither disturbs another.

import type { DescService } from "@bufbuild/protobuf";
import { createServer, performServerHandshake } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import type { TLSSocket } from "node:tls";
import { messageOf } from "../../base/index.ts";
import type { Address, TlsOptions } from "./address.ts";
import { RESUME_PROTOCOL } from "./resume-hello.ts";
import { ResumeServer } from "./resume-server.ts";
import type { ResumeServerOptions } from "./resume-server.ts";
import { claimSocketPath } from "./socket-path.ts";
import { StreamCall } from "./server-call.ts";
import type { PeerInfo, RawHandler } from "./server-call.ts";
import { serviceHandlers } from "./service.ts";
import type { ServiceImplementation } from "./service.ts";
import { DEFAULT_MAX_MESSAGE_BYTES, keepAlive, SERVER_SESSION_OPTIONS, widen } from "./settings.ts";
import { RpcError, StatusCode, toRpcError } from "./status.ts";

export interface RpcServerOptions {
  /** Of a request; 16 MiB by default. */
  readonly maxMessageBytes?: number;
  /** What a handler's error is told as; {@link toRpcError} by default. */
  readonly describeError?: (error: unknown, path: string) => RpcError;
  readonly keepAlive?: { readonly intervalMs: number; readonly timeoutMs: number };
  /** Of streams that outlive their connections. */
  readonly resume?: ResumeServerOptions;
}

export interface ListenOptions {
  /** With `ca`, only clients with its certificates may connect. */
  readonly tls?: TlsOptions | undefined;
  /** Of a unix socket; 0o600 by default. */
  readonly mode?: number;
  readonly gid?: number | undefined;
}

export interface Listener {
  /** Where it really listens: the port that the system chose, for port 0. */
  readonly address: Address;
  /** Takes no more connections; those that exist go on. */
  close(): Promise<void>;
}

export class RpcServer {
  readonly #handlers = new Map<string, RawHandler>();
  readonly #services = new Set<string>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #listeners = new Set<Listener>();
  readonly #running = new Set<Promise<void>>();
  readonly #resumed = new Set<ResumeServer>();
  readonly #options: RpcServerOptions;

  constructor(options: RpcServerOptions = {}) {
    this.#options = options;
  }

  /** The methods that it answers, "/package.Service/Method", sorted. */
  get methods(): readonly string[] {
    return [...this.#handlers.keys()].toSorted();
  }

  /** Answers `path` with a handler of raw messages. */
  addRaw(path: string, handler: RawHandler): void {
    this.#handlers.set(path, handler);
    this.#services.add(path.split("/")[1] ?? "");
  }

  /** Answers the methods of a service that `implementation` has; the rest are UNIMPLEMENTED. */
  addService<S extends DescService>(service: S, implementation: ServiceImplementation<S>): void {
    this.#services.add(service.typeName);
    for (const [path, handler] of serviceHandlers(service, implementation as Record<string, unknown>)) {
      this.#handlers.set(path, handler);
    }
  }

  /** @throws the system's error where the address can't be had. */
  async listen(address: Address, options: ListenOptions = {}): Promise<Listener> {
    const server = options.tls === undefined ? this.#plainServer(address) : this.#tlsServer(address, options.tls);
    await listenOn(server, address, options);
    const bound = server.address();
    const listener: Listener = {
      address: address.kind === "tcp" ? { ...address, port: (bound as AddressInfo).port } : address,
      close: () =>
        new Promise((resolve) => {
          this.#listeners.delete(listener);
          server.close(() => resolve());
          if (address.kind !== "tcp") resolve();
        }),
    };
    this.#listeners.add(listener);
    return listener;
  }

  #plainServer(address: Address): Server {
    const server = createServer(SERVER_SESSION_OPTIONS);
    server.on("session", (session) => this.#accept(session, peerOf(session.socket, address)));
    server.on("sessionError", () => undefined);
    return server;
  }

  /** HTTP/2 over TLS, and resumable streams for clients that offer them. */
  #tlsServer(address: Address, tls: TlsOptions): Server {
    const server = createTlsServer({
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      ...(tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true }),
      ALPNProtocols: [RESUME_PROTOCOL, "h2"],
      minVersion: "TLSv1.2",
    });
    const serve = (duplex: Duplex, socket: TLSSocket) =>
      this.#accept(performServerHandshake(duplex, SERVER_SESSION_OPTIONS), peerOf(socket, address));
    const resumed = new ResumeServer((stream, socket) => serve(stream, socket as TLSSocket), this.#options.resume);
    this.#resumed.add(resumed);
    server.on("secureConnection", (socket) => {
      socket.on("error", () => undefined);
      if (socket.alpnProtocol === RESUME_PROTOCOL) void resumed.accept(socket);
      else serve(socket, socket);
    });
    server.on("tlsClientError", () => undefined);
    return server;
  }

  /** Serves one connection; resolves when it is gone. */
  async serve(duplex: Duplex): Promise<void> {
    const session = performServerHandshake(duplex, SERVER_SESSION_OPTIONS);
    const gone = new Promise<void>((resolve) => session.once("close", () => resolve()));
    this.#accept(session, { transport: "duplex", address: "" });
    await gone;
  }

  /** Stops listening and lets the calls that run end; resolves when they have. */
  async drain(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    for (const session of this.#sessions) session.close();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Stops listening and ends every connection; resolves when the handlers are done. */
  async close(): Promise<void> {
    const listeners = [...this.#listeners].map((listener) => listener.close());
    for (const session of this.#sessions) session.destroy();
    for (const resumed of this.#resumed) resumed.close();
    await Promise.all(listeners);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #accept(session: ServerHttp2Session, peer: PeerInfo): void {
    this.#sessions.add(session);
    session.on("error", () => undefined);
    session.once("close", () => this.#sessions.delete(session));
    widen(session);
    if (this.#options.keepAlive) keepAlive(session, this.#options.keepAlive);
    session.on("stream", (stream, headers, _flags, rawHeaders?: string[]) => {
      const path = String(headers[":path"] ?? "");
      this.#answer(stream, path, { raw: rawHeaders ?? [], peer, grpc: isGrpc(headers["content-type"]) });
    });
  }

  #answer(stream: ServerHttp2Stream, path: string, request: { raw: string[]; peer: PeerInfo; grpc: boolean }): void {
    if (!request.grpc) {
      stream.on("error", () => undefined);
      stream.respond({ ":status": 415 }, { endStream: true });
      return;
    }
    const call = new StreamCall(stream, path, {
      rawHeaders: request.raw,
      peer: request.peer,
      maxMessageBytes: this.#options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    });
    const running: Promise<void> = this.#run(call).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #run(call: StreamCall): Promise<void> {
    const handler = this.#handlers.get(call.path);
    try {
      if (handler === undefined) throw this.#unknown(call.path);
      await handler(call);
      const reason: unknown = call.signal.aborted ? call.signal.reason : undefined;
      call.end(reason instanceof RpcError ? reason : undefined);
    } catch (error) {
      call.end(this.#describe(call.signal.aborted ? call.signal.reason : error, call.path));
    }
  }

  #describe(error: unknown, path: string): RpcError {
    try {
      return (this.#options.describeError ?? toRpcError)(error, path);
    } catch (failure) {
      return new RpcError(StatusCode.INTERNAL, messageOf(failure));
    }
  }

  #unknown(path: string): RpcError {
    const [, service = "", method = ""] = path.split("/");
    return new RpcError(
      StatusCode.UNIMPLEMENTED,
      this.#services.has(service) ? `unknown method ${method} for service ${service}` : `unknown service ${service}`,
    );
  }
}

function isGrpc(contentType: unknown): boolean {
  return typeof contentType === "string" && /^application\/grpc($|[+;])/.test(contentType);
}

async function listenOn(server: Server, address: Address, options: ListenOptions): Promise<void> {
  if (address.kind === "unix") return claimSocketPath(server, address.path, options);
  const where = address.kind === "tcp" ? { host: address.host, port: address.port } : { fd: address.fd };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function peerOf(socket: Socket | TLSSocket, address: Address): PeerInfo {
  if (address.kind === "unix") return { transport: "unix", address: address.path };
  const certificate = "getPeerCertificate" in socket ? socket.getPeerCertificate() : undefined;
  const name = certificate?.subject?.CN;
  return {
    transport: "tcp",
    address: `${socket.remoteAddress ?? ""}:${socket.remotePort ?? ""}`,
    certificateName: Array.isArray(name) ? name[0] : name,
  };
}
