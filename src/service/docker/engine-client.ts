// Docker Engine's HTTP API over a unix socket, TCP with or without TLS, or ssh. Answers are read whole up to a bound; a request's body
// may be a stream. Spec: Docker Engine API v1.41. Counterpart: docker/docker client.

import { spawn } from "node:child_process";
import { Agent, request as httpRequest, type AgentOptions, type ClientRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { BuildError, errnoOf, messageOf } from "../../base/index.ts";
import type { DockerEndpoint } from "./endpoint.ts";

export interface EngineResponse {
  readonly status: number;
  readonly text: string;
}

const MAX_ANSWER_BYTES = 64 << 20;

export class EngineClient {
  readonly #endpoint: DockerEndpoint;
  readonly #agent: Agent;
  readonly #open: () => Duplex;

  /** @throws DOCKER_HOST_INVALID. */
  constructor(endpoint: DockerEndpoint) {
    this.#endpoint = endpoint;
    this.#open = opener(endpoint);
    this.#agent = agentOf(this.#open, { keepAlive: true, maxSockets: 8 });
  }

  get host(): string {
    return this.#endpoint.host;
  }

  /** @throws ENGINE_UNREACHABLE; `signal.reason`. */
  async call(method: "GET" | "POST", path: string, signal: AbortSignal): Promise<EngineResponse> {
    return this.#exchange(method, path, signal, (request) => Promise.resolve(void request.end()));
  }

  /** A POST whose body `write` writes. The answer may come before the body is whole. @throws as {@link call}, and what `write` throws. */
  async post(
    path: string,
    write: (stream: NodeJS.WritableStream) => Promise<void>,
    signal: AbortSignal,
  ): Promise<EngineResponse> {
    return this.#exchange("POST", path, signal, async (request) => {
      request.setHeader("content-type", "application/x-tar");
      await write(request);
      request.end();
    });
  }

  /** A call with a body and an answer in JSON; the answer as text. @throws as {@link call}. */
  async send(method: "POST" | "DELETE", path: string, body: unknown, signal: AbortSignal): Promise<EngineResponse> {
    return this.#exchange(method, path, signal, (request) => {
      request.setHeader("content-type", "application/json");
      request.end(JSON.stringify(body));
      return Promise.resolve();
    });
  }

  /**
   * Turns a call's connection into a stream of bytes, which the caller owns: `/grpc` for the engine's own BuildKit, an exec's input and
   * output. @throws ENGINE_UNREACHABLE; ENGINE_FAILED where the engine does not take the upgrade.
   */
  async hijack(
    path: string,
    { protocol, body }: { protocol: string; body?: unknown },
    signal: AbortSignal,
  ): Promise<Duplex> {
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = {
      connection: "Upgrade",
      upgrade: protocol,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    };
    const agent = agentOf(this.#open, {});
    const request = httpRequest({ agent, method: "POST", path, host: "docker", headers, signal });
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    request.once("upgrade", (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.once("response", (response) => {
      readAll(response).then(
        (said) => reject(notUpgraded(this.host, path, { status: response.statusCode ?? 0, text: said })),
        reject,
      );
    });
    request.once("error", (error) => reject(unreachable(this.host, error)));
    request.end(text);
    try {
      return await promise;
    } catch (error) {
      request.destroy();
      signal.throwIfAborted();
      throw error;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #exchange(
    method: string,
    path: string,
    signal: AbortSignal,
    send: (request: ClientRequest) => Promise<void>,
  ): Promise<EngineResponse> {
    const request = httpRequest({ agent: this.#agent, method, path, host: "docker", signal });
    const answered = Promise.withResolvers<EngineResponse>();
    request.on("response", (response) => {
      readAll(response).then(
        (text) => answered.resolve({ status: response.statusCode ?? 0, text }),
        (error: unknown) => answered.reject(error as Error),
      );
    });
    request.on("error", (error) => answered.reject(error));
    try {
      const sent = send(request);
      // An engine that answers early, with a refusal, leaves the body unread.
      const response = await Promise.race([answered.promise, sent.then(() => answered.promise)]);
      sent.catch(() => undefined);
      return response;
    } catch (error) {
      answered.promise.catch(() => undefined);
      request.destroy();
      signal.throwIfAborted();
      if (error instanceof BuildError && error.code !== "EXPORT_CLOSED") throw error;
      throw unreachable(this.#endpoint.host, error);
    }
  }
}

function agentOf(open: () => Duplex, options: AgentOptions): Agent {
  // The connection knows the server's name, where it has one. Left to itself the agent looks whether "docker" is an address, and the
  // pattern for those of IPv6 takes 9 ms when it is first used.
  const named: AgentOptions & { readonly servername: string } = { ...options, servername: "" };
  return new (class extends Agent {
    override createConnection() {
      return open();
    }
  })(named);
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function unreachable(host: string, cause: unknown): BuildError {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "nothing is there",
    ECONNREFUSED: "nothing listens there",
    EACCES: "permission denied",
    ECONNRESET: "it closed the connection",
    EPIPE: "it closed the connection",
  };
  const why = reasons[errnoOf(cause) ?? ""] ?? messageOf(cause);
  return new BuildError(`Docker Engine at ${host} can't be reached: ${why}`, {
    code: "ENGINE_UNREACHABLE",
    status: "Unavailable",
    hint: "start it, or name another with DOCKER_HOST or a docker context; -o type=docker,dest=FILE needs none",
    cause,
  });
}

function notUpgraded(host: string, path: string, { status, text }: EngineResponse): BuildError {
  return new BuildError(`Docker Engine at ${host} answered ${status} to ${path}: ${text.trim().slice(0, 200)}`, {
    code: "ENGINE_FAILED",
    status: "Unavailable",
    hint: "engines before 18.09 have no BuildKit of their own",
  });
}

function opener({ host, tls }: DockerEndpoint): () => Duplex {
  const url = parseHost(host);
  switch (url.protocol) {
    case "unix:":
      return () => connect({ path: decodeURIComponent(url.pathname) });
    case "tcp:":
    case "http:":
    case "https:": {
      const port = Number(url.port || (tls === undefined ? 2375 : 2376));
      const name = url.hostname.replace(/^\[|\]$/g, "");
      if (tls === undefined && url.protocol !== "https:") return () => connect({ host: name, port });
      return () =>
        connectTls({
          host: name,
          port,
          ca: tls?.ca,
          cert: tls?.cert,
          key: tls?.key,
          rejectUnauthorized: tls?.verify ?? true,
          ...(/^[\d.:]+$/.test(name) ? {} : { servername: name }),
        });
    }
    case "ssh:":
      return () => overSsh(url);
    default:
      throw invalidHost(host);
  }
}

function parseHost(host: string): URL {
  try {
    const url = new URL(host);
    if (url.protocol === "unix:" && url.host !== "") throw new Error("a path is relative");
    return url;
  } catch (error) {
    throw invalidHost(host, error);
  }
}

function invalidHost(host: string, cause?: unknown): BuildError {
  return new BuildError(`unable to parse docker host ${JSON.stringify(host)}`, {
    code: "DOCKER_HOST_INVALID",
    status: "InvalidArgument",
    hint: "it looks like unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host",
    cause,
  });
}

/** `docker system dial-stdio` on the other machine, as docker's own command does it. */
function overSsh(url: URL): Duplex {
  const target = url.username === "" ? url.hostname : `${decodeURIComponent(url.username)}@${url.hostname}`;
  if (target.startsWith("-")) throw invalidHost(url.href);
  const port = url.port === "" ? [] : ["-p", url.port];
  const path = url.pathname === "" || url.pathname === "/" ? [] : ["--host", `unix://${url.pathname}`];
  const argv = ["-o", "ConnectTimeout=30", "-T", ...port, "--", target, "docker", ...path, "system", "dial-stdio"];
  const child = spawn("ssh", argv, { stdio: ["pipe", "pipe", "inherit"] });
  const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin } as never);
  child.on("error", (error) => duplex.destroy(error));
  duplex.on("close", () => child.kill());
  return duplex;
}
