// The session of a build whose client is this very process: folders and files of this machine, read in place, nothing copied.
// Counterpart: moby/buildkit session/{filesync,secrets,sshforward} as docker/buildx attaches them.

import { randomBytes } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { BuildError, errnoOf } from "../../base/index.ts";
import type { LocalFolderHandle, OciStore, OutputTarget, SessionPort } from "../../engine/index.ts";
import { KeyAgent } from "./key-agent.ts";

/** A secret by id: the bytes of a file, or of an environment variable. With neither, the id names one of them. */
export interface SecretSource {
  readonly id: string;
  readonly file?: string;
  readonly env?: string;
  /** Steps that use it run again when it changes. Defaults to false. */
  readonly isInput?: boolean;
}

/** An agent to forward: a socket, or private keys that an agent of our own answers for. No paths mean `$SSH_AUTH_SOCK`. */
export interface SshSource {
  readonly id: string;
  readonly paths: readonly string[];
}

export interface LocalSessionOptions {
  /** Folder of each local source. */
  readonly dirs: ReadonlyMap<string, string>;
  readonly secrets: readonly SecretSource[];
  readonly ssh: readonly SshSource[];
  /** By the exporter's index in the request. */
  readonly outputs: readonly (OutputTarget | undefined)[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Files to send by id, for contexts from standard input. Defaults to none. */
  readonly uploads?: ReadonlyMap<string, string>;
  /** Builds of the same folders may share one, and then the steps that read these folders. Defaults to a new one. */
  readonly id?: string;
}

const maxSecretBytes = 500 * 1024;

/**
 * Opens a session; everything that a build would miss later is checked now.
 * @throws SECRET_UNREADABLE, SECRET_TOO_BIG, SECRET_WITHOUT_ID, SSH_UNAVAILABLE, SSH_KEY_UNREADABLE.
 */
export async function openLocalSession(options: LocalSessionOptions): Promise<LocalSession> {
  const secrets = new Map<string, SecretSource>();
  for (const source of options.secrets) {
    const resolved = resolveSecret(source, options.env);
    await checkSecret(resolved);
    secrets.set(resolved.id, resolved);
  }
  const agents = new Map<string, string>();
  const own: KeyAgent[] = [];
  try {
    for (const { id: named, paths } of options.ssh) {
      const id = named === "" ? "default" : named;
      if (agents.has(id))
        throw new BuildError(`duplicate agent ID ${JSON.stringify(id)}`, {
          code: "SSH_UNAVAILABLE",
          status: "InvalidArgument",
        });
      const given = paths.filter((path) => path !== "");
      agents.set(id, await agentSocket(id, given.length > 0 ? given : [options.env["SSH_AUTH_SOCK"] ?? ""], own));
    }
  } catch (error) {
    for (const agent of own) await agent[Symbol.asyncDispose]();
    throw error;
  }
  return new LocalSession(options, secrets, agents, own);
}

/** See {@link openLocalSession}. Disposing ends agents that the session started. */
export class LocalSession implements SessionPort, AsyncDisposable {
  readonly id: string;
  readonly #options: LocalSessionOptions;
  readonly #secrets: ReadonlyMap<string, SecretSource>;
  readonly #agents: ReadonlyMap<string, string>;
  readonly #own: readonly KeyAgent[];

  constructor(
    options: LocalSessionOptions,
    secrets: ReadonlyMap<string, SecretSource>,
    agents: ReadonlyMap<string, string>,
    own: readonly KeyAgent[],
  ) {
    this.id = options.id ?? newId();
    this.#options = options;
    this.#secrets = secrets;
    this.#agents = agents;
    this.#own = own;
  }

  localDir(name: string): Promise<LocalFolderHandle | undefined> {
    const path = this.#options.dirs.get(name);
    return Promise.resolve(path === undefined ? undefined : { path });
  }

  ociStore(id: string): OciStore | undefined {
    const path = this.#options.dirs.get(id);
    return path === undefined ? undefined : { kind: "directory", path };
  }

