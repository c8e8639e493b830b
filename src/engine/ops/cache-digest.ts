// Digests and selectors that say how an op is cached; byte for byte BuildKit's, because caches are exchanged with it.
// Counterpart: moby/buildkit solver/llbsolver/ops/{exec,file,merge,diff,source}.go CacheMap.

import { posix } from "node:path";
import { clone } from "@bufbuild/protobuf";
import { BuildError, digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { pb } from "../../formats/proto/index.ts";
import { goJson, goString } from "./go-json.ts";
import { compareBytes, dedupePaths, dedupeSelectors, rooted, selectorOf } from "./selectors.ts";
import type { Selector } from "./selectors.ts";

/** How an input takes part in an op's key. */
export interface DepDigest {
  readonly selector?: Digest;
  /** Parts whose content may stand for the input; empty means the whole tree; absent means that content must not be used. */
  readonly content?: readonly Selector[];
}

export interface OpDigest {
  readonly digest: Digest;
  readonly deps: readonly DepDigest[];
}

export function sourceDigest(key: string): string {
  const digest = digestOf(`buildkit.source.v0:${key}`);
  return key.startsWith("session:") ? `random:${digest.slice("sha256:".length)}` : digest;
}

export function execDigest(op: pb.ExecOp, platform: Platform, inputs: number): OpDigest {
  const exec = clone(pb.ExecOpSchema, op);
  for (const host of exec.meta?.extraHosts ?? []) host.IP = "";
  if (exec.meta) delete exec.meta.proxyEnv;
  for (const mount of exec.mounts) {
    mount.selector = "";
    if (mount.cacheOpt && !isDefaultCacheMount(mount)) {
      mount.cacheOpt.ID = "";
      mount.cacheOpt.sharing = pb.CacheSharingOpt.SHARED;
    }
  }
  if (exec.mounts.length === 1 && isPlainRoot(exec.mounts[0]!)) exec.mounts = [];
  const parts = [`"Type":"buildkit.exec.v0"`, `"Exec":${goJson(pb.ExecOpSchema, exec)}`];
  parts.push(`"OS":${goString(platform.os)}`, `"Arch":${goString(platform.architecture)}`);
  if (platform.variant) parts.push(`"Variant":${goString(platform.variant)}`);
  if (platform.osVersion) parts.push(`"OSVersion":${goString(platform.osVersion)}`);
  if (platform.osFeatures?.length) parts.push(`"OSFeatures":[${platform.osFeatures.map(goString).join(",")}]`);
  return { digest: digestOf(`{${parts.join(",")}}`), deps: execDeps(op, inputs) };
}

export function fileDigest(op: pb.FileOp, inputs: number): OpDigest {
  const selectors = new Map<number, Selector[]>();
  const written = new Set<number>();
  const select = (input: number, selector: Selector) =>
    selectors.set(input, [...(selectors.get(input) ?? []), selector]);
  const actions: string[] = [];
  const indexes: [number, number, number][] = [];
  for (const action of op.actions) {
    if (action.input !== -1n) written.add(Number(action.input));
    const text = actionJson(action, inputs, select);
    actions.push(`"${Buffer.from(text).toString("base64")}"`);
    indexes.push([Number(action.input), Number(action.secondaryInput), Number(action.output)]);
  }
  const parts = [`"Type":"buildkit.file.v0"`, `"Actions":${actions.length > 0 ? `[${actions.join(",")}]` : "[]"}`];
  if (indexes.length > 0 && !areDefaultIndexes(indexes)) parts.push(`"indexes":${JSON.stringify(indexes)}`);

  const deps: DepDigest[] = Array.from({ length: inputs }, () => ({}));
  for (const [input, list] of selectors) {
    if (input < 0 || input >= inputs) {
      throw new BuildError(`invalid input index ${input} in file op with ${inputs} inputs`, invalid);
    }
    if (written.has(input)) continue;
    const paths = list
      .map((each) => each.path)
      .sort(compareBytes)
      .reverse();
    deps[input] = { selector: digestOf(paths.join("\0")), content: dedupeSelectors(list) };
  }
  return { digest: digestOf(`{${parts.join(",")}}`), deps };
}

export function mergeDigest(op: pb.MergeOp): OpDigest {
  return {
    digest: digestOf(`{"Type":"buildkit.merge.v0","Merge":${goJson(pb.MergeOpSchema, op)}}`),
    deps: op.inputs.map(() => ({})),
  };
}

export function diffDigest(op: pb.DiffOp): OpDigest {
  const inputs = [op.lower?.input, op.upper?.input].filter((input) => input !== undefined && input !== -1n);
  return {
    digest: digestOf(`{"Type":"buildkit.diff.v0","Diff":${goJson(pb.DiffOpSchema, op)}}`),
    deps: inputs.map(() => ({})),
  };
}

const invalid = { code: "INVALID_LLB", status: "InvalidArgument" } as const;

/** Mounts that a Dockerfile makes by default keep their id in the key; all others lose it, so that ids may change freely. */
function isDefaultCacheMount(mount: pb.Mount): boolean {
  const { ID: id, sharing } = mount.cacheOpt!;
  if (sharing !== pb.CacheSharingOpt.SHARED) return false;
  if (id === mount.dest) return true;
  const slash = id.indexOf("/");
  return slash >= 0 && id.slice(slash + 1) === mount.dest;
}

/** The one mount of a plain RUN; BuildKit leaves it out of the key. */
function isPlainRoot(mount: pb.Mount): boolean {
  const { dest, readonly, mountType, cacheOpt, SSHOpt, secretOpt, resultID } = mount;
  const isBind = mountType === pb.MountType.BIND && !readonly;
  return dest === "/" && isBind && !cacheOpt && !SSHOpt && !secretOpt && resultID === "";
}

function execDeps(op: pb.ExecOp, inputs: number): DepDigest[] {
  const read = Array.from({ length: inputs }, () => ({ paths: [] as string[], byContent: false }));
  for (const mount of op.mounts) {
    const { SECRET, SSH, TMPFS } = pb.MountType;
    if ([SECRET, SSH, TMPFS].includes(mount.mountType) || mount.input === -1n) continue;
    const dep = read[Number(mount.input)];
    if (dep === undefined) throw new BuildError(`invalid mountinput ${mount.input}`, invalid);
    const path = rooted(mount.selector);
    dep.paths.push(path);
    dep.byContent = mayUseContent(mount, path);
  }
  return read.map(({ paths, byContent }) => {
    if (paths.length === 0) return {};
    const selector = digestOf(paths.join("\0"));
    if (!byContent) return { selector };
    const unique = dedupePaths(paths);
    const whole = unique.some((path) => path === "/");
    return { selector, content: whole ? [] : unique.map((path) => selectorOf(path, { followLinks: true })) };
  });
}

/** Content may stand for a mount only where nothing unselected can reach a result. */
function mayUseContent(mount: pb.Mount, path: string): boolean {
  const safe = mount.output === -1n || mount.readonly || path === "/";
  switch (mount.contentCache) {
    case pb.MountContentCache.OFF:
      return false;
    case pb.MountContentCache.ON:
      if (!safe) throw new BuildError(`invalid mount cache content ${mount.dest}`, invalid);
      return true;
    default:
      return safe && mount.dest !== "/";
  }
}

function actionJson(
  action: pb.FileAction,
  inputs: number,
  select: (input: number, selector: Selector) => void,
): string {
  const { action: choice } = action;
  switch (choice.case) {
    case "mkdir":
      selectOwner(choice.value.owner, select);
      return goJson(pb.FileActionMkDirSchema, choice.value);
    case "mkfile":
      selectOwner(choice.value.owner, select);
      return goJson(pb.FileActionMkFileSchema, choice.value);
    case "symlink":
      return goJson(pb.FileActionSymlinkSchema, choice.value);
    case "rm":
      return goJson(pb.FileActionRmSchema, choice.value);
    case "copy": {
      const copy = clone(pb.FileActionCopySchema, choice.value);
      selectOwner(copy.owner, select);
      if (action.secondaryInput !== -1n && Number(action.secondaryInput) < inputs) {
        select(
          Number(action.secondaryInput),
          selectorOf(copy.src, {
            wildcard: copy.allowWildcard,
            followLinks: copy.followSymlink,
            includePatterns: copy.includePatterns,
            excludePatterns: copy.excludePatterns,
            requiredPaths: copy.requiredPaths,
          }),
        );
        copy.src = goBase(copy.src);
      }
      return goJson(pb.FileActionCopySchema, copy);
    }
    default:
      return "";
  }
}

function selectOwner(owner: pb.ChownOpt | undefined, select: (input: number, selector: Selector) => void): void {
  for (const [option, path] of [
    [owner?.user, "/etc/passwd"],
    [owner?.group, "/etc/group"],
  ] as const) {
    if (option?.user.case !== "byName") continue;
    const input = Number(option.user.value.input);
    if (input < 0) continue; // BuildKit drops this error too: the name is then looked up in an empty tree
    select(input, selectorOf(path, { followLinks: true }));
  }
}

/** Go's path.Base. */
function goBase(path: string): string {
  if (path === "") return ".";
  return posix.basename(path) || "/";
}

/** The shape that older BuildKits left out of the key; it still is. */
function areDefaultIndexes(indexes: readonly [number, number, number][]): boolean {
  const last = indexes.length - 1;
  return indexes.every(([input, secondary, output], at) => {
    if (at === 0 ? input !== 0 : input !== indexes.length + (at - 1)) return false;
    if (secondary !== -1 && secondary !== 1) return false;
    return at === last ? output === 0 : output === -1;
  });
}
