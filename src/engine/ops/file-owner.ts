// Owners by number or by name; names are looked up in a rootfs' own /etc/passwd and /etc/group, with links kept inside it.
// A name that is not there is 0, as BuildKit has it. Counterpart: moby/buildkit solver/llbsolver/ops/user_linux.go.

import * as fs from "node:fs";
import { byteString, errnoOf, fsPath } from "../../base/index.ts";
import { fileError } from "./file-errors.ts";
import { Destination, resolveInside } from "./file-paths.ts";

export type OwnerId =
  | { readonly kind: "id"; readonly id: number }
  /** `root` is the rootfs whose files know the name; undefined where there is none. */
  | { readonly kind: "name"; readonly name: string; readonly root: string | undefined };

export interface OwnerSpec {
  readonly user?: OwnerId | undefined;
  readonly group?: OwnerId | undefined;
}

const MAX_BYTES = 10 * 1024 * 1024;

/** Numbers of an owner; a user's own group counts where no group is given. */
export function readOwner(spec: OwnerSpec | undefined): { uid: number; gid: number } | undefined {
  if (spec === undefined) return undefined;
  const owner = { uid: 0, gid: 0 };
  if (spec.user?.kind === "id") owner.uid = owner.gid = spec.user.id;
  if (spec.user?.kind === "name") {
    const fields = findLine(spec.user, "/etc/passwd", "user");
    owner.uid = toId(fields?.[2]);
    owner.gid = toId(fields?.[3]);
  }
  if (spec.group?.kind === "id") owner.gid = spec.group.id;
  if (spec.group?.kind === "name") {
    const fields = findLine(spec.group, "/etc/group", "group");
    if (fields !== undefined) owner.gid = toId(fields[2]);
  }
  return owner;
}

function findLine(id: OwnerId & { kind: "name" }, file: string, what: string): string[] | undefined {
  if (id.root === undefined) throw fileError(`invalid missing ${what} mount`);
  const tree = new Destination(id.root);
  let fd: number;
  try {
    const flags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;
    fd = fs.openSync(fsPath(tree.at(resolveInside(tree, byteString(file)))), flags);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile() || stat.size > MAX_BYTES) throw fileError(`${file} is no file of users or groups`);
    for (const line of fs.readFileSync(fd, "utf8").split("\n")) {
      const fields = line.trim().split(":");
      if (fields[0] === id.name && id.name !== "") return fields;
    }
    return undefined;
  } finally {
    fs.closeSync(fd);
  }
}

function toId(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
}
