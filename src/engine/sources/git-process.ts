// The program git, kept from everything that is not the build's: no system or user config, no hooks, no prompts, no credential
// helpers, only the protocols that sources may use (also for submodules). Secrets go by environment, never by command line.
// Counterpart: moby/buildkit util/gitutil/git_cli.go.

import { BuildError, errnoOf, redact } from "../../base/index.ts";
import { spawnProcess } from "../../system/process/index.ts";

export interface GitSettings {
  /** Where it runs; a folder that is in no repository. */
  readonly cwd: string;
  /** Further config: key and value. */
  readonly config?: readonly (readonly [string, string])[];
  readonly sshAgent?: string | undefined;
  /** A known_hosts file that decides alone. */
  readonly knownHosts?: string | undefined;
  /** A known_hosts file where hosts are noted when they are first met; used without `knownHosts`. */
  readonly metHosts: string;
  /** Receives each line that git says about its work, without user names and passwords. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Told how many bytes of a fetch have come so far. */
  readonly onReceived?: ((bytes: number) => void) | undefined;
}

export interface GitRun {
  readonly gitDir?: string;
  readonly workTree?: string;
  /** The only protocol is `file`: for copies between the store's own folders. Defaults to false. */
  readonly local?: boolean;
  /** A descriptor that git keeps open while it runs: the lock of what it works on. */
  readonly holds?: number | undefined;
  /** What it says is not for users. Defaults to false. */
  readonly quiet?: boolean;
}

