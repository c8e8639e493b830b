// Which snapshotter this machine gets. Trying an overlay takes ten system calls on the disk, most of what opening a store takes: that one
// worked is remembered for as long as the kernel runs, for the same user, namespace and file system.

import { readFileSync, readlinkSync, renameSync, statSync, writeFileSync } from "node:fs";
import { CopySnapshotter } from "./copy-snapshotter.ts";
import { directJobs } from "./jobs.ts";
import { OverlaySnapshotter, overlayWorks, type SnapshotterOptions } from "./overlay-snapshotter.ts";
import type { Snapshotter } from "./snapshotter.ts";

/** Opens the snapshots under `root`: by overlay where it works here, else by copies (or as `kind` says). */
export async function openSnapshotter(
  options: SnapshotterOptions & { kind?: "overlay" | "copy" | undefined },
): Promise<Snapshotter> {
  const overlay = options.kind === undefined ? await overlayWorksHere(options) : options.kind === "overlay";
  return overlay ? new OverlaySnapshotter(options) : new CopySnapshotter(options);
}

async function overlayWorksHere(options: SnapshotterOptions): Promise<boolean> {
  const note = `${options.root}.overlay`;
  const here = circumstances(options.root);
  if (here !== undefined && read(note) === here) return true;
  // The probe handles three files: no worker has to start for them.
  const works = await overlayWorks({ ...options, jobs: directJobs() });
  if (works && here !== undefined) remember(note, here, options.processId);
  return works;
}

/** What the answer depends on; undefined where it can't be told. */
function circumstances(root: string): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const privileges = /^CapEff:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    const { dev } = statSync(root, { bigint: true });
    return [boot, process.geteuid?.(), privileges, readlinkSync("/proc/self/ns/user"), dev].join(" ");
  } catch {
    return undefined;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function remember(path: string, text: string, processId: string): void {
  try {
    const temporary = `${path}.${processId}`;
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, path);
  } catch {
    // Tried again by the next process.
  }
}
