// What docker's command line has and this version has not: asked for, it is refused by name, never ignored.

import { BuildError } from "../base/index.ts";

/** The error for something that a later version brings. */
export function later(what: string, instead?: string): BuildError {
  return new BuildError(`${what} is not in this version of slipway; it comes with a later one`, {
    code: "NOT_IN_THIS_VERSION",
    status: "Unimplemented",
    ...(instead === undefined ? {} : { hint: instead }),
  });
}
