// Runs a step's process with an OCI runtime: bundle, user, working directory, mount points, the run, its end. Aborting kills the
// container's first process, and with it its whole process namespace. Counterpart: moby/buildkit executor/runcexecutor.

import { constants as osConstants } from "node:os";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "../../base/index.ts";
import { pb } from "../../formats/proto/index.ts";
import { runToEnd, spawnProcess } from "../../system/process/index.ts";
import type { RunningProcess } from "../../system/process/index.ts";
import { ensureDirectory } from "./inside.ts";
import { noteMountStubs } from "./mount-stubs.ts";
import { hostsFile, resolvConf } from "./network-files.ts";
import type { DnsSettings } from "./network-files.ts";
import { findRuntimes } from "./runtime.ts";
import type { Runtime, Runtimes } from "./runtime.ts";
import { runtimeSpec } from "./spec.ts";
import type { ContainerProcess, Executor, Exit, RunOptions } from "./types.ts";
import { resolveUser } from "./user.ts";

export interface RuntimeExecutorOptions {
  /** Folder of this process for bundles and runtime state; removed with it. */
  readonly runDir: string;
  /** Whether this process has a mount namespace of its own. */
  readonly privateMounts: boolean;
  /** Name servers of steps; by default the host's. */
  readonly dns?: DnsSettings | undefined;
}

export class RuntimeExecutor implements Executor {
  readonly #options: RuntimeExecutorOptions;
  readonly #stateDir: string;
  #runtimes: Runtimes | undefined;
  #count = 0;

  constructor(options: RuntimeExecutorOptions) {
    this.#options = options;
    this.#stateDir = join(options.runDir, "runtime");
  }

  get description(): string {
    return this.#found().usual.path;
  }

  async run(process: ContainerProcess, options: RunOptions): Promise<Exit> {
    options.signal.throwIfAborted();
    const runtime = this.#runtimeFor(process);
    const user = resolveUser(process.rootPath, process.user);
    const id = `slipway-${basename(this.#options.runDir)}-${++this.#count}`;
    const bundle = join(this.#options.runDir, "bundles", id);
    mkdirSync(bundle, { recursive: true, mode: 0o700 });
    mkdirSync(this.#stateDir, { recursive: true, mode: 0o700 });
    try {
      const hostNetwork = process.network !== pb.NetMode.NONE;
      const files = { resolvConfPath: join(bundle, "resolv.conf"), hostsPath: join(bundle, "hosts") };
      writeFileSync(files.resolvConfPath, resolvConf({ hostNetwork, dns: this.#options.dns }), { mode: 0o644 });
      writeFileSync(files.hostsPath, hostsFile(process.hostname, process.extraHosts), { mode: 0o644 });
      const dests = ["/etc/resolv.conf", "/etc/hosts", ...process.mounts.map((mount) => mount.dest)];
      const removeStubs = noteMountStubs(process.rootPath, dests, process.removeStubsRecursive);
      ensureDirectory(process.rootPath, process.cwd, user.uid, user.gid);
      const cgroupsPath = runtime.cgroups ? cgroupPath(process.cgroupParent, id) : undefined;
      const spec = runtimeSpec(process, { user, rootPath: process.rootPath, ...files, cgroupsPath });
      writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
      try {
        return await this.#run(runtime, id, bundle, options);
      } finally {
        removeStubs();
      }
    } finally {
      rmSync(bundle, { recursive: true, force: true });
    }
  }

  async #run(runtime: Runtime, id: string, bundle: string, options: RunOptions): Promise<Exit> {
    const pidFile = join(bundle, "pid");
    const kills = oomKills();
    const manager = runtime.name === "crun" && !runtime.cgroups ? ["--cgroup-manager=disabled"] : [];
    const child = await spawnProcess(
      withUsualMask([
        ...runtime.prefix,
        runtime.path,
        ...manager,
        "--root",
        this.#stateDir,
        "run",
        "--bundle",
        bundle,
        "--pid-file",
        pidFile,
        id,
      ]),
      {
        cwd: bundle,
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
        stdin: options.stdin,
        onStdout: options.onStdout,
        onStderr: options.onStderr,
      },
    );
    const stopKilling = this.#killOnAbort(runtime, id, pidFile, child, options.signal);
    try {
      const status = await child.exited;
      options.signal.throwIfAborted();
      const exitCode = status.exitCode ?? 128 + osConstants.signals[status.signal ?? "SIGKILL"];
      return { exitCode, outOfMemory: exitCode === 137 && oomKills() > kills };
    } finally {
      await stopKilling();
      // The runtime removes its state when it ends on its own; a killed one leaves it.
      if (existsSync(join(this.#stateDir, id))) {
        await runToEnd([
          ...runtime.prefix,
          runtime.path,
          ...manager,
          "--root",
          this.#stateDir,
          "delete",
          "--force",
          id,
        ]);
      }
    }
  }

  /** Kills the container's first process until the runtime has seen its end: the container may be starting when we are aborted. */
  #killOnAbort(
    runtime: Runtime,
    id: string,
    pidFile: string,
    child: RunningProcess,
    signal: AbortSignal,
  ): () => Promise<void> {
    let ended = false;
    let killing: Promise<void> | undefined;
    const kill = async () => {
      for (let attempt = 0; !ended; attempt++) {
        const pid = readPid(pidFile);
        if (pid !== undefined) tryKill(pid);
        if (attempt === 40) {
          await runToEnd([...runtime.prefix, runtime.path, "--root", this.#stateDir, "delete", "--force", id]);
          child.kill("SIGKILL");
        }
        await sleep(50);
      }
    };
    const onAbort = (): void => {
      killing ??= kill();
    };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    return async () => {
      ended = true;
      signal.removeEventListener("abort", onAbort);
      await killing;
    };
  }

  #runtimeFor(process: ContainerProcess): Runtime {
    const runtimes = this.#found();
    const needsCgroup =
      process.resources !== undefined || process.cgroupParent !== "" || process.security === pb.SecurityMode.INSECURE;
    if (!needsCgroup || runtimes.usual.cgroups) return runtimes.usual;
    if (runtimes.limiting !== undefined) return runtimes.limiting;
    throw new BuildError("this step has resource limits, which crun can't set on this machine's cgroups", {
      code: "NO_RUNTIME",
      status: "FailedPrecondition",
      hint: "install runc, for example: apt-get install -y runc",
    });
  }

  #found(): Runtimes {
    return (this.#runtimes ??= findRuntimes({ privateMounts: this.#options.privateMounts }));
  }
}

function cgroupPath(parent: string, id: string): string {
  if (parent.includes(".slice") && parent.endsWith(":")) return parent + id;
  return join("/", parent, "slipway", id);
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function tryKill(pid: number): void {
  try {
    globalThis.process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

/** How many processes the kernel has killed for lack of memory so far. */
function oomKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The runtime makes mount points that the root lacks, and they stay in the layer: our umask must not show in them. */
function withUsualMask(argv: readonly string[]): readonly string[] {
  return process.umask() === 0o022 ? argv : ["sh", "-c", 'umask 022; exec "$@"', "sh", ...argv];
}
