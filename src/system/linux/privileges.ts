// Whether this process is root of the machine or only of a user namespace (or nobody special): what decides which attributes
// overlays may use and whether files can be given to any owner. Spec: user_namespaces(7).

import { readFileSync } from "node:fs";
import { errnoOf } from "../../base/index.ts";

let privileged: boolean | undefined;

/** True for root in the first user namespace. */
export function isPrivileged(): boolean {
  privileged ??= process.geteuid?.() === 0 && ownsAllIds();
  return privileged;
}

function ownsAllIds(): boolean {
  try {
    return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "latin1"));
  } catch {
    return true;
  }
}

/** Runs a change of owner; without privileges a refusal is fine: everything then belongs to us. @throws as node's fs. */
export function tryOwn(own: () => void): void {
  try {
    own();
  } catch (error) {
    if (isPrivileged() || (errnoOf(error) !== "EPERM" && errnoOf(error) !== "EINVAL")) throw error;
  }
}
