// What peers need of the machine.

import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import type { Lab } from "../harness/types.ts";

export function hasProgram(name: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", name]).status === 0;
}

/** The control group of a peer; names of one run begin with that of its folder, so that whoever ends the run finds them. */
export function groupOf(lab: Lab, id: string): string {
  return `${basename(lab.folder)}-${id}`;
}

/** The command, entering a control group of either generation first. */
export function withCgroup(group: string, argv: readonly string[]): string[] {
  const enter = `for procs in /sys/fs/cgroup/*/${group}/cgroup.procs /sys/fs/cgroup/${group}/cgroup.procs; do
    if [ -e "$procs" ]; then echo $$ > "$procs" || true; fi
  done; exec "$@"`;
  return ["sh", "-c", enter, "sh", ...argv];
}
