// Brings an archive that a job writes to where the user wants it. A file is written beside its place and renamed when it is whole,
// so that a failed or cancelled export leaves the old one; a stream gets chunks as fast as it takes them.

import { randomBytes } from "node:crypto";
import { chmod, lstat, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { BuildError, errnoOf } from "../../base/index.ts";
import type { OutputTarget } from "../ports/index.ts";
import { explainOutput } from "./failures.ts";
import type { JobProgress, SinkTarget } from "./sink.ts";
import type { ExportContext } from "./types.ts";

/** A job that writes an archive to a sink. */
export interface ArchiveJob<I> {
  readonly job: string;
  readonly input: Omit<I, "sink">;
  /** What progress calls it. */
  readonly id: string;
}

/**
 * Runs the job and leaves its archive at the target. The stream is not ended.
 *
 * @throws EXPORT_TARGET_MISSING, EXPORT_UNWRITABLE, EXPORT_CLOSED, DISK_FULL; the signal's reason.
 */
export async function deliverArchive<I>(
  archive: ArchiveJob<I>,
  type: string,
  target: OutputTarget | undefined,
  context: ExportContext,
): Promise<void> {
  if (target?.kind !== "stream" && target?.kind !== "file") throw wrongTarget(type, "file");
  context.progress(archive.id, {});
  try {
    if (target.kind === "stream") {
      await toStream(archive, target.stream, "the output stream", context);
      await target.finish?.();
    } else await toFile(archive, target.path, context);
  } finally {
    context.progress(archive.id, { completed: true });
  }
}

/** The error for an exporter that was given no place, or one of the wrong kind. */
export function wrongTarget(type: string, needed: "file" | "directory"): BuildError {
  return new BuildError(`the ${type} exporter needs a ${needed} to write to`, {
    code: "EXPORT_TARGET_MISSING",
    status: "InvalidArgument",
    hint: `name one: -o type=${type},dest=${needed === "file" ? "FILE" : "DIRECTORY"}`,
  });
}

async function toFile<I>(archive: ArchiveJob<I>, asked: string, context: ExportContext): Promise<void> {
  let temporary: string | undefined;
  try {
    const place = await placeOf(asked);
    if (place.kind === "special") {
      const stream = createWriteStream(place.path, { flags: "w" });
      await toStream(archive, stream, asked, context);
      stream.end();
      await finished(stream);
      return;
    }
    temporary = join(dirname(place.path), `.${basename(place.path)}.${randomBytes(6).toString("hex")}.tmp`);
    await runJob(archive, { kind: "file", path: temporary }, context, context.signal, () => undefined);
    context.signal.throwIfAborted();
    if (place.mode !== undefined) await chmod(temporary, place.mode);
    await rename(temporary, place.path);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => undefined);
    throw explainOutput(asked, error);
  }
}

/** Where the file really goes. Devices and pipes are written into: renaming would put a file in their place. */
async function placeOf(
  asked: string,
): Promise<{ kind: "file"; path: string; mode?: number } | { kind: "special"; path: string }> {
  try {
    const path = await realpath(asked);
    const stat = await lstat(path);
    if (stat.isDirectory()) throw Object.assign(new Error(`EISDIR: ${path}`), { code: "EISDIR", path });
    return stat.isFile() ? { kind: "file", path, mode: stat.mode & 0o777 } : { kind: "special", path };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { kind: "file", path: asked };
    throw error;
  }
}

async function toStream<I>(
  archive: ArchiveJob<I>,
  stream: NodeJS.WritableStream,
  what: string,
  context: ExportContext,
): Promise<void> {
  const credit = new SharedArrayBuffer(4);
  const count = new Int32Array(credit);
  const failure = new AbortController();
  const pending = new Set<Promise<void>>();
  const fail = (error: unknown): void => failure.abort(explainOutput(what, error));
  stream.on("error", fail);
  try {
    await runJob(
      archive,
      { kind: "chunks", credit },
      context,
      AbortSignal.any([context.signal, failure.signal]),
      (chunk) => {
        const written = Promise.withResolvers<void>();
        pending.add(written.promise);
        stream.write(chunk, (error) => {
          if (error) fail(error);
          Atomics.sub(count, 0, 1);
          Atomics.notify(count, 0);
          pending.delete(written.promise);
          written.resolve();
        });
      },
    );
    await Promise.race([Promise.all(pending), rejection(failure.signal), rejection(context.signal)]);
  } finally {
    // A stream that has failed tells so again, after its last write.
    if (!failure.signal.aborted) stream.removeListener("error", fail);
  }
}

async function runJob<I>(
  { job, input, id }: ArchiveJob<I>,
  sink: SinkTarget,
  context: ExportContext,
  signal: AbortSignal,
  onChunk: (chunk: Uint8Array) => void,
): Promise<void> {
  await context.jobs.run(
    job,
    { ...input, sink },
    {
      signal,
      onProgress: (value) => {
        const progress = value as JobProgress;
        if (progress.kind === "chunk") onChunk(progress.chunk);
        else context.progress(id, { current: progress.bytes });
      },
    },
  );
  signal.throwIfAborted();
}

function rejection(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason as Error);
  else signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  // Whoever races it may be gone by then.
  promise.catch(() => undefined);
  return promise;
}
