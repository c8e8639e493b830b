// `slipway bake`: its flags, as `docker buildx bake` has them. The work is in bake-run.ts, loaded when it runs.

import { isEmbedded } from "./builder-flag.ts";
import { startWorkerEarly } from "./early-worker.ts";
import type { CommandDefinition } from "./command.ts";

export const bake: CommandDefinition = {
  name: "bake",
  aliases: ["f"],
  summary: "Build from a file",
  description:
    "Builds the targets of a definition in HCL, JSON or compose form, all at once. Without -f it reads compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml, docker-bake.json, docker-bake.hcl and their overrides, those that exist.",
  usage: "[OPTIONS] [TARGET...]",
  args: { min: 0, max: Infinity },
  // Printing and listing build nothing.
  mounts: (flags, env) =>
    isEmbedded(flags, env) &&
    !flags.bool("print") &&
    flags.string("list") === "" &&
    !flags.bool("list-targets") &&
    !flags.bool("list-variables"),
  flags: [
    { name: "allow", kind: "array", help: "Allow build to access specified resources" },
    { name: "builder", kind: "string", help: "Override the configured builder instance" },
    {
      name: "call",
      kind: "string",
      default: "build",
      help: 'Set method for evaluating build ("check", "outline", "targets")',
    },
    { name: "check", kind: "bool", help: 'Shorthand for "--call=check"' },
    { name: "file", short: "f", kind: "array", help: "Build definition file" },
    {
      name: "list",
      kind: "string",
      help: 'List targets or variables ("targets", "variables", "type=targets,format=json")',
    },
    {
      name: "list-targets",
      kind: "bool",
      help: "List available targets",
      hidden: true,
      deprecated: "list-targets is deprecated, use list=targets instead",
    },
    {
      name: "list-variables",
      kind: "bool",
      help: "List defined variables",
      hidden: true,
      deprecated: "list-variables is deprecated, use list=variables instead",
    },
    {
      name: "link-images",
      kind: "bool",
      default: "true",
      help: "Start a target from an image that another target makes; with false such images are pulled, as docker buildx bake does",
    },
    { name: "load", kind: "bool", help: 'Shorthand for "--set=*.output=type=docker". Conditional' },
    { name: "metadata-file", kind: "string", help: "Write build result metadata to a file" },
    { name: "no-cache", kind: "bool", help: "Do not use cache when building the image" },
    { name: "parallel", kind: "int", help: "How many targets are built at once (default: all)" },
    { name: "parallelism", kind: "int", help: "How many steps may run at once (default: the number of CPUs)" },
    {
      name: "policy",
      kind: "array",
      help: 'Global policy evaluation options (format: "[disabled=true|false][,strict=true|false][,log-level=level]")',
    },
    { name: "print", kind: "bool", help: "Print the options without building" },
    {
      name: "progress",
      kind: "string",
      default: "auto",
      help: 'Set type of progress output ("auto", "none", "plain", "quiet", "rawjson", "tty"). Use plain to show container output',
    },
    { name: "provenance", kind: "string", help: 'Shorthand for "--set=*.attest=type=provenance"' },
    { name: "pull", kind: "bool", help: "Always attempt to pull all referenced images" },
    { name: "push", kind: "bool", help: 'Shorthand for "--set=*.output=type=registry". Conditional' },
    { name: "sbom", kind: "string", help: 'Shorthand for "--set=*.attest=type=sbom"' },
    { name: "set", kind: "array", help: 'Override target value (e.g., "targetpattern.key=value")' },
    {
      name: "stand-in-bases",
      kind: "bool",
      help: "Make base images that can't be pulled from this machine's Debian packages instead (on by itself for the bundled examples)",
    },
    { name: "var", kind: "array", help: 'Set a variable value (e.g., "name=value")' },
  ],
  examples: [
    { what: "Build what a compose file builds", line: "slipway bake -f compose.yaml" },
    { what: "Show what would be built", line: "slipway bake --print" },
    { what: "Build one target with another tag", line: "slipway bake --set app.tags=app:dev app" },
    { what: "List targets", line: "slipway bake --list=targets" },
  ],
  run: async (invocation) => {
    startWorkerEarly(invocation, ["print", "list", "call", "check"]);
    return (await import("./bake-run.ts")).runBake(invocation);
  },
};
