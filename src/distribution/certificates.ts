// Certificates for registries whose authority the machine does not know, and ours for those that ask for one: the folders that Docker
// and containerd read, one a registry. `*.crt` are authorities; `NAME.cert` and `NAME.key` are ours.
// Spec: Docker "Verify repository client with certificates". Counterpart: containerd core/remotes/docker/config.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, errnoOf } from "../base/index.ts";

export interface HostCertificates {
  /** The machine's own authorities among them. */
  readonly ca: readonly string[] | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

const FOLDERS = ["/etc/docker/certs.d", "/etc/containerd/certs.d", "/etc/containers/certs.d"];

/** Looked for in SLIPWAY_CERTS_D alone where that is set: a folder with a folder for each `host[:port]`. */
export function certificateFolders(env: Readonly<Record<string, string | undefined>> = process.env): readonly string[] {
  const own = env["SLIPWAY_CERTS_D"];
  return own === undefined || own === "" ? FOLDERS : [own];
}

/** Undefined where there are none for the host. @throws CERTIFICATE_INVALID for a certificate without its key. */
export function certificatesFor(host: string, folders = certificateFolders()): HostCertificates | undefined {
  if (!/^[\w.:[\]-]+$/.test(host) || host.startsWith(".")) return undefined;
  for (const folder of folders) {
    const dir = join(folder, host);
    const names = tryList(dir);
    const authorities = names.filter((name) => name.endsWith(".crt"));
    const own = names.find((name) => name.endsWith(".cert"));
    if (authorities.length === 0 && own === undefined) continue;
    const key = own?.replace(/\.cert$/, ".key");
    if (key !== undefined && !names.includes(key)) {
      throw new BuildError(`missing key ${key} for client certificate ${own} in ${dir}`, {
        code: "CERTIFICATE_INVALID",
        status: "FailedPrecondition",
        hint: "put the key beside it, or take the certificate away",
      });
    }
    return {
      // Most registries need none, and loading TLS takes time.
      ca:
        authorities.length === 0
          ? undefined
          : [...process.getBuiltinModule("node:tls").rootCertificates, ...authorities.map((name) => read(dir, name))],
      cert: own === undefined ? undefined : read(dir, own),
      key: key === undefined ? undefined : read(dir, key),
    };
  }
  return undefined;
}

function tryList(dir: string): string[] {
  try {
    return readdirSync(dir).toSorted();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

function read(dir: string, name: string): string {
  return readFileSync(join(dir, name), "utf8");
}
