// A build needs a worker thread as soon as it reads its context, and a thread takes as long to start as the engine takes to load.

import { engineWorkerEntry } from "../engine/ports/index.ts";
import { startSpareWorker } from "../system/workers/index.ts";
import { isEmbedded } from "./builder-flag.ts";
import type { Invocation } from "./command.ts";

/** Starts the thread where the build is going to run in this process and none of `notBuilding`, the flags that ask for something else, is given. @throws BUILDER_NOT_FOUND. */
export function startWorkerEarly(
  { flags, shell }: Pick<Invocation, "flags" | "shell">,
  notBuilding: readonly string[],
): void {
  const isBuild = notBuilding.every((name) => !flags.has(name));
  if (isBuild && isEmbedded(flags, shell.env)) startSpareWorker(engineWorkerEntry());
}
