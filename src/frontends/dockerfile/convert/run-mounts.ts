// The mounts of RUN as ops take them. Counterpart: dockerfile2llb/{convert_runmount,convert_secrets,convert_ssh}.go.

import { baseName, cleanPath, joinPath } from "../../../formats/patterns/index.ts";
import { pb } from "../../../formats/proto/index.ts";
import { Cap, State } from "../../../graph/llb/index.ts";
import type { MountOptions, SecretOptions, SshOptions } from "../../../graph/llb/index.ts";
import { quote } from "../go/format.ts";
import type { Mount, RunCommand } from "../instructions/types.ts";
import { FrontendError } from "../source-error.ts";
import type { Location } from "../source-error.ts";
import type { Conversion } from "./context.ts";
import type { StageState } from "./stage-state.ts";

const SHARING = {
  "": pb.CacheSharingOpt.SHARED,
  shared: pb.CacheSharingOpt.SHARED,
  private: pb.CacheSharingOpt.PRIVATE,
  locked: pb.CacheSharingOpt.LOCKED,
} as const;

export interface RunMounts {
  readonly mounts: MountOptions[];
  readonly secrets: SecretOptions[];
  readonly ssh: SshOptions[];
}

/** @throws FrontendError */
export function runMounts(
  conversion: Conversion,
  stage: StageState,
  command: RunCommand,
  sources: readonly StageState[],
): RunMounts {
  const result: RunMounts = { mounts: [], secrets: [], ssh: [] };
  for (const [at, mount] of command.mounts.entries()) {
    const source = sources[at]!;
    if (mount.from === "" && mount.type === "cache") mount.from = "scratch";
    if (mount.from !== "" && !source.dispatched) {
      throw new FrontendError(
        `cannot mount from stage ${quote(mount.from)} to ${quote(mount.target)}, stage needs to be defined before current command`,
      );
    }
    if (mount.type === "secret") result.secrets.push(secretOf(stage, mount, command.location));
    else if (mount.type === "ssh") result.ssh.push(sshOf(stage, mount, command.location));
    else {
      result.mounts.push(mountOf(conversion, stage, mount, source));
      const used = mount.from === "" ? stage.contextPaths : source.paths;
      used.add(joinPath("/", mount.source));
    }
  }
  return result;
}

function mountOf(conversion: Conversion, stage: StageState, mount: Mount, source: StageState): MountOptions {
  let state = mount.from === "" ? conversion.mainContext : source.state;
  if (mount.type === "tmpfs") state = State.scratch();
  if (mount.type === "cache" && mount.id === "") mount.id = cleanPath(mount.target);
  let { target } = mount;
  if (!cleanPath(target).startsWith("/")) target = joinPath("/", stage.state.settings.dir, target);
  if (target === "/") throw new FrontendError(`invalid mount target ${quote(target)}`);
  let selector = joinPath("/", mount.source);
  if (selector === "/") {
    selector = "";
    if (mount.uid !== undefined || mount.gid !== undefined || mount.mode !== undefined) {
      state = ownedCacheFolder(mount, state);
      selector = "/cache";
    }
  }
  const dropsWrites =
    !mount.readOnly && mount.type === "bind" && conversion.client.supports(Cap.execMountBindReadWriteNoOutput);
  return {
    target,
    source: state.output,
    readonly: mount.readOnly,
    noOutput: dropsWrites,
    selector,
    ...(mount.type === "tmpfs" ? { tmpfs: { sizeBytes: mount.sizeBytes } } : {}),
    ...(mount.type === "cache"
      ? { cache: { id: `${conversion.config.cacheIdNamespace}/${mount.id}`, sharing: SHARING[mount.sharing] } }
      : {}),
  };
}

function ownedCacheFolder(mount: Mount, state: State): State {
  const owner = { user: { id: mount.uid ?? 0 }, group: { id: mount.gid ?? 0 } };
  return state.file([{ kind: "mkdir", path: "/cache", mode: mount.mode ?? 0o755, owner }], {
    customName: "[internal] setting cache mount permissions",
  });
}

function secretOf(stage: StageState, mount: Mount, location: Location): SecretOptions {
  let id = mount.source || mount.id;
  if (id === "") {
    if (mount.target === "") throw new FrontendError("one of source, target required");
    id = baseName(mount.target);
  }
  let target = mount.target === "" ? undefined : mount.target;
  if (mount.env === undefined) target ??= `/run/secrets/${baseName(id)}`;
  if (!stage.outline.secrets.has(id)) stage.outline.secrets.set(id, { location, required: mount.required });
  return { id, target, env: mount.env, optional: !mount.required, ...ownership(mount, 0o400) };
}

function sshOf(stage: StageState, mount: Mount, location: Location): SshOptions {
  if (mount.source !== "") throw new FrontendError("ssh does not support source");
  const id = mount.id || "default";
  if (!stage.outline.ssh.has(id)) stage.outline.ssh.set(id, { location, required: mount.required });
  return { id: mount.id, target: mount.target, optional: !mount.required, ...ownership(mount, 0o600) };
}

function ownership(mount: Mount, mode: number): { uid: number; gid: number; mode: number } {
  return { uid: mount.uid ?? 0, gid: mount.gid ?? 0, mode: mount.mode ?? mode };
}
