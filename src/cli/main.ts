// Where `slipway` starts. Nothing but the wiring: the command line to the verbs, the process to the shell port.

import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { enterMountNamespace } from "./namespace.ts";
import { processShell } from "./process-shell.ts";
import { runCli } from "./run-cli.ts";

// Compiled code is kept beside the bundle, never in a folder that others can write to. Where it can't be kept nothing is lost but time.
if (import.meta.filename.endsWith(".js")) enableCompileCache(join(import.meta.dirname, "compile-cache"));

void runCli(process.argv.slice(2), processShell(), enterMountNamespace).then((code) => (process.exitCode = code));