/** One exit of git that was not 0. */
export class GitFailure extends Error {
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(exitCode: number | null, stderr: string) {
    super(`git stderr:\n${stderr}: exit status ${exitCode ?? "unknown"}`);
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

const PASSED_ON = [
  "PATH",
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
  "GIT_SSL_CAINFO",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

const CONFIG: readonly (readonly [string, string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.autocrlf", "false"],
  ["core.attributesFile", "/dev/null"],
  ["core.excludesFile", "/dev/null"],
  ["credential.helper", ""],
  ["safe.directory", "*"],
  ["init.defaultBranch", "master"],
  ["advice.detachedHead", "false"],
  ["submodule.recurse", "false"],
  // A pack becomes visible whole: a killed fetch leaves no commit without its files.
  ["fetch.unpackLimit", "1"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
];

const UNITS: Readonly<Record<string, number>> = { bytes: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const MAX_LINE_BYTES = 64 * 1024;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export class Git {
  readonly #settings: GitSettings;

  constructor(settings: GitSettings) {
    this.#settings = settings;
  }

  /** Runs git and gives what it wrote. @throws GIT_MISSING; GitFailure; `signal.reason`. */
  async run(args: readonly string[], run: GitRun, signal: AbortSignal): Promise<Buffer> {
    const { cwd } = this.#settings;
    const argv = [
      "git",
      ...(run.gitDir === undefined ? [] : [`--git-dir=${run.gitDir}`]),
      ...(run.workTree === undefined ? [] : [`--work-tree=${run.workTree}`]),
      ...args,
    ];
    const stdout = collector();
    const stderr = collector();
    const lines = new Lines((line) => {
      if (this.#isProgress(line)) return;
      stderr.add(Buffer.from(`${line}\n`));
      if (run.quiet !== true) this.#settings.onLine?.(redact(line));
    });
    let status: { readonly exitCode: number | null };
    const isUsualMask = process.umask() === 0o022;
    try {
      const child = await spawnProcess(isUsualMask ? argv : ["sh", "-c", 'umask 022; exec "$@"', "sh", ...argv], {
        cwd: run.workTree ?? cwd,
        env: this.#environment(run.local === true),
        signal,
        extraFds: run.holds === undefined ? [] : [run.holds],
        onStdout: (chunk) => stdout.add(chunk),
        onStderr: (chunk) => lines.push(chunk),
      });
      status = await child.exited;
      lines.end();
    } catch (error) {
      if (errnoOf(error) === "ENOENT") throw gitMissing(error);
      throw error;
    }
    signal.throwIfAborted();
    if (status.exitCode === 0) return stdout.bytes();
    if (status.exitCode === 127 && !isUsualMask) throw gitMissing(undefined);
    throw new GitFailure(status.exitCode, redact(stderr.bytes().toString().trimEnd()));
  }

  /** Whether a line only says how far git is; what has come is told. */
  #isProgress(line: string): boolean {
    if (!/:\s+\d+% \(\d+\/\d+\)/.test(line)) return false;
    const [, size, unit] = /^Receiving objects: .*, ([\d.]+) (bytes|KiB|MiB|GiB)/.exec(line) ?? [];
    if (size !== undefined) this.#settings.onReceived?.(Math.round(Number(size) * UNITS[unit!]!));
    return true;
  }

  #environment(local: boolean): Record<string, string> {
    const { cwd, config = [], sshAgent, knownHosts, metHosts } = this.#settings;
    const env: Record<string, string> = {
      LC_ALL: "C",
      HOME: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CEILING_DIRECTORIES: `${cwd}:${cwd.slice(0, cwd.lastIndexOf("/")) || "/"}`,
      GIT_TERMINAL_PROMPT: "0",
      GIT_ASKPASS: "/bin/false",
      SSH_ASKPASS: "/bin/false",
      GIT_ALLOW_PROTOCOL: local ? "file" : "http:https:git:ssh",
      GIT_SSH_COMMAND: sshCommand(knownHosts, metHosts),
      GIT_SSH_VARIANT: "ssh",
    };
    for (const name of PASSED_ON) {
      const value = process.env[name];
      if (value !== undefined) env[name] = value;
    }
    if (sshAgent !== undefined) env["SSH_AUTH_SOCK"] = sshAgent;
    const all = local ? CONFIG : [...CONFIG, ...config];
    env["GIT_CONFIG_COUNT"] = String(all.length);
    for (const [at, [key, value]] of all.entries()) {
      env[`GIT_CONFIG_KEY_${at}`] = key;
      env[`GIT_CONFIG_VALUE_${at}`] = value;
    }
    return env;
  }
}

/** Only keys of the forwarded agent, no questions. A host is believed when it is first met, and must stay the same after. */
function sshCommand(knownHosts: string | undefined, metHosts: string): string {
  const file = knownHosts ?? metHosts;
  const checking = knownHosts === undefined ? "accept-new" : "yes";
  return [
    "ssh -F /dev/null -o BatchMode=yes -o IdentityFile=none",
    `-o StrictHostKeyChecking=${checking}`,
    `-o UserKnownHostsFile='${file.replaceAll("'", String.raw`'\''`)}'`,
  ].join(" ");
}

function gitMissing(cause: unknown): BuildError {
  return new BuildError("git sources take the program git, which is not installed", {
    code: "GIT_MISSING",
    status: "FailedPrecondition",
    hint: "install it, for example with: apt-get install git, or apk add git",
    cause,
  });
}

/** Cuts a stream at line feeds and carriage returns; what has no end in sight is cut as well. */
class Lines {
  readonly #onLine: (line: string) => void;
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const parts = (this.#rest + chunk.toString("latin1")).split(/[\r\n]+/);
    this.#rest = parts.pop()!;
    if (this.#rest.length > MAX_LINE_BYTES) {
      parts.push(this.#rest);
      this.#rest = "";
    }
    for (const part of parts) this.#tell(part);
  }

  end(): void {
    this.#tell(this.#rest);
    this.#rest = "";
  }

  #tell(bytes: string): void {
    const line = Buffer.from(bytes, "latin1").toString("utf8").trimEnd();
    if (line !== "") this.#onLine(line);
  }
}

function collector(): { add(chunk: Buffer): void; bytes(): Buffer } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add: (chunk) => {
      if (size < MAX_OUTPUT_BYTES) chunks.push(chunk.subarray(0, MAX_OUTPUT_BYTES - size));
      size += chunk.length;
    },
    bytes: () => Buffer.concat(chunks),
  };
}

/** The error that users see of a failed exchange with a remote. */
export function remoteFailed(what: string, remote: string, error: unknown): unknown {
  if (!(error instanceof GitFailure)) return error;
  return new BuildError(`${what} ${redact(remote)}: ${error.message}`, {
    code: "GIT_FAILED",
    status: "Unavailable",
    cause: error,
    ...hintOf(error.stderr, remote),
  });
}

function hintOf(stderr: string, remote: string): { hint?: string } {
  if (
    /could not read (Username|Password)|Authentication failed|HTTP Basic: Access denied|terminal prompts disabled/i.test(
      stderr,
    )
  ) {
    return {
      hint: "the repository wants to know who asks: pass a token with --secret id=GIT_AUTH_TOKEN,env=NAME (or a whole header as GIT_AUTH_HEADER)",
    };
  }
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/i.test(stderr)) {
    return {
      hint: "the host's key is not the one that is known: if that is right, remove its line from git-known-hosts in the state folder",
    };
  }
  if (/Permission denied \(|Could not read from remote repository/i.test(stderr)) {
    return { hint: "check the repository's name, and forward an agent that holds a key for it: --ssh default" };
  }
  if (/cannot run ssh|ssh: (command )?not found/i.test(stderr)) {
    return { hint: "git over ssh takes the program ssh: install it, for example with: apt-get install openssh-client" };
  }
  if (/repository .*not found|returned error: 404|does not appear to be a git repository/i.test(stderr)) {
    return { hint: "check the repository's address; a private one takes --secret id=GIT_AUTH_TOKEN,env=NAME" };
  }
  if (/transport '.*' not allowed/i.test(stderr)) {
    return { hint: "repositories and submodules come by http, https, ssh or git, never from files of the builder" };
  }
  if (/Could not resolve host|Failed to connect|Connection refused|timed out|Connection reset/i.test(stderr)) {
    const host = URL.canParse(remote) ? new URL(remote).host : remote;
    return {
      hint: `check that ${redact(host)} can be reached from here, and the proxy settings (HTTPS_PROXY, NO_PROXY)`,
    };
  }
  return {};
}
