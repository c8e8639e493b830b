// Where `slipway` starts. Only this much, so that all the rest is loaded with the code that was compiled before.

import { join } from "node:path";
import { keepCompiledCode } from "./compiled-code.ts";

// Beside the bundle, never in a folder that others can write to.
if (import.meta.filename.endsWith(".js")) {
  keepCompiledCode(import.meta.dirname, join(import.meta.dirname, "compile-cache"));
}

void import("./start.ts").then(({ start }) => start());
