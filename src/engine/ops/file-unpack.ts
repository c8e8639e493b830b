// ADD of a local tar archive: it is unpacked instead of copied. What counts is the content, not the name: anything that
// decompresses to a tar header. xz and bzip2 are left to the programs of those names.
// Counterpart: moby/buildkit solver/llbsolver/file/unpack.go; moby/go-archive.

import { spawn } from "node:child_process";
import * as fs from "node:fs";
import type { Readable } from "node:stream";
import { BuildError, type ByteString, errnoOf, fsPath, isBuildError } from "../../base/index.ts";
import { decompress, detectCompression, TarReader } from "../../formats/archive/index.ts";
import { LayerUnpacker } from "../../storage/snapshots/index.ts";
import { type JobContext, throwIfAborted } from "../../system/workers/index.ts";

/** Whether a file is a tar archive, compressed or not. */
export async function isArchive(path: ByteString): Promise<boolean> {
  if (!fs.lstatSync(fsPath(path), { throwIfNoEntry: false })?.isFile()) return false;
  let found = false;
  const reader = new TarReader({ entry: () => (found = true), data: () => undefined, end: () => undefined });
  try {
    for await (const chunk of openArchive(path)) {
      reader.push(chunk);
      if (found) return true;
    }
  } catch (error) {
    // A tool that is missing must be heard of: the file would be copied as it is, silently.
    if (isBuildError(error) && error.code === "ARCHIVE_TOOL_MISSING") throw error;
    return found;
  }
  return found;
}

/** Unpacks an archive into a folder that is there; links of the archive are followed inside it only. */
export async function unpackArchive(
  path: ByteString,
  target: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
  context: JobContext,
): Promise<void> {
  using unpacker = new LayerUnpacker(target, {}, { whiteouts: false, owner });
  for await (const chunk of openArchive(path)) {
    throwIfAborted(context);
    unpacker.push(chunk);
  }
  unpacker.finish();
}

async function* openArchive(path: ByteString): AsyncGenerator<Buffer, void, void> {
  const fd = fs.openSync(fsPath(path), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  const start = Buffer.alloc(8);
  const compression = detectCompression(start.subarray(0, fs.readSync(fd, start, 0, start.length, 0)));
  if (compression === "xz" || compression === "bzip2") {
    yield* throughTool(compression, fd);
    return;
  }
  const source: Readable = fs.createReadStream("", { fd, start: 0, highWaterMark: 256 * 1024 });
  yield* decompress(source, compression);
}

async function* throughTool(tool: "xz" | "bzip2", fd: number): AsyncGenerator<Buffer, void, void> {
  let failure: unknown;
  const child = spawn(tool, ["-dc"], { stdio: [fd, "pipe", "ignore"] });
  const exited = new Promise<number | null>((resolve) => {
    child.on("close", resolve);
    child.on("error", (error) => {
      failure = error;
      resolve(null);
    });
  });
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const code = await exited;
    if (errnoOf(failure) === "ENOENT") {
      throw new BuildError(`unpacking this archive takes the program ${tool}, which is not installed`, {
        code: "ARCHIVE_TOOL_MISSING",
        status: "FailedPrecondition",
        hint: `install ${tool === "xz" ? "xz-utils" : "bzip2"}`,
      });
    }
    if (code !== 0) throw new BuildError(`${tool} data is corrupt`, { code: "BLOB_CORRUPT", status: "DataLoss" });
  } finally {
    child.kill();
    await exited;
    fs.closeSync(fd);
  }
}
