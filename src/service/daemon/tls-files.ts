// The files of mutual TLS: an authority, and certificates for the daemon and its clients. What is there already is kept, so that another
// client gets its certificate from the same authority.

import { createPrivateKey } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";
import { Authority } from "./certificates.ts";

export interface InitTlsOptions {
  readonly dir: string;
  /** Names and addresses that the daemon is reached by; localhost and this machine's name are among them anyway. */
  readonly hosts: readonly string[];
  /** Common name of the client's certificate. */
  readonly client: string;
  readonly days: number;
}

export interface TlsFiles {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
  /** Of the above, those that were made now. */
  readonly made: readonly string[];
}

const AUTHORITY = "slipway daemon authority";

/** @throws TLS_FILES_UNUSABLE. */
export function initTls({ dir, hosts, client, days }: InitTlsOptions): TlsFiles {
  const at = (name: string) => join(dir, name);
  const clientName = client.replace(/[^A-Za-z0-9_.-]/g, "_");
  const files = {
    ca: at("ca.pem"),
    serverCert: at("server.pem"),
    serverKey: at("server-key.pem"),
    clientCert: at(`${clientName}.pem`),
    clientKey: at(`${clientName}-key.pem`),
  };
  const made: string[] = [];
  const write = (path: string, text: string, mode: number) => {
    writeFileSync(path, text, { mode, flag: "wx" });
    made.push(path);
  };
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const authority = openAuthority(files.ca, at("ca-key.pem"), days, write);
    const pair = (cert: string, key: string, issue: () => { certificate: string; key: string }) => {
      if (existsSync(cert) && existsSync(key)) return;
      const issued = issue();
      write(key, issued.key, 0o600);
      write(cert, issued.certificate, 0o644);
    };
    const names = [...new Set(["localhost", "127.0.0.1", "::1", hostname(), ...hosts])];
    pair(files.serverCert, files.serverKey, () =>
      authority.issue({ commonName: names.at(-1)!, use: "server", hosts: names, days }),
    );
    pair(files.clientCert, files.clientKey, () => authority.issue({ commonName: client, use: "client", days }));
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    throw new BuildError(`the certificates in ${dir} can't be made: ${code}`, {
      code: "TLS_FILES_UNUSABLE",
      status: "FailedPrecondition",
      hint: code === "EEXIST" ? "half a pair is there: remove it, or choose another folder" : "choose another folder",
      cause: error,
    });
  }
  return { ...files, made };
}

function openAuthority(
  cert: string,
  key: string,
  days: number,
  write: (path: string, text: string, mode: number) => void,
): Authority {
  if (existsSync(cert) && existsSync(key))
    return Authority.from(readFileSync(cert, "utf8"), createPrivateKey(readFileSync(key)), AUTHORITY);
  const authority = Authority.create(AUTHORITY, days);
  write(key, authority.key, 0o600);
  write(cert, authority.certificate, 0o644);
  return authority;
}
