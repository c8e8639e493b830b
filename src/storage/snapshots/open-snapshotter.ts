// Which snapshotter this machine gets.

import { CopySnapshotter } from "./copy-snapshotter.ts";
import { directJobs } from "./jobs.ts";
import { OverlaySnapshotter, overlayWorks, type SnapshotterOptions } from "./overlay-snapshotter.ts";
import type { Snapshotter } from "./snapshotter.ts";

/** Opens the snapshots under `root`: by overlay where it works here, else by copies (or as `kind` says). */
export async function openSnapshotter(
  options: SnapshotterOptions & { kind?: "overlay" | "copy" | undefined },
): Promise<Snapshotter> {
  // The probe handles three files: no worker has to start for them.
  const overlay =
    options.kind === undefined ? await overlayWorks({ ...options, jobs: directJobs() }) : options.kind === "overlay";
  return overlay ? new OverlaySnapshotter(options) : new CopySnapshotter(options);
}
