// `slipway build`: its flags, as `docker buildx build` has them, and ours. The work is in build-run.ts, loaded when it runs.

import { isEmbedded } from "./builder-flag.ts";
import { resourceNames } from "./build-values.ts";
import { startWorkerEarly } from "./early-worker.ts";
import type { CommandDefinition } from "./command.ts";
import type { FlagDefinition } from "./flags.ts";

const legacyResources: readonly FlagDefinition[] = resourceNames.map((name) => ({
  name,
  kind: "string",
  help: `Resource limit, as --resource ${name}=VALUE`,
  hidden: true,
  ...(name === "memory" ? { short: "m" } : name === "cpu-shares" ? { short: "c" } : {}),
}));

export const build: CommandDefinition = {
  name: "build",
  aliases: ["b"],
  summary: "Start a build",
  description:
    "Builds a Dockerfile with the files of a folder, a git repository, a tar archive from the web or from standard input. The result is kept as an image in the store unless -o says otherwise.",
  usage: "[OPTIONS] PATH | URL | -",
  args: { min: 1, max: 1 },
  mounts: (flags, env) => isEmbedded(flags, env),
  flags: [
    { name: "add-host", kind: "slice", help: 'Add a custom host-to-IP mapping (format: "host:ip")' },
    {
      name: "allow",
      kind: "array",
      help: 'Allow extra privileged entitlement (e.g., "network.host", "security.insecure", "buildx.local.delete")',
    },
    { name: "annotation", kind: "array", help: "Add annotation to the image" },
    { name: "attest", kind: "array", help: 'Attestation parameters (format: "type=sbom,generator=image")' },
    { name: "build-arg", kind: "array", help: "Set build-time variables" },
    {
      name: "build-context",
      kind: "array",
      help: "Additional build contexts (e.g., name=path, name=docker-image://image, name=oci-layout://dir:tag, name=URL)",
    },
    {
      name: "builder",
      kind: "string",
      help: 'Override the configured builder instance ("embedded" is the one in this process)',
    },
    {
      name: "cache-from",
      kind: "array",
      help: 'External cache sources (e.g., "user/app:cache", "type=local,src=path/to/dir")',
    },
    {
      name: "cache-to",
      kind: "array",
      help: 'Cache export destinations (e.g., "user/app:cache", "type=local,dest=path/to/dir,mode=max")',
    },
    {
      name: "call",
      kind: "string",
      default: "build",
      help: 'Set method for evaluating build ("check", "outline", "targets")',
    },
    { name: "cgroup-parent", kind: "string", help: 'Set the parent cgroup for the "RUN" instructions during build' },
    { name: "check", kind: "bool", help: 'Shorthand for "--call=check"' },
    {
      name: "file",
      short: "f",
      kind: "string",
      help: 'Name or URL of the Dockerfile, or "-" for stdin (default: "PATH/Dockerfile")',
    },
    { name: "iidfile", kind: "string", help: "Write the image ID to a file" },
    { name: "label", kind: "array", help: "Set metadata for an image" },
    { name: "load", kind: "bool", help: 'Shorthand for "--output=type=docker"' },
    { name: "metadata-file", kind: "string", help: "Write build result metadata to a file" },
    {
      name: "network",
      kind: "string",
      default: "default",
      help: 'Set the networking mode for the "RUN" instructions during build ("default", "host", "none")',
    },
    { name: "no-cache", kind: "bool", help: "Do not use cache when building the image" },
    { name: "no-cache-filter", kind: "array", help: "Do not cache specified stages" },
    {
      name: "output",
      short: "o",
      kind: "array",
      help: 'Output destination (format: "type=local,dest=path"; types: image, registry, local, tar, oci, docker)',
    },
    { name: "parallelism", kind: "int", help: "How many steps may run at once (default: the number of CPUs)" },
    { name: "platform", kind: "array", help: "Set target platform for build" },
    { name: "policy", kind: "array", help: "Policy configuration (not in this version)", hidden: true },
    {
      name: "progress",
      kind: "string",
      default: "auto",
      help: 'Set type of progress output ("auto", "none", "plain", "quiet", "rawjson", "tty"). Use plain to show container output',
    },
    { name: "provenance", kind: "string", help: 'Shorthand for "--attest=type=provenance"' },
    { name: "pull", kind: "bool", help: "Always attempt to pull all referenced images" },
    { name: "push", kind: "bool", help: 'Shorthand for "--output=type=registry"' },
    { name: "report", kind: "bool", default: "true", help: "Say what was built, at the end", hidden: true },
    { name: "quiet", short: "q", kind: "bool", help: "Suppress the build output and print image ID on success" },
    {
      name: "resource",
      kind: "array",
      help: 'Resource limits for build containers (format: "memory=2g", "cpu-quota=50000")',
    },
    { name: "sbom", kind: "string", help: 'Shorthand for "--attest=type=sbom"' },
    {
      name: "secret",
      kind: "array",
      help: 'Secret to expose to the build (format: "id=mysecret[,src=/local/secret]" or "id=mysecret,env=NAME"; with ",cache-input=true" a changed secret runs its steps again)',
    },
    { name: "shm-size", kind: "bytes", help: "Shared memory size for build containers" },
    {
      name: "ssh",
      kind: "array",
      help: 'SSH agent socket or keys to expose to the build (format: "default|<id>[=<socket>|<key>[,<key>]]")',
    },
    {
      name: "stand-in-bases",
      kind: "bool",
      help: "Make base images that can't be pulled from this machine's Debian packages instead (on by itself for the bundled examples)",
    },
    { name: "tag", short: "t", kind: "array", help: 'Image identifier (format: "[registry/]repository[:tag]")' },
    { name: "target", kind: "string", help: "Set the target build stage to build" },
    { name: "ulimit", kind: "ulimit", help: "Ulimit options" },
    ...legacyResources,
    { name: "compress", kind: "bool", help: "Has no effect", hidden: true },
    { name: "force-rm", kind: "bool", help: "Has no effect", hidden: true },
    { name: "isolation", kind: "string", help: "Has no effect", hidden: true },
    { name: "rm", kind: "bool", help: "Has no effect", hidden: true },
    { name: "security-opt", kind: "slice", help: "Has no effect", hidden: true },
    { name: "squash", kind: "bool", help: "Has no effect", hidden: true },
  ],
  examples: [
    { what: "Build the current folder and keep the image as hello", line: "slipway build -t hello ." },
    { what: "Write one stage's files to a folder", line: "slipway build --target dist -o out ." },
    { what: "Write an image that `docker load` takes", line: "slipway build -t hello -o type=docker,dest=hello.tar ." },
    { what: "Give a step a secret", line: "slipway build --secret id=token,env=TOKEN ." },
  ],
  run: async (invocation) => {
    startWorkerEarly(invocation, ["call", "check"], invocation.args[0]);
    return (await import("./build-run.ts")).runBuild(invocation);
  },
};
