// Making a container: its image's layers are held for it, its folder filled, its record written last. Until that is there, the folder
// is a dead maker's to sweep.

import { chmodSync, chownSync, closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { BuildError, isBuildError } from "../../base/index.ts";
import type { Engine } from "../../engine/index.ts";
import { lockFile } from "../../system/linux/index.ts";
import { planMounts } from "../volumes/index.ts";
import type { ContainerMount } from "../volumes/index.ts";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";
import { effectiveOf } from "./effective.ts";
import { logEvent } from "./events.ts";
import { inventName } from "./names.ts";
import { removeContainer } from "./remove.ts";
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

/** @throws IMAGE_NOT_FOUND, CONTAINER_NAME_TAKEN, MOUNT_*, … Nothing is left of a container that can't be made. */
export async function createContainer(config: ContainerConfig, options: CreateOptions): Promise<ContainerRecord> {
  const { engine, store, onNotice } = options;
  for (const warning of securityOf(config).warnings) onNotice(`WARNING: ${warning}`);
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
    mkdirSync(dir, { recursive: true, mode: 0o711 });
    making = openSync(join(dir, "making"), "w", 0o600);
    lockFile(making, "exclusive", true);
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
    return record;
  } catch (error) {
    if (name !== undefined) store.freeName(name, id);
    removeContainer(dir);
    throw error;
  } finally {
    if (making !== undefined) {
      rmSync(join(dir, "making"), { force: true });
      closeSync(making);
    }
    refs.release(image.ref);
  }
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
