// Errors as people see them: the Dockerfile's lines, one ERROR line, one hint. Rendering is pure.
// Counterpart: docker/buildx cmd/buildx/main.go.

import { type BuildError, isBuildError, messageOf, redact } from "../base/index.ts";
import { sourceExcerpt } from "./progress/index.ts";

/** An error with what was being done; the cause keeps the facts. */
export class Failure extends Error {
  override readonly name = "Failure";

  constructor(what: string, cause: unknown) {
    super(`${what}: ${messageOf(cause)}`, { cause });
  }

  /** The result of `work`; what it throws becomes a Failure. */
  static of<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw new Failure(what, error);
    }
  }

  /** The same for work that takes time. */
  static async wrap<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new Failure(what, error);
    }
  }
}

/** What goes to stderr, newline included. With `debug`, the stacks too. */
export function renderError(error: unknown, { debug }: { debug: boolean }): string {
  const facts = factsOf(error);
  let out = "";
  for (const span of facts?.sources ?? []) out += sourceExcerpt(span);
  out += `ERROR: ${redact(messageOf(error))}\n`;
  if (facts?.hint !== undefined) out += `hint: ${facts.hint}\n`;
  if (debug)
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      out += `${redact(cause.stack ?? cause.message)}\n`;
  // oxlint-disable-next-line no-control-regex
  return out.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}

function factsOf(error: unknown): BuildError | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) if (isBuildError(cause)) return cause;
  return undefined;
}
