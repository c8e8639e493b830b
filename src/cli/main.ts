// Where `slipway` starts. Only this much, so that all the rest is compiled once: V8 keeps the code of modules that are loaded after it was asked to.

import { enableCompileCache } from "node:module";
import { join } from "node:path";

// Compiled code is kept beside the bundle, never in a folder that others can write to. Where it can't be kept nothing is lost but time.
if (import.meta.filename.endsWith(".js")) enableCompileCache(join(import.meta.dirname, "compile-cache"));

void import("./start.ts").then(({ start }) => start());
