// Where a daemon listens and is reached: unix://PATH, tcp://HOST:PORT, fd://N (socket activation).
// Counterpart: moby/buildkit cmd/buildkitd getListener, client/connhelper.

import { connect as connectNet } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { BuildError, messageOf } from "../../base/index.ts";
import { RpcError, StatusCode } from "./status.ts";

export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "fd"; readonly fd: number };

/** PEM texts. */
export interface TlsOptions {
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** The name that the peer's certificate must bear; by default the host that was dialled. */
  readonly serverName?: string | undefined;
}

/** @throws ADDRESS_INVALID. */
export function parseAddress(text: string): Address {
  const colon = text.indexOf("://");
  const scheme = colon < 0 ? "" : text.slice(0, colon);
  const rest = text.slice(colon + 3);
  if (scheme === "unix" && rest !== "") return { kind: "unix", path: rest };
  if (scheme === "fd" && /^\d*$/.test(rest)) return { kind: "fd", fd: rest === "" ? 3 : Number(rest) };
  if (scheme === "tcp") {
    const match = /^(\[[0-9a-fA-F:.]+\]|[^:/]*):(\d{1,5})\/?$/.exec(rest);
    if (match && Number(match[2]) <= 65_535) {
      const host = match[1]!.replace(/^\[|\]$/g, "");
      return { kind: "tcp", host: host === "" ? "0.0.0.0" : host, port: Number(match[2]) };
    }
  }
  throw new BuildError(`invalid address ${JSON.stringify(text)}`, {
    code: "ADDRESS_INVALID",
    status: "InvalidArgument",
    hint: "unix:///path/to.sock, tcp://host:port or fd://3",
  });
}

/** The text that `parseAddress` reads. */
export function formatAddress(address: Address): string {
  switch (address.kind) {
    case "unix":
      return `unix://${address.path}`;
    case "tcp":
      return `tcp://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
    case "fd":
      return `fd://${address.fd}`;
  }
}

/** A connected socket. @throws RpcError UNAVAILABLE when nobody answers, or the certificates don't fit. */
export function dialAddress(
  address: Address,
  options: {
    readonly tls: TlsOptions | undefined;
    readonly signal: AbortSignal | undefined;
    /** Offered in the TLS handshake; HTTP/2 by default. */
    readonly protocols?: readonly string[];
  },
): Promise<Socket> {
  if (address.kind === "fd") throw new Error("a listener's descriptor can't be dialled");
  const target = address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port };
  const { tls, signal, protocols = ["h2"] } = options;
  return new Promise((resolve, reject) => {
    const socket = tls
      ? connectTls({ ...target, ...clientTls(address, tls), ALPNProtocols: [...protocols] })
      : connectNet(target);
    socket.setNoDelay(true);
    const fail = (error: unknown) => {
      socket.destroy();
      signal?.removeEventListener("abort", onAbort);
      reject(signal?.aborted ? signal.reason : unreachable(address, error));
    };
    const onAbort = () => fail(signal!.reason);
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("error", fail);
    socket.once(tls ? "secureConnect" : "connect", () => {
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

function clientTls(address: Address, tls: TlsOptions): ConnectionOptions {
  const name = tls.serverName ?? (address.kind === "tcp" ? address.host : "localhost");
  return {
    minVersion: "TLSv1.2",
    // A literal address can't be a server name; the certificate is checked against it all the same.
    ...(/^[\d.]+$|:/.test(name) ? {} : { servername: name }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}

function unreachable(address: Address, error: unknown): RpcError {
  return new RpcError(StatusCode.UNAVAILABLE, `can't connect to ${formatAddress(address)}: ${messageOf(error)}`, {
    cause: error,
  });
}
