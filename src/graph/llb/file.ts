// File ops: copies, new files and folders, one action after the other on the same filesystem.
// Counterpart: moby/buildkit client/llb/fileop.go.

import { create } from "@bufbuild/protobuf";
import { cleanPath, joinPath } from "../../formats/patterns/index.ts";
import { pb } from "../../formats/proto/index.ts";
import { Cap } from "./caps.ts";
import type { MarshalledVertex, Marshaller, OpOptions, Output } from "./vertex.ts";
import { InputList, Vertex } from "./vertex.ts";

/** A user or group: by number, or by a name to be looked up in the filesystem the op works on. */
export type Owner = { readonly id: number } | { readonly name: string };

export interface Ownership {
  readonly user?: Owner | undefined;
  readonly group?: Owner | undefined;
}

export interface MkdirAction {
  readonly kind: "mkdir";
  readonly path: string;
  readonly mode: number;
  readonly makeParents?: boolean;
  readonly owner?: Ownership | undefined;
  /** Nanoseconds since 1970; by default the time is the builder's affair. */
  readonly timestampNs?: bigint | undefined;
}

export interface MkfileAction {
  readonly kind: "mkfile";
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly owner?: Ownership | undefined;
  readonly timestampNs?: bigint | undefined;
}

export interface RmAction {
  readonly kind: "rm";
  readonly path: string;
  readonly allowNotFound?: boolean;
  readonly allowWildcard?: boolean;
}

export interface CopyAction {
  readonly kind: "copy";
  /** Scratch when undefined. */
  readonly from: Output | undefined;
  /** Working directory of `from`, for a relative `source`. */
  readonly fromDir?: string;
  readonly source: string;
  readonly destination: string;
  readonly owner?: Ownership | undefined;
  /** A number, or symbolic text such as `u+x`. */
  readonly mode?: number | string | undefined;
  readonly followSymlinks?: boolean;
  readonly copyDirContents?: boolean;
  readonly attemptUnpack?: boolean;
  readonly createDestPath?: boolean;
  readonly allowWildcard?: boolean;
  readonly allowEmptyWildcard?: boolean;
  readonly includePatterns?: readonly string[];
  readonly excludePatterns?: readonly string[];
  readonly requiredPaths?: readonly string[];
  readonly timestampNs?: bigint | undefined;
}

export type FileAction = MkdirAction | MkfileAction | RmAction | CopyAction;

/** `user[:group]` as --chown and USER give it: "root" and decimal numbers of 31 bits are ids, the rest are names. */
export function parseOwnership(text: string): Ownership {
  const colon = text.indexOf(":");
  if (colon < 0) return { user: parseOwner(text) };
  return { user: parseOwner(text.slice(0, colon)), group: parseOwner(text.slice(colon + 1)) };
}

function parseOwner(text: string): Owner {
  if (text === "root" || text === "") return { id: 0 };
  if (/^[+-]?\d+$/.test(text)) {
    const value = Number(text);
    if (value >= -(2 ** 31) && value < 2 ** 31) return { id: value >>> 0 };
  }
  return { name: text };
}

/** Applies file actions to a filesystem. */
export class FileVertex extends Vertex {
  readonly #base: Output | undefined;
  readonly #dir: string;
  readonly #actions: readonly FileAction[];

  constructor(base: Output | undefined, dir: string, actions: readonly FileAction[], options: OpOptions) {
    super(options);
    this.#base = base;
    this.#dir = dir;
    this.#actions = actions;
    this.caps.add(Cap.fileBase);
  }

