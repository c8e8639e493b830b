// Where Docker Engine is, as docker's own command finds out: DOCKER_HOST, else a context by name, else the usual socket.
// Spec: docker/cli context store. Counterpart: docker/cli cli/context/docker.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";

export interface DockerEndpoint {
  /** `unix:///path`, `tcp://host:port`, `ssh://user@host:port`. */
  readonly host: string;
  readonly tls: TlsFiles | undefined;
}

/** Contents in PEM. */
export interface TlsFiles {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly verify: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_HOST = "unix:///var/run/docker.sock";

/** The endpoint of a context, or of the environment where none is named. @throws DOCKER_CONTEXT_UNKNOWN, DOCKER_TLS_UNREADABLE. */
export function dockerEndpoint(env: Environment, context = ""): DockerEndpoint {
  const host = env["DOCKER_HOST"] ?? "";
  if (context === "" && host !== "") return { host, tls: tlsFromEnvironment(env, host) };
  const folder = env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker");
  const name = context || env["DOCKER_CONTEXT"] || currentContext(folder);
  if (name === "" || name === "default") return { host: host || DEFAULT_HOST, tls: undefined };
  return readContext(folder, name);
}

function currentContext(folder: string): string {
  const text = tryRead(join(folder, "config.json"));
  if (text === undefined) return "";
  try {
    const { currentContext: name } = JSON.parse(text.toString("utf8")) as { currentContext?: unknown };
    return typeof name === "string" ? name : "";
  } catch {
    return ""; // docker itself complains of its file
  }
}

function readContext(folder: string, name: string): DockerEndpoint {
  const id = createHash("sha256").update(name).digest("hex");
  const text = tryRead(join(folder, "contexts/meta", id, "meta.json"));
  const unknown = (cause?: unknown) =>
    new BuildError(`context ${JSON.stringify(name)} does not exist`, {
      code: "DOCKER_CONTEXT_UNKNOWN",
      status: "NotFound",
      hint: "docker context ls lists them",
      cause,
    });
  if (text === undefined) throw unknown();
  let endpoint: { Host?: unknown; SkipTLSVerify?: unknown } | undefined;
  try {
    endpoint = (JSON.parse(text.toString("utf8")) as { Endpoints?: { docker?: typeof endpoint } }).Endpoints?.docker;
  } catch (error) {
    throw unknown(error);
  }
  if (typeof endpoint?.Host !== "string") throw unknown();
  const tls = join(folder, "contexts/tls", id, "docker");
  const [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map((file) => tryRead(join(tls, file)));
  const hasTls = ca !== undefined || cert !== undefined || key !== undefined || endpoint.SkipTLSVerify === true;
  return {
    host: endpoint.Host === "" ? DEFAULT_HOST : endpoint.Host,
    tls: hasTls ? { ca, cert, key, verify: endpoint.SkipTLSVerify !== true } : undefined,
  };
}

function tlsFromEnvironment(env: Environment, host: string): TlsFiles | undefined {
  const verify = (env["DOCKER_TLS_VERIFY"] ?? "") !== "";
  const asked = verify || (env["DOCKER_TLS"] ?? "") !== "";
  if (!asked || !host.startsWith("tcp://")) return undefined;
  const folder = env["DOCKER_CERT_PATH"] || env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker");
  const [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map((file) => tryRead(join(folder, file)));
  if (verify && ca === undefined) {
    throw new BuildError(`could not read CA certificate ${join(folder, "ca.pem")}`, {
      code: "DOCKER_TLS_UNREADABLE",
      status: "InvalidArgument",
      hint: "set DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem",
    });
  }
  return { ca, cert, key, verify };
}

function tryRead(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
