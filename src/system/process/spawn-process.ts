// Child processes for steps and tools: output in chunks as it comes, the end as a value, the whole process group killable.
// posix_spawn starts them; where C cannot be called, node's own spawn does the same, slower in a large process.
// Invariant: every process is reaped, every descriptor of ours is closed before `exited` resolves or `kill` is refused.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { finished } from "node:stream/promises";
import { type ExitStatus, ffiAvailable, openPipe, posixSpawn, waitForExit } from "../linux/index.ts";

export type { ExitStatus } from "../linux/index.ts";

export interface ProcessOptions {
  readonly cwd?: string | undefined;
  /** The whole environment; nothing is inherited. Defaults to ours. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Bytes for standard input, or an open descriptor to hand over (stays the caller's). Defaults to /dev/null. */
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array> | number | undefined;
  /** Called with each chunk in order; undefined discards. */
  readonly onStdout?: ((chunk: Buffer) => void) | undefined;
  readonly onStderr?: ((chunk: Buffer) => void) | undefined;
  /** Descriptors to give the child as 3, 4 …; they stay the caller's. */
  readonly extraFds?: readonly number[] | undefined;
  /** A session of its own instead of only a process group. Defaults to false. */
  readonly newSession?: boolean | undefined;
  /** Aborting kills the group with SIGKILL; `exited` still resolves. */
  readonly signal?: AbortSignal | undefined;
  /** How long output is still awaited once the process has ended while descendants hold its pipes. Defaults to 2000. */
  readonly drainMs?: number | undefined;
  /** How to start it. Defaults to posix_spawn where C can be called, else node's spawn. */
  readonly via?: "posix_spawn" | "node" | undefined;
}

export interface RunningProcess {
  readonly pid: number;
  /** Resolves when the process has ended and its output has been delivered whole. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** Signals the whole process group; false when it is gone. Defaults to SIGTERM. */
  kill(signal?: NodeJS.Signals): boolean;
}

/**
 * Starts `argv` as leader of its own process group.
 *
 * @throws ENOENT, EACCES … when it cannot be started; `signal.reason` when aborted before.
 */
export async function spawnProcess(argv: readonly string[], options: ProcessOptions = {}): Promise<RunningProcess> {
  options.signal?.throwIfAborted();
  const via = options.via ?? (ffiAvailable() ? "posix_spawn" : "node");
  const started = via === "posix_spawn" ? startBySpawn(argv, options) : await startByNode(argv, options);
  let gone = false;
  const kill = (signal: NodeJS.Signals = "SIGTERM"): boolean => {
    if (gone) return false;
    try {
      process.kill(-started.pid, signal);
      return true;
    } catch {
      return false;
    }
  };
  const onAbort = (): void => void kill("SIGKILL");
  options.signal?.addEventListener("abort", onAbort);
  if (options.signal?.aborted) onAbort();
  const exited = (async (): Promise<ExitStatus> => {
    const status = await started.exit;
    // After reaping, the number may belong to somebody else; but while the group has members it is not reused.
    if (options.signal?.aborted) kill("SIGKILL");
    await started.drained(options.drainMs ?? 2000);
    gone = true;
    options.signal?.removeEventListener("abort", onAbort);
    return status;
  })();
  return { pid: started.pid, exited, kill };
}

interface Started {
  readonly pid: number;
  readonly exit: Promise<ExitStatus>;
  drained(timeoutMs: number): Promise<void>;
}

