// The mounts of a step: what stands at its root and elsewhere, what becomes a result, and what is given back at its end.
// Counterpart: moby/buildkit frontend/gateway/container/container.go PrepareMounts.

import { posix } from "node:path";
import { BuildError } from "../../base/index.ts";
import { pb } from "../../formats/proto/index.ts";
import type { CacheMounts, MutableRef, Ref, RefStore, Sharing } from "../../storage/refs/index.ts";
import { runToEnd } from "../../system/process/index.ts";
import { resolveInside } from "../executor/index.ts";
import type { ContainerMount } from "../executor/index.ts";
import type { SessionPort } from "../ports/index.ts";
import { provideAgent, provideSecret } from "./secrets.ts";
import { rooted } from "./selectors.ts";

export interface ExecMountHost {
  readonly refs: RefStore;
  readonly cacheMounts: CacheMounts;
  /** Folder of this process for what steps need. */
  readonly runDir: string;
  readonly session: SessionPort;
  readonly signal: AbortSignal;
}

export interface PreparedMounts {
  readonly rootPath: string;
  readonly rootReadOnly: boolean;
  readonly mounts: readonly ContainerMount[];
  /** Commits what the op gives as results, in order of their output index. Call once, after success. */
  commit(description: string): Promise<Ref[]>;
}

/** Prepares every mount of `op`; `inputs` are refs by input index. What is registered on `stack` is given back by its owner. */
export async function prepareMounts(
  op: pb.ExecOp,
  inputs: readonly Ref[],
  host: ExecMountHost,
  stack: AsyncDisposableStack,
): Promise<PreparedMounts> {
  const preparing = new MountPreparer(inputs, host, stack);
  let root: { path: string; readOnly: boolean } | undefined;
  const mounts: ContainerMount[] = [];
  const ordered = op.mounts
    .map((mount) => ({ mount, dest: destOf(mount, op) }))
    .sort((a, b) => depth(a.dest) - depth(b.dest));
  for (const { mount, dest } of ordered) {
    const made = await preparing.one(mount, dest);
    if (made === undefined) continue;
    if (dest !== "/") mounts.push(made);
    else if (made.kind === "bind") root = { path: made.source, readOnly: made.readOnly };
    else
      throw new BuildError("the root of a step can't be a tmpfs", { code: "INVALID_LLB", status: "InvalidArgument" });
  }
  if (root === undefined)
    throw new BuildError("a step needs a root mount", { code: "INVALID_LLB", status: "InvalidArgument" });
  return {
    rootPath: root.path,
    rootReadOnly: root.readOnly,
    mounts,
    commit: (description) => preparing.commit(description),
  };
}

class MountPreparer {
  readonly #inputs: readonly Ref[];
  readonly #host: ExecMountHost;
  readonly #stack: AsyncDisposableStack;
  readonly #outputs = new Map<number, { mutable: MutableRef } | { ref: Ref }>();

  constructor(inputs: readonly Ref[], host: ExecMountHost, stack: AsyncDisposableStack) {
    this.#inputs = inputs;
    this.#host = host;
    this.#stack = stack;
  }

  one(mount: pb.Mount, dest: string): Promise<ContainerMount | undefined> {
    switch (mount.mountType) {
      case pb.MountType.BIND:
        return this.#bind(mount, dest);
      case pb.MountType.CACHE:
        return this.#cache(mount, dest);
      case pb.MountType.TMPFS: {
        const size = Number(mount.TmpfsOpt?.size ?? 0n);
        return Promise.resolve({ kind: "tmpfs", dest, sizeBytes: size > 0 ? size : undefined });
      }
      case pb.MountType.SECRET:
        return this.#secret(mount, dest);
      case pb.MountType.SSH:
        return this.#agent(mount, dest);
      default:
        throw new BuildError(`mount type ${String(mount.mountType)} is not known`, {
          code: "INVALID_LLB",
          status: "InvalidArgument",
        });
    }
  }

