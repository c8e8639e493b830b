// Making a container: its image's layers are held for it, its folder filled, its record written last. Until that is there, the folder
// is a dead maker's to sweep.

import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { BuildError, isBuildError } from "../../base/index.ts";
import type { Engine } from "../../engine/index.ts";
import { lockFile, whileMaking } from "../../system/linux/index.ts";
import { checkNetworkRequest } from "../networks/index.ts";
import { dropUnborn, planMounts } from "../volumes/index.ts";
import type { ContainerMount } from "../volumes/index.ts";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";
import { effectiveOf } from "./effective.ts";
import { logEvent } from "./events.ts";
import { inventName } from "./names.ts";
import { removeContainer, UNNAMED } from "./remove.ts";
import { securityOf } from "./security.ts";
import { signalNumber } from "./start-file.ts";
import type { ContainerConfig, ContainerFile, OnNotice } from "./types.ts";

export interface CreateOptions {
  readonly engine: Engine;
  readonly store: ContainerStore;
  /** Relative folders of layouts are looked for here. */
  readonly cwd: string;
  readonly onNotice: OnNotice;
  readonly signal?: AbortSignal | undefined;
}

export interface Created {
  readonly record: ContainerRecord;
  /** Disposed when the container is to stay although its maker ends: until then one with `--rm` goes with its maker. */
  readonly made: Disposable;
}

/** @throws IMAGE_NOT_FOUND, CONTAINER_NAME_TAKEN, MOUNT_*, … Nothing is left of a container that can't be made. */
export async function createContainer(config: ContainerConfig, options: CreateOptions): Promise<Created> {
  const { engine, store, onNotice } = options;
  checkNetworkRequest(config.network);
  for (const warning of [...securityOf(config).warnings, ...logWarnings(config)]) onNotice(`WARNING: ${warning}`);
  if (engine.store.snapshotter.kind !== "overlay") {
    throw new BuildError("containers need overlayfs, which can't be mounted here", {
      code: "NO_OVERLAY",
      status: "FailedPrecondition",
      hint: "run as root on a file system that overlayfs can use (ext4, xfs, btrfs, tmpfs)",
    });
  }
  const image = await engine.rootImage(config.image, {
    platform: config.platform,
    pull: config.pull ?? "missing",
    onNotice,
    cwd: options.cwd,
    signal: options.signal,
  });
  const id = randomBytes(32).toString("hex");
  const dir = store.dir(id);
  const { refs } = engine.store;
  let making: number | undefined;
  let name: string | undefined;
  try {
    const { path, args, effective, labels, mounts: asked } = effectiveOf(id, config, image.config.config ?? {});
    signalNumber(effective.stopSignal);
    making = makeLocked(store, id);
    // Held before this process lets go of it, and found by the folder's name when the folder is gone.
    refs.rows.lease(image.ref.id, `container-${id}`);
    name = claim(config.name, id, store);
    const lower = refs.folders(image.ref).toReversed();
    makeFolders(dir, lower[0]);
    let mounts: ContainerMount[] = [];
    if (asked.length > 0) {
      await using view = await refs.view(image.ref, options.signal);
      mounts = await planMounts(asked, { root: store.root, containerId: id, imageRoot: view.path });
    }
    const { files = [], ...rest } = config;
    const record: ContainerRecord = {
      id,
      name,
      createdMs: Date.now(),
      config: rest,
      image: {
        reference: image.reference,
        digest: image.digest,
        manifestDigest: image.manifestDigest,
        configDigest: image.configDigest,
        platform: image.platform,
      },
      path,
      args,
      labels,
      effective,
      mounts: [...mounts, ...files.map((file, at) => writeFile(dir, file, at))],
      lower,
      endpoints: [],
      ports: [],
    };
    store.write(record);
    logEvent(store, "create", record);
    return { record, made: doneMaking(dir, making) };
  } catch (error) {
    if (name !== undefined) store.freeName(name, id);
    if (making !== undefined) {
      dropUnborn(store.root, id);
      removeContainer(dir);
      closeSync(making);
    }
    throw error;
  } finally {
    refs.release(image.ref);
  }
}

/** What of the log's settings has no meaning here. @throws LOG_DRIVER. */
function logWarnings({ log }: ContainerConfig): string[] {
  if (log === undefined) return [];
  if (!["", "json-file", "local", "none"].includes(log.driver)) {
    throw new BuildError(`logger: no log driver named '${log.driver}' is registered`, {
      code: "LOG_DRIVER",
      status: "InvalidArgument",
      hint: "json-file, local and none are",
    });
  }
  const known = ["max-size", "max-file", "mode", "compress"];
  for (const [name, pattern] of [
    ["max-size", /^(-1|\d+[kmg]?b?)$/i],
    ["max-file", /^[1-9]\d{0,3}$/],
  ] as const) {
    const value = log.options[name];
    if (value === undefined || pattern.test(value)) continue;
    throw new BuildError(`invalid value for ${name}: ${JSON.stringify(value)}`, {
      code: "LOG_OPTION",
      status: "InvalidArgument",
    });
  }
  const unknown = Object.keys(log.options).filter((name) => !known.includes(name));
  return unknown.map((name) => `log option ${name} has no effect here`);
}

/** The container's folder with its maker's lock in it: it has its name only when it is locked. */
function makeLocked(store: ContainerStore, id: string): number {
  mkdirSync(store.folder, { recursive: true, mode: 0o711 });
  const unnamed = join(store.folder, `${UNNAMED}${id}`);
  return whileMaking(store.folder, () => {
    mkdirSync(unnamed, { mode: 0o711 });
    const making = openSync(join(unnamed, "making"), "w", 0o600);
    lockFile(making, "exclusive", true);
    renameSync(unnamed, store.dir(id));
    return making;
  });
}

function doneMaking(dir: string, making: number): Disposable {
  let done = false;
  return {
    [Symbol.dispose]: () => {
      if (done) return;
      done = true;
      rmSync(join(dir, "making"), { force: true });
      closeSync(making);
    },
  };
}

function claim(wanted: string | undefined, id: string, store: ContainerStore): string {
  if (wanted !== undefined) {
    store.claimName(wanted, id);
    return wanted;
  }
  for (let attempt = 0; ; attempt++) {
    const name = inventName(attempt);
    try {
      store.claimName(name, id);
      return name;
    } catch (error) {
      if (attempt > 20 || !isBuildError(error) || error.code !== "CONTAINER_NAME_TAKEN") throw error;
    }
  }
}

function makeFolders(dir: string, top: string | undefined): void {
  for (const each of ["upper", "work", "bundle"])
    mkdirSync(join(dir, each), { mode: each === "upper" ? 0o755 : 0o711 });
  // The root folder's own metadata is the upper folder's.
  if (top === undefined) return;
  const { mode, uid, gid } = statSync(top);
  chownSync(join(dir, "upper"), uid, gid);
  chmodSync(join(dir, "upper"), mode & 0o7777);
}

function writeFile(dir: string, file: ContainerFile, at: number): ContainerMount {
  mkdirSync(join(dir, "files"), { recursive: true, mode: 0o711 });
  const source = join(dir, "files", String(at));
  writeFileSync(source, file.content, { mode: 0o600 });
  chownSync(source, file.uid, file.gid);
  chmodSync(source, file.mode);
  return { kind: "bind", source, target: file.target, readOnly: true, options: ["rbind", "rprivate", "ro"] };
}
