// Which OCI runtime runs steps, and how it is called. crun is three times faster than runc and preferred where it works. On hybrid
// cgroups it needs the unified tree bound over /sys/fs/cgroup in our own mount namespace, and steps then have no cgroup; steps with
// limits go to runc, which is shown the original tree again.

import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { BuildError } from "../../base/index.ts";
import { bindMount, readMounts } from "../../system/linux/index.ts";

export interface Runtime {
  readonly name: "runc" | "crun";
  readonly path: string;
  /** Whether steps get a cgroup: limits need one. */
  readonly cgroups: boolean;
  /** What comes before the runtime's own arguments. */
  readonly prefix: readonly string[];
}

/** Takes every unified tree off again, in a namespace of the runtime's own, then becomes the runtime. */
const RESTORE = 'while [ -e /sys/fs/cgroup/cgroup.controllers ]; do umount /sys/fs/cgroup || break; done; exec "$@"';

export interface Runtimes {
  /** Runs steps without limits. */
  readonly usual: Runtime;
  /** Runs steps with limits; undefined where nothing can. */
  readonly limiting: Runtime | undefined;
}

/**
 * The runtimes of this machine. May bind the unified cgroup tree over the mount namespace's own view, once.
 * @param options.privateMounts whether this process has a mount namespace of its own.
 * @throws NO_RUNTIME with the command that installs one.
 */
export function findRuntimes(options: { readonly privateMounts: boolean }): Runtimes {
  const crun = findProgram("crun");
  const runc = findProgram("runc");
  const runcUsual: Runtime | undefined =
    runc === undefined ? undefined : { name: "runc", path: runc, cgroups: true, prefix: [] };
  const view = cgroupView();
  const restored: Runtime | undefined =
    runcUsual === undefined || view !== "hybrid-unified-shown"
      ? runcUsual
      : { ...runcUsual, prefix: ["unshare", "-m", "sh", "-c", RESTORE, "sh"] };
  if (crun !== undefined && process.getuid?.() === 0) {
    if (view === "unified") {
      const usual: Runtime = { name: "crun", path: crun, cgroups: true, prefix: [] };
      return { usual, limiting: usual };
    }
    if (view === "hybrid" && options.privateMounts) {
      bindMount("/sys/fs/cgroup/unified", "/sys/fs/cgroup");
      return findRuntimes(options);
    }
    if (view === "hybrid-unified-shown") {
      return { usual: { name: "crun", path: crun, cgroups: false, prefix: [] }, limiting: restored };
    }
  }
  if (restored !== undefined) return { usual: restored, limiting: restored };
  throw new BuildError("no OCI runtime found: RUN needs runc or crun", {
    code: "NO_RUNTIME",
    status: "FailedPrecondition",
    hint: "install one, for example: apt-get install -y runc",
  });
}

/** What runs containers that outlive this process, in a mount namespace that they bring. */
export interface ContainerRuntime {
  readonly name: "runc" | "crun";
  readonly path: string;
  /** The unified tree has been bound over the original cgroups in our namespace, which hides them from the container's. */
  readonly cgroupsHidden: boolean;
}

/** The quicker runtime that can give containers their control groups. @throws NO_RUNTIME. */
export function findContainerRuntime(): ContainerRuntime {
  const view = cgroupView();
  const crun = view === "unified" ? findProgram("crun") : undefined;
  const path = crun ?? findProgram("runc");
  if (path === undefined) {
    throw new BuildError("no OCI runtime found: containers need runc or crun", {
      code: "NO_RUNTIME",
      status: "FailedPrecondition",
      hint: "install one, for example: apt-get install -y runc",
    });
  }
  return { name: crun === undefined ? "runc" : "crun", path, cgroupsHidden: view === "hybrid-unified-shown" };
}

/**
 * How this mount namespace shows cgroups: v2 alone; v1 (with v2 beside it or not); or v1 hidden under its v2 tree, by us or by the
 * process that started us.
 */
function cgroupView(): "unified" | "hybrid" | "hybrid-unified-shown" | "legacy" {
  const types = readMounts()
    .filter((mount) => mount.mountPoint === "/sys/fs/cgroup")
    .map((mount) => mount.type);
  if (types.at(-1) === "cgroup2") return types.includes("tmpfs") ? "hybrid-unified-shown" : "unified";
  return existsSync("/sys/fs/cgroup/unified/cgroup.controllers") ? "hybrid" : "legacy";
}

/** Path of a program on PATH or in the usual system folders, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    "/usr/local/sbin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
  ];
  return folders
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
