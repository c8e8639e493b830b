// A build needs a worker thread as soon as it reads its context, and a thread takes as long to start as the engine takes to load. Where a
// context was read before and is small, the build may need none at all.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { contextMemoryDir, engineWorkerEntry, isQuickContext } from "../engine/ports/index.ts";
import { startSpareWorker } from "../system/workers/index.ts";
import { isEmbedded } from "./builder-flag.ts";
import type { Invocation } from "./command.ts";

/**
 * Starts the thread where the build is going to run in this process, none of `notBuilding`, the flags that ask for something else, is
 * given, and `folder`, the context where it is known, has to be read whole.
 * @throws BUILDER_NOT_FOUND.
 */
export function startWorkerEarly(
  { flags, shell, root }: Pick<Invocation, "flags" | "shell" | "root">,
  notBuilding: readonly string[],
  folder?: string,
): void {
  const isBuild = notBuilding.every((name) => !flags.has(name));
  if (!isBuild || !isEmbedded(flags, shell.env)) return;
  const isQuick =
    folder === undefined ? existsSync(contextMemoryDir(root)) : isQuickContext(root, resolve(shell.cwd, folder));
  if (!isQuick) startSpareWorker(engineWorkerEntry());
}
