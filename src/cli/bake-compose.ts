// Compose files as bake reads them: not in this version. Each is refused by name, so that nothing is left out in silence.

import type { ComposeReader } from "../frontends/bake/index.ts";
import { later } from "./later.ts";

/** Refuses compose files. */
export function composeReader(): ComposeReader {
  return {
    check: ({ name }) => {
      throw later(`the compose file ${name}`, "write the targets in HCL or JSON");
    },
    load: () => ({ groups: [], targets: [] }),
  };
}
