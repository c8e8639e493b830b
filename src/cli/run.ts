// `slipway run`: the definition. What it does is in run-run.ts.

import type { CommandDefinition } from "./command.ts";
import { containerFlags } from "./run-flags.ts";

export const run: CommandDefinition = {
  name: "run",
  summary: "Create and run a new container from an image",
  description:
    "Runs an image from the builder's own store: nothing is loaded into an engine, nothing is unpacked again. IMAGE is a name that was built here or is in a registry, " +
    "an OCI layout (`oci-layout://DIR`, `./DIR`), or, with --build, what a context's Dockerfile makes. Exit codes are docker's: the container's own, 125 when it could not be made, " +
    "126 when its command can't be run, 127 when there is no such command.",
  usage: "[OPTIONS] IMAGE|--build=CONTEXT [COMMAND] [ARG...]",
  // With --build the image stands there.
  args: { min: 0, max: Number.POSITIVE_INFINITY },
  argumentsLast: true,
  usageExitCode: 125,
  flags: [
    ...containerFlags,
    { name: "detach", short: "d", kind: "bool", help: "Run container in background and print container ID" },
    { name: "detach-keys", kind: "string", help: "Override the key sequence for detaching a container" },
    { name: "sig-proxy", kind: "bool", default: "true", help: "Proxy received signals to the process" },
  ],
  examples: [
    { what: "Run what was just built", line: "slipway build -t app . && slipway run --rm app" },
    { what: "Build and run in one step", line: "slipway run --rm --build . -- npm test" },
    { what: "A shell", line: "slipway run --rm -it debian bash" },
    { what: "In the background, with a port", line: "slipway run -d --name web -p 8080:80 web" },
  ],
  mounts: true,
  run: async (invocation) => (await import("./run-run.ts")).runContainer(invocation),
};
