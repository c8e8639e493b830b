// The user's own kubectl: its configuration, its credentials and its plugins for them are the user's, and are never read here.

import { spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { BuildError, errnoOf } from "../../base/index.ts";

/** The port of what is asked of a cluster. */
export interface Kubectl {
  /** Resolves with what it printed. @throws KUBECTL_MISSING; KUBECTL_FAILED with its words. */
  run(args: readonly string[], options: { readonly input?: string; readonly signal: AbortSignal }): Promise<string>;
  /** Its standard input and output, which the caller owns; closing ends it. */
  stream(args: readonly string[]): Duplex;
}

type Environment = Readonly<Record<string, string | undefined>>;

const MAX_BYTES = 16 << 20;

/** The program on the path, with `flags` before every command. */
export class KubectlProgram implements Kubectl {
  readonly #flags: readonly string[];
  readonly #env: NodeJS.ProcessEnv;

  constructor(flags: readonly string[], env: Environment) {
    this.#flags = flags;
    this.#env = { ...env };
  }

  run(
    args: readonly string[],
    { input, signal }: { readonly input?: string; readonly signal: AbortSignal },
  ): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const child = spawn("kubectl", [...this.#flags, ...args], { env: this.#env, signal, stdio: "pipe" });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (stdout.length > MAX_BYTES) child.kill();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = `${stderr}${text}`.slice(-4096)));
    child.on("error", (error) => reject(signal.aborted ? (signal.reason as Error) : failed(error)));
    child.on("close", (code) => {
      if (code === 0) return resolve(stdout);
      const said = stderr.trim() === "" ? `exit code ${code ?? "none"}` : stderr.trim();
      reject(
        new BuildError(`kubectl ${args[0] ?? ""}: ${said}`, {
          code: "KUBECTL_FAILED",
          status: "Unavailable",
          hint: "kubectl's own configuration decides which cluster is asked; kubectl config get-contexts lists them",
        }),
      );
    });
    // It may end without reading.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input ?? "");
    return promise;
  }

  stream(args: readonly string[]): Duplex {
    const child = spawn("kubectl", [...this.#flags, ...args], { env: this.#env, stdio: ["pipe", "pipe", "inherit"] });
    const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin } as never);
    child.on("error", (error) => duplex.destroy(failed(error)));
    duplex.on("close", () => child.kill());
    return duplex;
  }
}

function failed(cause: Error): Error {
  if (errnoOf(cause) !== "ENOENT") return cause;
  return new BuildError("kubectl is not on the path", {
    code: "KUBECTL_MISSING",
    status: "FailedPrecondition",
    hint: "the driver kubernetes works through it; install it, and see that kubectl get pods works",
    cause,
  });
}
