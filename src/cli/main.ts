// Where `slipway` starts. Nothing but the wiring: the command line to the verbs, the process to the shell port.

import { enterMountNamespace } from "./namespace.ts";
import { processShell } from "./process-shell.ts";
import { runCli } from "./run-cli.ts";

process.exitCode = await runCli(process.argv.slice(2), processShell(), enterMountNamespace);