  async commit(description: string): Promise<Ref[]> {
    const results: Ref[] = [];
    for (const [index, output] of [...this.#outputs].sort(([a], [b]) => a - b)) {
      results[index] = "ref" in output ? output.ref : await output.mutable.commit({ description });
    }
    return results;
  }

  async #bind(mount: pb.Mount, dest: string): Promise<ContainerMount> {
    const { refs, signal } = this.#host;
    const parent = this.#input(mount);
    const output = Number(mount.output);
    if (mount.readonly) {
      const view = this.#stack.use(await refs.view(parent ?? this.#scratch(), signal));
      if (output >= 0) this.#outputs.set(output, { ref: refs.hold(parent ?? this.#scratch()) });
      return { kind: "bind", source: select(view.path, mount.selector), dest, readOnly: true };
    }
    const mutable = this.#stack.use(await refs.mutable(parent ?? this.#scratch(), signal));
    if (output >= 0) this.#outputs.set(output, { mutable });
    return { kind: "bind", source: select(mutable.path, mount.selector), dest, readOnly: false };
  }

  async #cache(mount: pb.Mount, dest: string): Promise<ContainerMount> {
    const { refs, cacheMounts, signal } = this.#host;
    const base = this.#input(mount);
    const id = mount.cacheOpt?.ID || dest;
    const seed = async (path: string) => {
      if (base === undefined) throw new Error("no seed");
      await using view = await refs.view(base, signal);
      const copied = await runToEnd(["cp", "-a", `${view.path}/.`, path], { signal });
      if (copied.exitCode !== 0) throw new Error(`filling cache mount ${id}: ${copied.stderr.toString().trim()}`);
    };
    const request = {
      name: base === undefined ? id : `${id}:${base.id}`,
      description: `cached mount ${dest} from exec`,
      ...(base === undefined ? {} : { seed }),
    };
    const sharing = sharingOf(mount.cacheOpt?.sharing ?? pb.CacheSharingOpt.SHARED);
    const cache = this.#stack.use(await cacheMounts.acquire({ ...request, sharing }, signal));
    return { kind: "bind", source: select(cache.path, mount.selector), dest, readOnly: mount.readonly };
  }

  async #secret(mount: pb.Mount, dest: string): Promise<ContainerMount | undefined> {
    if (mount.secretOpt === undefined) return undefined;
    const { session, runDir, signal } = this.#host;
    const file = await provideSecret(session, mount.secretOpt, runDir, signal);
    if (file === undefined) return undefined;
    this.#stack.use(file);
    return { kind: "bind", source: file.path, dest, readOnly: true };
  }

  async #agent(mount: pb.Mount, dest: string): Promise<ContainerMount | undefined> {
    if (mount.SSHOpt === undefined) return undefined;
    const socket = await provideAgent(this.#host.session, mount.SSHOpt, this.#host.runDir);
    if (socket === undefined) return undefined;
    this.#stack.use(socket);
    return { kind: "bind", source: socket.path, dest, readOnly: true };
  }

  #input(mount: pb.Mount): Ref | undefined {
    if (mount.input === -1n) return undefined;
    const ref = this.#inputs[Number(mount.input)];
    if (ref === undefined)
      throw new BuildError(`invalid mount input ${mount.input}`, { code: "INVALID_LLB", status: "InvalidArgument" });
    return ref;
  }

  #scratch(): Ref {
    const ref = this.#host.refs.scratch();
    this.#stack.defer(() => this.#host.refs.release(ref));
    return ref;
  }
}

function select(path: string, selector: string): string {
  const wanted = rooted(selector);
  if (wanted === "/") return path;
  const found = resolveInside(path, wanted);
  if (found === undefined) {
    throw new BuildError(`failed to mount ${wanted}: no such file or directory`, {
      code: "MOUNT_SOURCE_MISSING",
      status: "NotFound",
      hint: "check the source= of the mount",
    });
  }
  return found;
}

function destOf(mount: pb.Mount, op: pb.ExecOp): string {
  return rooted(mount.dest.startsWith("/") ? mount.dest : posix.join(op.meta?.cwd ?? "/", mount.dest));
}

function depth(dest: string): number {
  return dest === "/" ? 0 : dest.split("/").length;
}

function sharingOf(sharing: pb.CacheSharingOpt): Sharing {
  if (sharing === pb.CacheSharingOpt.PRIVATE) return "private";
  return sharing === pb.CacheSharingOpt.LOCKED ? "locked" : "shared";
}
