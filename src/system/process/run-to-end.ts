// A short command run to its end with its output collected: what git, runc and credential helpers are asked with.

import { type ExitStatus, type ProcessOptions, spawnProcess } from "./spawn-process.ts";

export interface RunToEndOptions extends Omit<ProcessOptions, "onStdout" | "onStderr"> {
  /** Most bytes kept of each stream; the rest is read and dropped. Defaults to 16 MiB. */
  readonly maxOutputBytes?: number;
}

export interface ProcessOutput extends ExitStatus {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Runs `argv` and resolves with how it ended, whatever its exit code. @throws as `spawnProcess`; `signal.reason` when aborted. */
export async function runToEnd(argv: readonly string[], options: RunToEndOptions = {}): Promise<ProcessOutput> {
  const { maxOutputBytes = 16 * 1024 * 1024, ...rest } = options;
  const stdout = collector(maxOutputBytes);
  const stderr = collector(maxOutputBytes);
  const child = await spawnProcess(argv, {
    ...rest,
    onStdout: (chunk) => stdout.add(chunk),
    onStderr: (chunk) => stderr.add(chunk),
  });
  const status = await child.exited;
  options.signal?.throwIfAborted();
  return { ...status, stdout: stdout.bytes(), stderr: stderr.bytes() };
}

function collector(limit: number): { add(chunk: Buffer): void; bytes(): Buffer } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add: (chunk) => {
      if (size >= limit) return;
      chunks.push(chunk.subarray(0, limit - size));
      size += chunk.length;
    },
    bytes: () => Buffer.concat(chunks),
  };
}
