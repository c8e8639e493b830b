// Who we are to a registry, from Docker's own config file: plain entries, a credential store, and helpers by host.
// Secrets live in return values only: no error has one, and nothing is kept.
// Counterpart: docker/cli cli/config/{configfile,credentials}, docker/docker-credential-helpers client.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BuildError, errnoOf } from "../base/index.ts";
import { runToEnd } from "../system/process/index.ts";

/** A password, an identity token (to be traded for access tokens) or an access token as it is. */
export type Credential =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | { readonly kind: "identity"; readonly token: string }
  | { readonly kind: "bearer"; readonly token: string };

/** Source of credentials by registry host as references have it (`docker.io`, `localhost:5000`). */
export interface Credentials {
  /** Undefined when there are none. @throws CREDENTIALS_FAILED. */
  lookup(host: string, signal?: AbortSignal): Promise<Credential | undefined>;
  /** Who asks right now: tokens of one are not used for another. Absent: everybody is the same. */
  partition?(): string;
  /** Fetches a token elsewhere, so that no password comes here; undefined where that is not done. */
  token?(request: TokenRequest, signal?: AbortSignal): Promise<Token | undefined>;
}

/** What a registry's challenge wants a token for. */
export interface TokenRequest {
  readonly host: string;
  readonly realm: string;
  readonly service: string;
  readonly scopes: readonly string[];
}

export interface Token {
  readonly token: string;
  /** Seconds that it counts for; 0 when nobody says. */
  readonly expiresInS: number;
}

/** No credentials for anybody. */
export const anonymous: Credentials = { lookup: () => Promise.resolve(undefined) };

export interface DockerCredentialsOptions {
  /** Folder of `config.json`. Defaults to DOCKER_CONFIG, then `~/.docker`. */
  readonly folder?: string;
  /** Environment of the helpers; defaults to ours. */
  readonly env?: Readonly<Record<string, string>>;
}

interface ConfigFile {
  readonly auths?: Readonly<Record<string, AuthEntry | undefined>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string | undefined>>;
}

interface AuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

const DOCKER_HUB = "https://index.docker.io/v1/";
const MAX_HELPER_BYTES = 1024 * 1024;

/** Credentials of Docker's config file, read anew at each lookup: a login during a long build counts. */
export class DockerCredentials implements Credentials {
  readonly #path: string;
  readonly #env: Readonly<Record<string, string>> | undefined;

  constructor(options: DockerCredentialsOptions = {}) {
    const folder = options.folder ?? (process.env["DOCKER_CONFIG"] || join(homedir(), ".docker"));
    this.#path = join(folder, "config.json");
    this.#env = options.env;
  }

  /** A helper that knows nothing of the host is no failure; entries of the file are looked at then. */
  async lookup(host: string, signal?: AbortSignal): Promise<Credential | undefined> {
    const config = this.#read();
    const key = ["docker.io", "index.docker.io", "registry-1.docker.io"].includes(host) ? DOCKER_HUB : host;
    const helper = config.credHelpers?.[host] ?? config.credHelpers?.[key] ?? config.credsStore;
    if (typeof helper === "string" && helper !== "") {
      const found = await this.#ask(helper, key, signal);
      if (found !== undefined) return found;
    }
    return fromEntry(entryOf(config.auths ?? {}, key), host);
  }

  #read(): ConfigFile {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "EACCES"].includes(errnoOf(error) ?? "")) return {};
      throw error;
    }
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    } catch {
      // Falls through: JSON.parse quotes the text in its message, and the text has secrets.
    }
    throw failed(`${this.#path} is not a valid Docker config file`, "correct the file, or log in again");
  }

  async #ask(helper: string, server: string, signal: AbortSignal | undefined): Promise<Credential | undefined> {
    const program = `docker-credential-${helper}`;
    if (!/^[\w.-]+$/.test(helper)) throw failed(`invalid credential helper name in ${this.#path}`, "correct the name");
    const options = { stdin: Buffer.from(server), maxOutputBytes: MAX_HELPER_BYTES };
    const { exitCode, output } = await this.#run(program, options, signal);
    if (exitCode !== 0) {
      if (/credentials not found|no credentials server url|no credentials username/i.test(output)) return undefined;
      throw failed(`${program} failed with exit code ${exitCode}`, `try it by hand: echo ${server} | ${program} get`);
    }
    let answer: { readonly Username?: unknown; readonly Secret?: unknown };
    try {
      answer = JSON.parse(output) as typeof answer;
    } catch {
      throw failed(`${program} did not answer in JSON`, `try it by hand: echo ${server} | ${program} get`);
    }
    const { Username: username, Secret: secret } = answer;
    if (typeof username !== "string" || typeof secret !== "string" || secret === "") return undefined;
    if (username === "<token>") return { kind: "identity", token: secret };
    return { kind: "basic", username, password: secret };
  }

  async #run(
    program: string,
    options: { readonly stdin: Uint8Array; readonly maxOutputBytes: number },
    signal: AbortSignal | undefined,
  ): Promise<{ exitCode: number; output: string }> {
    try {
      const env = this.#env === undefined ? {} : { env: this.#env };
      const ended = await runToEnd([program, "get"], { ...options, ...env, ...(signal ? { signal } : {}) });
      return { exitCode: ended.exitCode ?? -1, output: ended.stdout.toString("utf8") };
    } catch (error) {
      signal?.throwIfAborted();
      const why = errnoOf(error) === "ENOENT" ? "is not installed" : "can't be started";
      throw failed(`${program} ${why}`, `install it, or take it out of ${this.#path}`);
    }
  }
}

function entryOf(auths: Readonly<Record<string, AuthEntry | undefined>>, key: string): AuthEntry | undefined {
  if (Object.hasOwn(auths, key)) return auths[key];
  const wanted = hostOf(key);
  const found = Object.keys(auths).find((each) => hostOf(each) === wanted);
  return found === undefined ? undefined : auths[found];
}

/** Old entries have a scheme and a path. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
}

function fromEntry(entry: AuthEntry | undefined, host: string): Credential | undefined {
  if (entry === undefined || entry === null) return undefined;
  if (entry.registrytoken) return { kind: "bearer", token: entry.registrytoken };
  if (entry.identitytoken) return { kind: "identity", token: entry.identitytoken };
  if (entry.auth) {
    const text = Buffer.from(entry.auth, "base64").toString("utf8").replace(/\0+$/, "");
    const colon = text.indexOf(":");
    if (colon <= 0)
      throw failed(`the entry for ${host} in Docker's config file is invalid`, `run: docker login ${host}`);
    return { kind: "basic", username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  if (entry.username) return { kind: "basic", username: entry.username, password: entry.password ?? "" };
  return undefined;
}

function failed(message: string, hint: string): BuildError {
  return new BuildError(message, { code: "CREDENTIALS_FAILED", status: "Unauthenticated", hint });
}
