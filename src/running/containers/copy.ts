// Files into and out of a container, as tar. The work is done by a small program inside of the container's own mounts, where no link
// leads outside. One that does not run is mounted for it, and can't be started meanwhile. Counterpart: moby/moby daemon/archive.go.

import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import { resolveInside } from "../../engine/executor/index.ts";
import { decompress, detectCompression } from "../../formats/archive/index.ts";
import { bindMount, lockFile, mountOverlay, unmount } from "../../system/linux/index.ts";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";
import { copyFailed, entriesOf, EntryReader, tarOf } from "./copy-entries.ts";
import { removeOutside } from "./remove.ts";
import { lookAt } from "./state.ts";
import { supervisorProgram } from "./supervisor.ts";
import type { CopyInOptions, CopyOutOptions, PathStat } from "./types.ts";

export async function statPath(
  record: ContainerRecord,
  store: ContainerStore,
  path: string,
): Promise<PathStat | undefined> {
  await using place = await enterTree(record, store);
  const program = run(["stat", place.where, path], undefined);
  const reader = new EntryReader();
  try {
    for await (const chunk of program.output) {
      for (const part of reader.push(chunk)) {
        if (!("entry" in part)) continue;
        const { mode, link, size } = part.entry;
        const kind = mode & 0o170000;
        return {
          kind: kind === 0o040000 ? "directory" : kind === 0o100000 ? "file" : "other",
          linkTarget: Buffer.from(link, "latin1").toString("utf8"),
          mode: mode & 0o7777,
          sizeBytes: size,
        };
      }
    }
    return undefined;
  } catch (error) {
    if (/: (No such file or directory|Not a directory)$/.test(error instanceof Error ? error.message : ""))
      return undefined;
    throw error;
  } finally {
    await program.ended;
  }
}

export async function* copyOut(
  record: ContainerRecord,
  store: ContainerStore,
  path: string,
  { name, followLink }: CopyOutOptions,
): AsyncIterable<Uint8Array> {
  await using place = await enterTree(record, store);
  const program = run(["copy-out", place.where, path, name, followLink ? "1" : "0"], undefined);
  try {
    yield* tarOf(program.output);
  } finally {
    program.kill();
    await program.ended;
  }
}

export async function copyIn(
  record: ContainerRecord,
  store: ContainerStore,
  folder: string,
  tar: AsyncIterable<Uint8Array>,
  { owner }: CopyInOptions,
): Promise<void> {
  if (record.config.readOnlyRoot === true && !record.mounts.some(({ target }) => within(folder, target))) {
    throw new BuildError("container rootfs is marked read-only", { code: "COPY_FAILED", status: "FailedPrecondition" });
  }
  await using place = await enterTree(record, store);
  await receive(["copy-in", place.where, folder], entriesOf(plainTar(tar), owner));
}

async function receive(argv: readonly string[], entries: AsyncIterable<Buffer>): Promise<void> {
  const program = run(argv, entries);
  const reader = new EntryReader();
  try {
    for await (const chunk of program.output) Array.from(reader.push(chunk));
    // Why there is nothing more to write is known once the writer has ended.
    await program.written;
    if (!reader.ended) throw copyFailed("copying ended too early");
  } finally {
    program.kill();
    await program.ended;
  }
}

function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** A tar that may be compressed. */
async function* plainTar(tar: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = tar[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) return;
  const start = Buffer.from(first.value);
  const rest = (async function* () {
    yield start;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
      yield Buffer.from(next.value);
  })();
  const compression = detectCompression(start.subarray(0, 8));
  if (compression === "xz" || compression === "bzip2")
    throw copyFailed(`archives in ${compression} are not understood here`);
  if (compression === "none") yield* rest;
  else {
    const { Readable } = await import("node:stream");
    yield* decompress(Readable.from(rest), compression);
  }
}

interface Program {
  readonly output: AsyncIterable<Buffer>;
  /** Rejects when what was to be written could not be read. */
  readonly written: Promise<void>;
  readonly ended: Promise<void>;
  kill(): void;
}

function run(argv: readonly string[], input: AsyncIterable<Buffer> | undefined): Program {
  const child = spawn(supervisorProgram(), argv, {
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "ignore"],
  });
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  const { stdin, stdout } = child;
  stdin?.on("error", () => undefined);
  const write = async (): Promise<void> => {
    if (stdin === null || input === undefined) return;
    try {
      for await (const chunk of input) {
        if (stdin.destroyed || child.exitCode !== null) return;
        if (!stdin.write(chunk)) await Promise.race([new Promise((resolve) => stdin.once("drain", resolve)), ended]);
      }
    } finally {
      stdin.end();
    }
  };
  const written = write();
  // Looked at by whoever awaits it; the program's own words come first.
  written.catch(() => undefined);
  return { output: stdout as AsyncIterable<Buffer>, written, ended, kill: () => void child.kill("SIGKILL") };
}

interface Tree extends AsyncDisposable {
  /** A process inside, or a folder that is the root. */
  readonly where: string;
}

async function enterTree(record: ContainerRecord, store: ContainerStore): Promise<Tree> {
  const dir = store.dir(record.id);
  for (let attempt = 0; ; attempt++) {
    const { state, alive } = lookAt(dir);
    if (state.pid > 0 && alive) return { where: String(state.pid), [Symbol.asyncDispose]: () => Promise.resolve() };
    const lock = openSync(join(dir, "lock"), "a", 0o600);
    if (lockFile(lock, "exclusive")) return mountTree(record, dir, lock);
    closeSync(lock);
    if (attempt > 300) throw copyFailed("the container is being started");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Mounts a container's tree in this process's own mount namespace; its lock is held as long. */
function mountTree(record: ContainerRecord, dir: string, lock: number): Tree {
  const where = join(dir, "rootfs");
  const mounted: string[] = [];
  const undo = (): void => {
    for (const path of mounted.toReversed()) unmount(path);
    rmdirSync(where);
    closeSync(lock);
  };
  mkdirSync(where, { recursive: true });
  try {
    const lower = record.lower.toReversed();
    const options = ["index=off", "metacopy=off", "redirect_dir=off"];
    removeOutside(join(dir, "work", "work"));
    if (lower.length === 0) bindMount(join(dir, "upper"), where);
    else mountOverlay(where, { lower, upper: join(dir, "upper"), work: join(dir, "work"), options });
    mounted.push(where);
    for (const { kind, source, target } of record.mounts) {
      const inside = kind === "tmpfs" || !existsSync(source) ? undefined : resolveInside(where, target);
      if (inside === undefined) continue;
      bindMount(source, inside);
      mounted.push(inside);
    }
  } catch (error) {
    undo();
    throw error;
  }
  return {
    where,
    [Symbol.asyncDispose]: () => {
      undo();
      return Promise.resolve();
    },
  };
}

/** The same for this machine's own tree. */
export const localTree = {
  async *copyOut(path: string, { name, followLink }: CopyOutOptions): AsyncIterable<Uint8Array> {
    const program = run(["copy-out", "/", path, name, followLink ? "1" : "0"], undefined);
    try {
      yield* tarOf(program.output);
    } finally {
      program.kill();
      await program.ended;
    }
  },

  async copyIn(folder: string, tar: AsyncIterable<Uint8Array>, { owner }: CopyInOptions): Promise<void> {
    await receive(["copy-in", "/", folder], entriesOf(plainTar(tar), owner));
  },
};