  // The base comes first, then the sources from the last action to the first: the order of a definition depends on it.
  override inputs(): readonly Output[] {
    const seen = new Set<Output>();
    if (this.#base !== undefined) seen.add(this.#base);
    for (const action of this.#actions.toReversed()) {
      if (action.kind === "copy" && action.from !== undefined) seen.add(action.from);
    }
    return Array.from(seen);
  }

  override marshal(marshaller: Marshaller): MarshalledVertex {
    const list = new InputList();
    const base = this.#base === undefined ? -1 : list.add(this.#base.toInput(marshaller));
    const sources = this.#actions.map((action) =>
      action.kind === "copy" && action.from !== undefined ? list.add(action.from.toInput(marshaller)) : -1,
    );
    const last = this.#actions.length - 1;
    const actions = this.#actions.map((action, at) =>
      create(pb.FileActionSchema, {
        input: BigInt(at === 0 ? base : list.inputs.length + at - 1),
        secondaryInput: BigInt(sources[at]!),
        output: at === last ? 0n : -1n,
        action: this.#toPb(action, base),
      }),
    );
    const op = create(pb.OpSchema, { inputs: list.inputs });
    op.op = { case: "file", value: create(pb.FileOpSchema, { actions }) };
    return this.finish(op, undefined);
  }

  #toPb(action: FileAction, base: number): pb.FileAction["action"] {
    switch (action.kind) {
      case "mkdir":
        return {
          case: "mkdir",
          value: create(pb.FileActionMkDirSchema, {
            path: absolutePath(this.#dir, action.path, false),
            mode: action.mode & 0o777,
            makeParents: action.makeParents ?? false,
            timestamp: action.timestampNs ?? -1n,
            ...ownerField(action.owner, base),
          }),
        };
      case "mkfile":
        return {
          case: "mkfile",
          value: create(pb.FileActionMkFileSchema, {
            path: absolutePath(this.#dir, action.path, false),
            mode: action.mode & 0o777,
            data: action.data,
            timestamp: action.timestampNs ?? -1n,
            ...ownerField(action.owner, base),
          }),
        };
      case "rm":
        return {
          case: "rm",
          value: create(pb.FileActionRmSchema, {
            path: absolutePath(this.#dir, action.path, false),
            allowNotFound: action.allowNotFound ?? false,
            allowWildcard: action.allowWildcard ?? false,
          }),
        };
      case "copy":
        return { case: "copy", value: this.#copyToPb(action, base) };
      default:
        return action satisfies never;
    }
  }

  #copyToPb(action: CopyAction, base: number): pb.FileActionCopy {
    const source = cleanPath(action.source);
    const copy = create(pb.FileActionCopySchema, {
      src: source.startsWith("/") ? source : joinPath(action.fromDir ?? "/", source),
      dest: absolutePath(this.#dir, action.destination, true),
      mode: typeof action.mode === "number" ? action.mode : action.mode === undefined ? -1 : 0,
      modeStr: typeof action.mode === "string" ? action.mode : "",
      followSymlink: action.followSymlinks ?? false,
      dirCopyContents: action.copyDirContents ?? false,
      attemptUnpackDockerCompatibility: action.attemptUnpack ?? false,
      createDestPath: action.createDestPath ?? false,
      allowWildcard: action.allowWildcard ?? false,
      allowEmptyWildcard: action.allowEmptyWildcard ?? false,
      includePatterns: [...(action.includePatterns ?? [])],
      excludePatterns: [...(action.excludePatterns ?? [])],
      requiredPaths: [...(action.requiredPaths ?? [])],
      timestamp: action.timestampNs ?? -1n,
      ...ownerField(action.owner, base),
    });
    return copy;
  }
}

function ownerField(owner: Ownership | undefined, base: number): { owner?: pb.ChownOpt } {
  if (owner === undefined) return {};
  const toPb = (one: Owner) =>
    create(pb.UserOptSchema, {
      user:
        "id" in one
          ? { case: "byID", value: one.id }
          : { case: "byName", value: create(pb.NamedUserOptSchema, { name: one.name, input: BigInt(base) }) },
    });
  const message = create(pb.ChownOptSchema);
  if (owner.user !== undefined) message.user = toPb(owner.user);
  if (owner.group !== undefined) message.group = toPb(owner.group);
  return { owner: message };
}

/** Joins to `dir` and cleans; `keepSlash` keeps a final `/` or `/.`, which mean "into this folder". */
function absolutePath(dir: string, path: string, keepSlash: boolean): string {
  let absolute = cleanPath(path);
  if (!absolute.startsWith("/")) absolute = joinPath("/", dir, absolute);
  if (keepSlash && path.endsWith("/") && !absolute.endsWith("/")) absolute += "/";
  else if (keepSlash && path.endsWith("/.")) absolute += absolute === "/" ? "." : "/.";
  return absolute;
}
