// Starting and reaping processes without fork: posix_spawn shares the parent's memory until exec, so its cost does not grow with
// ours (fork of a 1.5 GB process stops it for 100 ms). A pidfd tells the event loop of the end; nothing polls.
// Spec: posix_spawn(3), pidfd_open(2), waitpid(2).

import { closeSync } from "node:fs";
import { constants } from "node:os";
import {
  call,
  callRaw,
  cstring,
  errnoError,
  hasFunction,
  pollReadable,
  syscall,
  type Function_,
  type Argument,
} from "./ffi.ts";

const SETPGROUP = 0x02;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
const WNOHANG = 1;
const O_CLOEXEC = 0o2000000;

export interface SpawnRequest {
  /** Program (looked up in our PATH when it has no slash) and its arguments. */
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Descriptors to become 0, 1, 2 …; null is /dev/null. All others are closed by their O_CLOEXEC. */
  readonly fds: readonly (number | null)[];
  /** "group": leader of a new process group; "session": of a new session. */
  readonly leader?: "group" | "session" | undefined;
}

/** How a process ended: one of the two is null. */
export interface ExitStatus {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Starts a process with default signal handling and gives its pid. The caller must reap it. @throws ENOENT, EACCES … */
export function posixSpawn({ argv, cwd, env, fds, leader }: SpawnRequest): number {
  // Larger than either libc's structs: 336 and 80 bytes.
  const attributes = Buffer.alloc(512);
  const actions = Buffer.alloc(512);
  const pid = new Int32Array(1);
  const signals = Buffer.alloc(128);
  const program = argv[0] ?? "";
  const check = (name: Function_, ...args: Argument[]): void => {
    const errno = callRaw(name, ...args);
    if (errno !== 0) throw errnoError(errno, name === "posix_spawnp" ? "spawn" : name, program);
  };
  check("posix_spawnattr_init", attributes);
  check("posix_spawn_file_actions_init", actions);
  try {
    let flags = SETSIGDEF | SETSIGMASK;
    if (leader === "session") flags |= SETSID;
    if (leader === "group") flags |= SETPGROUP;
    check("posix_spawnattr_setflags", attributes, flags);
    check("posix_spawnattr_setpgroup", attributes, 0);
    call("sigfillset", [signals]);
    check("posix_spawnattr_setsigdefault", attributes, signals);
    call("sigemptyset", [signals]);
    check("posix_spawnattr_setsigmask", attributes, signals);
    for (const [target, fd] of fds.entries()) {
      // 0o2 is O_RDWR: one mode for all three.
      if (fd === null) check("posix_spawn_file_actions_addopen", actions, target, cstring("/dev/null"), 0o2, 0);
      else check("posix_spawn_file_actions_adddup2", actions, fd, target);
    }
    // What we ourselves inherited without O_CLOEXEC must not reach a step.
    if (hasFunction("posix_spawn_file_actions_addclosefrom_np")) {
      check("posix_spawn_file_actions_addclosefrom_np", actions, fds.length);
    }
    if (cwd !== undefined) check("posix_spawn_file_actions_addchdir_np", actions, cstring(cwd));
    const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    check("posix_spawnp", pid, cstring(program), actions, attributes, [...argv, null], [...environment, null]);
    return pid[0]!;
  } finally {
    callRaw("posix_spawn_file_actions_destroy", actions);
    callRaw("posix_spawnattr_destroy", attributes);
  }
}

/** Reaps a child that has ended; undefined while it runs. @throws ECHILD when it is not ours. */
export function reap(pid: number): ExitStatus | undefined {
  const status = new Int32Array(1);
  if (call("waitpid", [pid, status, WNOHANG]) === 0) return undefined;
  const number = status[0]! & 0x7f;
  if (number === 0) return { exitCode: (status[0]! >> 8) & 0xff, signal: null };
  return { exitCode: null, signal: SIGNAL_NAMES.get(number) ?? (`SIG${number}` as NodeJS.Signals) };
}

const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]),
);

/** Resolves when the child has ended, and reaps it. Keeps the process alive until then. */
export function waitForExit(pid: number): Promise<ExitStatus> {
  const pidfd = syscall("pidfd_open", [pid, 0]);
  return new Promise((resolve, reject) => {
    const watch = pollReadable(pidfd, () => {
      try {
        const status = reap(pid);
        if (status === undefined) return;
        stop();
        // This call comes from outside of JavaScript: what waits for the promise would only go on with the next event.
        setImmediate(resolve, status);
      } catch (error) {
        stop();
        reject(error as Error);
      }
    });
    function stop(): void {
      watch.close();
      closeSync(pidfd);
    }
  });
}

/** A pipe whose two ends are closed in children. The caller closes both. */
export function openPipe(): { readEnd: number; writeEnd: number } {
  const fds = new Int32Array(2);
  call("pipe2", [fds, O_CLOEXEC]);
  return { readEnd: fds[0]!, writeEnd: fds[1]! };
}
