// Who a process runs as: names looked up in the image's own passwd and group files, read without ever leaving its root.
// Counterpart: moby/buildkit executor/oci/user.go; moby/sys/user.

import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { BuildError } from "../../base/index.ts";
import { openIn } from "../../system/linux/index.ts";

export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

const MAX_ID = 2 ** 31 - 1;
const MAX_FILE_BYTES = 8 * 1024 * 1024;

/** @throws PROCESS_USER when a name has no entry, or an id is out of range. */
export function resolveUser(rootPath: string, user: string): ProcessUser {
  if (user === "" || user === "root" || user === "0" || user === "0:0")
    return { uid: 0, gid: 0, additionalGids: rootGroups(rootPath, user) };
  const [name, group] = splitOnce(user);
  const passwd = entriesOf(readInside(rootPath, "etc/passwd"));
  const groups = entriesOf(readInside(rootPath, "etc/group"));

  const entry = passwd.find((each) => each[0] === name) ?? passwd.find((each) => each[2] === name);
  const uid = entry === undefined ? numericId(name, "user", "passwd") : Number(entry[2]);
  let gid = entry === undefined ? 0 : Number(entry[3]);
  let additionalGids: number[] = [];
  if (group !== undefined && group !== "") {
    const found = groups.find((each) => each[0] === group) ?? groups.find((each) => each[2] === group);
    gid = found === undefined ? numericId(group, "group", "group") : Number(found[2]);
  } else if (entry !== undefined) {
    const member = groups
      .filter((each) => (each[3] ?? "").split(",").includes(entry[0] ?? ""))
      .map((each) => Number(each[2]));
    additionalGids = member.filter((id) => Number.isInteger(id) && id >= 0);
  }
  return { uid: inRange(uid, user), gid: inRange(gid, user), additionalGids };
}

/** Root has the groups that the image's group file gives it. */
function rootGroups(rootPath: string, user: string): number[] {
  if (user.includes(":")) return [];
  const groups = entriesOf(readInside(rootPath, "etc/group"));
  return groups.filter((each) => (each[3] ?? "").split(",").includes("root")).map((each) => Number(each[2]));
}

function splitOnce(user: string): [string, string | undefined] {
  const colon = user.indexOf(":");
  return colon < 0 ? [user, undefined] : [user.slice(0, colon), user.slice(colon + 1)];
}

function numericId(text: string, what: "user" | "group", file: string): number {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text);
  throw new BuildError(`unable to find ${what} ${text}: no matching entries in ${file} file`, {
    code: "PROCESS_USER",
    status: "InvalidArgument",
    hint: `create the ${what} in the image (for example with RUN ${what}add ${text}), or use a numeric id`,
  });
}

function inRange(id: number, user: string): number {
  if (Number.isInteger(id) && id >= 0 && id <= MAX_ID) return id;
  throw new BuildError(`uids and gids must be in range 0-${MAX_ID}: ${user}`, {
    code: "PROCESS_USER",
    status: "InvalidArgument",
  });
}

function entriesOf(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

/** A file of the image as text; empty when it is absent or not a regular file. */
function readInside(rootPath: string, path: string): string {
  let rootFd: number | undefined;
  let fd: number | undefined;
  try {
    rootFd = openSync(rootPath, constants.O_RDONLY | constants.O_DIRECTORY);
    fd = openIn(rootFd, path, { flags: constants.O_RDONLY | constants.O_NONBLOCK });
    const text = readFileSync(fd);
    return text.subarray(0, MAX_FILE_BYTES).toString("utf8");
  } catch {
    return "";
  } finally {
    if (fd !== undefined) closeSync(fd);
    if (rootFd !== undefined) closeSync(rootFd);
  }
}
