// What peers need of the machine.

import { spawnSync } from "node:child_process";

export function hasProgram(name: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", name]).status === 0;
}

/** The command, entering a control group of either generation first. */
export function withCgroup(group: string, argv: readonly string[]): string[] {
  const enter = `for procs in /sys/fs/cgroup/*/${group}/cgroup.procs /sys/fs/cgroup/${group}/cgroup.procs; do
    if [ -e "$procs" ]; then echo $$ > "$procs" || true; fi
  done; exec "$@"`;
  return ["sh", "-c", enter, "sh", ...argv];
}
