// What the machine itself has: runtime, overlay, namespaces, cgroups, disk, memory, emulators, programs.
// The costs were measured on one 2-core machine; they say how much matters, not how much exactly.

import { mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { join } from "node:path";
import { canRun, findProgram, findRuntimes } from "../../engine/executor/index.ts";
import { isBuildError, messageOf } from "../../base/index.ts";
import { formatPlatform, hostPlatform, parsePlatform } from "../../formats/oci/index.ts";
import { directJobs, openSnapshotter } from "../../storage/snapshots/index.ts";
import { gzipPieces, readMounts } from "../../system/linux/index.ts";
import type { Finding } from "./finding.ts";

const GIB = 2 ** 30;

/** @param root where the store is, or will be */
export async function machineFindings(root: string): Promise<Finding[]> {
  return [
    user(),
    runtime(),
    await overlay(root),
    cgroups(),
    userNamespaces(),
    disk(root),
    memory(),
    gzip(),
    emulators(),
    ...programs(),
  ];
}

function user(): Finding {
  if (process.getuid?.() === 0) return { area: "user", state: "good", text: "root" };
  return {
    area: "user",
    state: "missing",
    text: `user ${process.getuid?.() ?? "?"}`,
    cost: "steps can't be run, and layers are copied instead of mounted",
    remedy: "run as root, or use a daemon: slipway create --driver remote unix:///run/slipway/slipwayd.sock",
  };
}

function runtime(): Finding {
  try {
    const { usual, limiting } = findRuntimes({ privateMounts: process.env["SLIPWAY_NAMESPACE"] !== undefined });
    const text = `${usual.name} at ${usual.path}`;
    if (limiting === undefined) {
      return {
        area: "runtime",
        state: "slow",
        text,
        cost: "no step can have limits of memory or CPU",
        remedy: "apt-get install -y runc",
      };
    }
    if (usual.name === "crun") return { area: "runtime", state: "good", text };
    return {
      area: "runtime",
      state: "slow",
      text,
      cost: "a step costs about 25 ms; with crun about 10 ms",
      remedy: "apt-get install -y crun",
    };
  } catch (error) {
    const hint = isBuildError(error) ? error.hint : undefined;
    return {
      area: "runtime",
      state: "missing",
      text: "no runc, no crun",
      cost: "RUN does not work",
      remedy: hint ?? "apt-get install -y runc",
    };
  }
}

async function overlay(root: string): Promise<Finding> {
  const dir = mkdtempSync(join(existing(root), ".slipway-doctor-"));
  try {
    const snapshotter = await openSnapshotter({
      root: join(dir, "snapshots"),
      runDir: join(dir, "run"),
      processId: "doctor",
      jobs: directJobs(),
    });
    if (snapshotter.kind === "overlay")
      return { area: "overlay", state: "good", text: `works below ${existing(root)}` };
    return {
      area: "overlay",
      state: "slow",
      text: `does not work below ${existing(root)}`,
      cost: "each step copies what it stands on: seconds a step on a large base, and its space",
      remedy: "keep the store (--root) on ext4, xfs or btrfs, and run as root in a namespace that may mount",
    };
  } catch (error) {
    return {
      area: "overlay",
      state: "missing",
      text: messageOf(error),
      remedy: "choose a --root that can be written to",
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function cgroups(): Finding {
  const types = readMounts()
    .filter(({ mountPoint }) => mountPoint === "/sys/fs/cgroup" || mountPoint.startsWith("/sys/fs/cgroup/"))
    .map(({ type }) => type);
  if (types.length === 0) {
    return {
      area: "cgroups",
      state: "slow",
      text: "not mounted",
      cost: "limits of memory and CPU for steps don't work",
      remedy: "mount -t cgroup2 none /sys/fs/cgroup",
    };
  }
  if (!types.includes("cgroup")) return { area: "cgroups", state: "good", text: "v2" };
  return {
    area: "cgroups",
    state: "good",
    text: types.includes("cgroup2") ? "v1 and v2 together" : "v1",
    ...(types.includes("cgroup2") ? { cost: "crun needs a bind mount for it, which is made by itself" } : {}),
  };
}

function userNamespaces(): Finding {
  const limit = Number(tryRead("/proc/sys/user/max_user_namespaces") ?? "0");
  const forbidden = tryRead("/proc/sys/kernel/unprivileged_userns_clone")?.trim() === "0";
  if (limit > 0 && !forbidden) return { area: "user namespaces", state: "good", text: `up to ${limit}` };
  return {
    area: "user namespaces",
    state: "slow",
    text: forbidden ? "forbidden to users" : "none",
    cost: "builds without root won't work; builds as root are not affected",
    remedy: forbidden ? "sysctl -w kernel.unprivileged_userns_clone=1" : "sysctl -w user.max_user_namespaces=15000",
  };
}

function gzip(): Finding {
  using pieces = gzipPieces();
  if (pieces !== undefined) return { area: "gzip", state: "good", text: "libdeflate" };
  return {
    area: "gzip",
    state: "slow",
    text: "zlib alone",
    cost: "a gzip layer takes nearly twice the processor time, for as many bytes",
    remedy: "apt-get install -y libdeflate0",
  };
}

function disk(root: string): Finding {
  const place = existing(root);
  const { bavail, blocks, bsize } = statfsSync(place);
  const [free, total] = [bavail * bsize, blocks * bsize];
  const text = `${(free / GIB).toFixed(1)} GiB of ${(total / GIB).toFixed(1)} GiB free at ${place}`;
  if (free < 2 * GIB) {
    return {
      area: "disk",
      state: "missing",
      text,
      cost: "builds of usual images will run out of space",
      remedy: "slipway prune --all, or choose another --root",
    };
  }
  if (free < total / 5) {
    return {
      area: "disk",
      state: "slow",
      text,
      cost: "the cache is collected once a minute instead of once an hour, and keeps less",
      remedy: "slipway prune, or a larger disk",
    };
  }
  return { area: "disk", state: "good", text };
}

function memory(): Finding {
  const free = freemem();
  const text = `${(free / GIB).toFixed(1)} GiB free, ${availableParallelism()} CPUs`;
  if (free >= GIB / 2) return { area: "memory", state: "good", text };
  return {
    area: "memory",
    state: "slow",
    text,
    cost: "several steps at once may be killed",
    remedy: "--parallelism 1",
  };
}

function emulators(): Finding {
  const own = formatPlatform(hostPlatform());
  const others = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "linux/s390x", "linux/ppc64le"].filter(
    (name) => name !== own,
  );
  const runnable = others.filter((name) => canRun(parsePlatform(name)));
  if (runnable.length > 0) return { area: "platforms", state: "good", text: [own, ...runnable].join(", ") };
  return {
    area: "platforms",
    state: "slow",
    text: `${own} alone`,
    cost: "RUN for other platforms is refused; cross-compiling and COPY work",
    remedy: "register emulators with flag F (tonistiigi/binfmt), or add a node: slipway create --append",
  };
}

function programs(): Finding[] {
  const wanted: readonly [string, string, string][] = [
    ["git", "contexts and sources from git don't work", "apt-get install -y git"],
    ["ssh", "git over ssh, and builders at ssh:// addresses, don't work", "apt-get install -y openssh-client"],
    [
      "unshare",
      "mounts are made in the machine's own namespace, where a crash may leave them",
      "apt-get install -y util-linux",
    ],
  ];
  return wanted.map(([name, cost, remedy]): Finding => {
    const path = findProgram(name);
    return path === undefined
      ? { area: name, state: name === "unshare" ? "slow" : "missing", text: "not installed", cost, remedy }
      : { area: name, state: "good", text: path };
  });
}

/** The folder itself, or the nearest above it that is there. */
function existing(path: string): string {
  for (let at = path; ; at = join(at, "..")) {
    try {
      statfsSync(at);
      return at;
    } catch {
      if (at === "/") return at;
    }
  }
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
