// Errors of containers, and what their exit code is.

import { type BuildError, isBuildError } from "../base/index.ts";
import type { Invocation } from "./command.ts";
import { renderError } from "./error.ts";
import { UsageError } from "./flags.ts";

/** Runs the work; what it throws is told, and ends with its own exit code or the one given: 125, as `docker run` has it. */
export async function exitCodeOf(
  { shell, debug }: Invocation,
  work: () => Promise<number>,
  otherwise = 125,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    shell.stderr.write(renderError(error, { debug }));
    return (isBuildError(error) ? error.exitCode : undefined) ?? otherwise;
  }
}

/** Does one thing for each name: prints what `work` resolves with, tells errors and goes on. Resolves with 0, or 1 after an error. */
export async function forEachName(
  { shell, debug }: Invocation,
  names: readonly string[],
  work: (name: string) => Promise<string | undefined>,
): Promise<number> {
  let exitCode = 0;
  const done = await Promise.all(
    names.map(async (name) => {
      try {
        return { text: await work(name) };
      } catch (error) {
        return { error };
      }
    }),
  );
  for (const each of done) {
    if ("error" in each) {
      shell.stderr.write(renderError(each.error, { debug }));
      exitCode = 1;
    } else if (each.text !== undefined) shell.stdout.write(`${each.text}\n`);
  }
  return exitCode;
}

export function isUnknown(error: unknown): error is BuildError {
  return isBuildError(error) && error.code === "CONTAINER_UNKNOWN";
}
