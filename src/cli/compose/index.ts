// `slipway compose`: its verbs in the order of docker's help. What they do is in files of their own, loaded when one runs.
// Counterpart: docker/compose cmd/compose/compose.go.

import type { CommandDefinition } from "../command.ts";
import { projectFlags } from "./flags.ts";
import * as look from "./verbs-look.ts";
import * as run from "./verbs-run.ts";

export const compose: CommandDefinition = {
  name: "compose",
  summary: "Run the services of compose files",
  description:
    "Reads compose.yaml, compose.yml, docker-compose.yml or docker-compose.yaml and its override, here or in a folder above, by the same code as bake does; builds, runs, looks at and takes down what they say. Containers are known by their labels alone. " +
    "A field that is not supported is named in a warning.",
  usage: "[OPTIONS] COMMAND",
  args: { min: 0, max: Infinity },
  flags: projectFlags,
  verbs: [
    look.build,
    look.config,
    look.cp,
    run.create,
    run.down,
    look.events,
    run.exec,
    look.images,
    run.kill,
    look.logs,
    look.ls,
    run.pause,
    look.port,
    look.ps,
    look.pull,
    look.push,
    run.restart,
    run.rm,
    run.run,
    run.scale,
    run.start,
    run.stop,
    look.top,
    run.unpause,
    run.up,
    look.version,
    look.wait,
    run.watch,
  ],
  examples: [
    { what: "The CI job", line: "slipway compose up --build --exit-code-from tests" },
    { what: "Push what was tested", line: "slipway compose push" },
  ],
  run: () => Promise.reject(new Error("a verb is needed")),
};
