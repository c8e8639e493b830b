// Where the whole output of steps is kept: one folder a build, one file a step. The oldest builds' logs go.

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const KEPT_BUILDS = 100;

/** A folder name for the logs of a build; older folders beyond the newest hundred are removed. */
export function newLogDir(root: string, ref: string): string {
  const logs = join(root, "logs");
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  const names = readdirSync(logs).sort();
  for (const name of names.slice(0, Math.max(0, names.length - KEPT_BUILDS)))
    rmSync(join(logs, name), { recursive: true, force: true });
  const safe = ref.replace(/[^A-Za-z0-9_-]/g, "").slice(0, 64);
  return join(logs, `${new Date().toISOString().replace(/[:.]/g, "")}-${safe}`);
}