  async secret(id: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const source = this.#secrets.get(id);
    if (!source) return undefined;
    if (source.env !== undefined) return Buffer.from(this.#options.env[source.env] ?? "");
    try {
      return await readFile(source.file!, signal ? { signal } : {});
    } catch (error) {
      throw errnoOf(error) === undefined ? error : unreadable(source, error);
    }
  }

  secretIsInput(id: string): boolean {
    return this.#secrets.get(id)?.isInput === true;
  }

  sshAgent(id: string): Promise<string | undefined> {
    return Promise.resolve(this.#agents.get(id === "" ? "default" : id));
  }

  upload(id: string): AsyncIterable<Uint8Array> | undefined {
    const path = this.#options.uploads?.get(id);
    return path === undefined ? undefined : createReadStream(path, { highWaterMark: 256 * 1024 });
  }

  output(index: number): OutputTarget | undefined {
    return this.#options.outputs[index];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#own) await agent[Symbol.asyncDispose]();
  }
}

function resolveSecret(source: SecretSource, env: LocalSessionOptions["env"]): SecretSource {
  if (source.id === "")
    throw new BuildError("secret missing ID", { code: "SECRET_WITHOUT_ID", status: "InvalidArgument" });
  if (source.env !== undefined || source.file !== undefined) return source;
  const { id } = source;
  return { ...source, ...(env[id] === undefined ? { file: id } : { env: id }) };
}

async function checkSecret(source: SecretSource): Promise<void> {
  if (source.file === undefined) return;
  try {
    const { size } = await stat(source.file);
    await access(source.file, constants.R_OK);
    if (size > maxSecretBytes) {
      throw new BuildError(`secret ${source.id} too big. max size 500KiB`, {
        code: "SECRET_TOO_BIG",
        status: "InvalidArgument",
      });
    }
  } catch (error) {
    throw errnoOf(error) === undefined ? error : unreadable(source, error);
  }
}

function unreadable(source: SecretSource, cause: unknown): BuildError {
  const reason =
    errnoOf(cause) === "ENOENT"
      ? "no such file or directory"
      : errnoOf(cause) === "EACCES"
        ? "permission denied"
        : errnoOf(cause)!;
  return new BuildError(`failed to stat ${source.file}: ${reason}`, {
    code: "SECRET_UNREADABLE",
    status: "InvalidArgument",
    hint: `the secret ${JSON.stringify(source.id)} comes from this file; give another with --secret id=${source.id},src=FILE or take a variable with env=NAME`,
    cause,
  });
}

async function agentSocket(id: string, paths: readonly string[], own: KeyAgent[]): Promise<string> {
  const bad = (message: string, hint?: string) =>
    new BuildError(message, {
      code: "SSH_UNAVAILABLE",
      status: "InvalidArgument",
      ...(hint === undefined ? {} : { hint }),
    });
  if (paths[0] === "") {
    throw bad(
      "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set",
      `start an agent (eval "$(ssh-agent)"; ssh-add), or name a key: --ssh ${id}=FILE`,
    );
  }
  const keys: string[] = [];
  let socket: string | undefined;
  for (const path of paths) {
    if (socket !== undefined) throw bad("only single socket allowed");
    const info = await stat(path).catch((error: unknown) => {
      throw bad(
        `failed to convert agent config for ID: ${JSON.stringify(id)}: ${path}: ${errnoOf(error) ?? "unreadable"}`,
      );
    });
    if (info.isSocket()) socket = path;
    else keys.push(path);
  }
  if (socket !== undefined) {
    if (keys.length > 0) throw bad("invalid combination of keys and sockets");
    return socket;
  }
  const agent = await KeyAgent.start(keys);
  own.push(agent);
  return agent.socket;
}

/** 25 characters of base 36, as BuildKit's identities. */
function newId(): string {
  return BigInt(`0x${randomBytes(17).toString("hex")}`)
    .toString(36)
    .padStart(25, "0")
    .slice(-25);
}