function startBySpawn(argv: readonly string[], options: ProcessOptions): Started {
  const { stdin, onStdout, onStderr } = options;
  const childEnds: number[] = [];
  const ourEnds: number[] = [];
  const outputPipe = (wanted: unknown): { ours: number; child: number } | undefined => {
    if (wanted === undefined) return undefined;
    const pipe = openPipe();
    childEnds.push(pipe.writeEnd);
    ourEnds.push(pipe.readEnd);
    return { ours: pipe.readEnd, child: pipe.writeEnd };
  };
  let pid: number;
  let input: { ours: number; child: number } | undefined;
  let output: { ours: number; child: number } | undefined;
  let errors: { ours: number; child: number } | undefined;
  try {
    if (stdin !== undefined && typeof stdin !== "number") {
      const pipe = openPipe();
      childEnds.push(pipe.readEnd);
      ourEnds.push(pipe.writeEnd);
      input = { ours: pipe.writeEnd, child: pipe.readEnd };
    }
    output = outputPipe(onStdout);
    errors = outputPipe(onStderr);
    pid = posixSpawn({
      argv,
      cwd: options.cwd,
      env: options.env ?? ownEnvironment(),
      fds: [
        typeof stdin === "number" ? stdin : (input?.child ?? null),
        output?.child ?? null,
        errors?.child ?? null,
        ...(options.extraFds ?? []),
      ],
      leader: options.newSession ? "session" : "group",
    });
  } catch (error) {
    for (const fd of ourEnds) closeSync(fd);
    throw error;
  } finally {
    for (const fd of childEnds) closeSync(fd);
  }
  const readers: Socket[] = [];
  if (output !== undefined && onStdout !== undefined) readers.push(reader(output.ours, onStdout));
  if (errors !== undefined && onStderr !== undefined) readers.push(reader(errors.ours, onStderr));
  const writer = input === undefined ? undefined : new Socket({ fd: input.ours, readable: false, writable: true });
  if (writer !== undefined && stdin !== undefined && typeof stdin !== "number") void feed(writer, stdin);
  return {
    pid,
    exit: waitForExit(pid),
    drained: async (timeoutMs) => {
      writer?.destroy();
      await drain(readers, timeoutMs);
    },
  };
}

function reader(fd: number, onChunk: (chunk: Buffer) => void): Socket {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on("data", onChunk);
  socket.on("error", () => socket.destroy());
  return socket;
}

async function feed(writer: Socket, input: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  // A child that reads no further breaks the pipe: its own exit code tells what that means.
  writer.on("error", () => undefined);
  try {
    for await (const chunk of input instanceof Uint8Array ? [input] : input) {
      if (writer.destroyed) return;
      if (!writer.write(chunk)) {
        await new Promise<void>((resolve) => {
          const done = (): void => {
            writer.off("drain", done).off("close", done);
            resolve();
          };
          writer.on("drain", done).on("close", done);
        });
      }
    }
    writer.end();
  } catch {
    writer.destroy();
  }
}

async function drain(readers: readonly Socket[], timeoutMs: number): Promise<void> {
  const all = Promise.all(
    readers.filter((socket) => !socket.closed).map((socket) => finished(socket).catch(() => undefined)),
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
  await Promise.race([all, late]);
  clearTimeout(timer);
  for (const socket of readers) socket.destroy();
}

async function startByNode(argv: readonly string[], options: ProcessOptions): Promise<Started> {
  const { stdin, onStdout, onStderr } = options;
  const child: ChildProcess = spawn(argv[0] ?? "", argv.slice(1), {
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: [
      stdin === undefined ? "ignore" : typeof stdin === "number" ? stdin : "pipe",
      onStdout === undefined ? "ignore" : "pipe",
      onStderr === undefined ? "ignore" : "pipe",
      ...(options.extraFds ?? []),
    ],
  });
  const exit = new Promise<ExitStatus>((resolve) =>
    child.on("exit", (exitCode, signal) => resolve({ exitCode, signal })),
  );
  await new Promise<void>((resolve, reject) => {
    child.on("spawn", resolve);
    child.on("error", reject);
  });
  const readers: Socket[] = [];
  for (const [stream, onChunk] of [
    [child.stdout, onStdout],
    [child.stderr, onStderr],
  ] as const) {
    if (stream === null || onChunk === undefined) continue;
    stream.on("data", onChunk);
    readers.push(stream as Socket);
  }
  if (child.stdin !== null && stdin !== undefined && typeof stdin !== "number") void feed(child.stdin as Socket, stdin);
  return { pid: child.pid!, exit, drained: (timeoutMs) => drain(readers, timeoutMs) };
}

function ownEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
