// The connections of a transport: kept between requests, at most 16 to a host, through a proxy where the environment names one, with the host's
// certificates. None keeps the process alive while nobody uses it; each one is known from its first moment, so that closing leaves none,
// tunnels that are being dug among them.

import type { Agent } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { certificatesFor, type HostCertificates } from "./certificates.ts";
import { connectionError } from "./errors.ts";
import { proxyFor } from "./proxies.ts";

const CONNECTIONS = 16;
const CONNECT_TIMEOUT_MS = 10_000;
/** How long a connection that nobody uses is kept. Servers close theirs after 5 s and more. */
const KEPT_MS = 4_000;

export interface ChosenAgent {
  readonly agent: Agent;
  /** Whether requests go through a proxy. */
  readonly isProxied: boolean;
}

export class HttpAgents {
  readonly #agents = new Map<string, Agent>();
  readonly #certificates = new Map<string, HostCertificates | "none">();
  readonly #sockets = new Set<Duplex>();
  readonly #connectTimeoutMs: number;

  constructor(connectTimeoutMs = CONNECT_TIMEOUT_MS) {
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** The agent that asks for a URL. @throws CERTIFICATE_INVALID, PROXY_INVALID. */
  for(url: URL, verifyTls: boolean): ChosenAgent {
    const isTls = url.protocol === "https:";
    const own = isTls ? this.#certificatesFor(url.host) : undefined;
    const proxy = proxyFor(url);
    const isProxied = proxy !== undefined;
    const key = `${url.protocol} ${proxy ?? "direct"} ${verifyTls} ${own === undefined ? "" : url.host}`;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      const options = {
        keepAlive: true,
        maxSockets: CONNECTIONS,
        maxFreeSockets: CONNECTIONS,
        timeout: KEPT_MS,
        // What NO_PROXY says has been heeded.
        ...(isProxied ? { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } } : {}),
      };
      if (isTls) {
        const { Agent: TlsAgent } = process.getBuiltinModule("node:https");
        agent = new TlsAgent({
          ...options,
          rejectUnauthorized: verifyTls,
          ...(own?.ca === undefined ? {} : { ca: [...own.ca] }),
          ...(own?.cert === undefined ? {} : { cert: own.cert, key: own.key! }),
        });
      } else {
        const { Agent: PlainAgent } = process.getBuiltinModule("node:http");
        agent = new PlainAgent(options);
      }
      this.#watch(agent, isTls && isProxied);
      this.#agents.set(key, agent);
    }
    return { agent, isProxied };
  }

  /** Closes every connection, used or not; requests must have been given up before. */
  async close(): Promise<void> {
    for (const agent of this.#agents.values()) {
      // Else each closed connection would make a new one for a request that waits.
      for (const host of Object.keys(agent.requests)) delete (agent.requests as Record<string, unknown>)[host];
      agent.destroy();
    }
    this.#agents.clear();
    const closed = [...this.#sockets].map((socket) => new Promise<void>((resolve) => socket.once("close", resolve)));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  /** Bounds the time that connecting takes, TLS and tunnel included, and keeps account of what is open. */
  #watch(agent: Agent, isTunnelled: boolean): void {
    const connect = agent.createConnection.bind(agent);
    agent.createConnection = (options, onMade) => {
      let late: Error | undefined;
      const made: { socket?: Duplex } = {};
      const timer = setTimeout(() => {
        late = connectionError(`no connection within ${this.#connectTimeoutMs} ms`, "HTTP_CONNECT_TIMEOUT");
        made.socket?.destroy(late);
      }, this.#connectTimeoutMs);
      // Of tunnels alone this is told when they are ready, or failed.
      const socket = connect(options, (error, ready) => {
        clearTimeout(timer);
        if (ready !== undefined) this.#account(ready);
        if (error && isTunnelled) made.socket?.destroy();
        onMade?.(late ?? error, ready);
      });
      if (socket === null || socket === undefined) return socket;
      made.socket = socket;
      this.#account(socket);
      socket.once("close", () => clearTimeout(timer));
      if (!isTunnelled) {
        socket.once((socket as Socket & { encrypted?: boolean }).encrypted ? "secureConnect" : "connect", () =>
          clearTimeout(timer),
        );
      }
      return socket;
    };
  }

  #account(socket: Duplex): void {
    if (this.#sockets.has(socket) || socket.closed) return;
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // Whoever uses it listens too; between two of them nobody else does.
    socket.on("error", () => {});
  }

  #certificatesFor(host: string): HostCertificates | undefined {
    let certificates = this.#certificates.get(host);
    if (certificates === undefined) {
      certificates = certificatesFor(host) ?? "none";
      this.#certificates.set(host, certificates);
    }
    return certificates === "none" ? undefined : certificates;
  }
}
