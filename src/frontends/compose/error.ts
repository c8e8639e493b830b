// The error of everything that is wrong with a compose file.

import { BuildError } from "../../base/index.ts";

/** COMPOSE_INVALID, with a message in compose-go's words. */
export function composeError(message: string, options: { hint?: string; cause?: unknown } = {}): BuildError {
  return new BuildError(message, { code: "COMPOSE_INVALID", status: "InvalidArgument", ...options });
}
