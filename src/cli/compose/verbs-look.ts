// Verbs that look at a project, and those about its images and files. Counterpart: docker/compose cmd/compose.

import type { CommandDefinition } from "../command.ts";
import { array, bool, index, int, noColor, noLogPrefix, string } from "./flags.ts";

const services = { min: 0, max: Infinity };

export const ps: CommandDefinition = {
  name: "compose ps",
  summary: "List containers",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("all a", "Show all stopped containers (including those created by the run command)"),
    array("filter", "Filter services by a property (supported filters: status)"),
    string("format", 'Format output ("table", "json" or a Go template)', { default: "table" }),
    bool("no-trunc", "Don't truncate output"),
    bool("orphans", "Include orphaned services (not declared by project)", { default: "true" }),
    bool("quiet q", "Only display IDs"),
    bool("services", "Display services"),
    array(
      "status",
      "Filter services by status. Values: [paused | restarting | removing | running | dead | created | exited]",
    ),
  ],
  examples: [],
  run: async (invocation) => (await import("./ps-run.ts")).runPs(invocation),
};

export const ls: CommandDefinition = {
  name: "compose ls",
  summary: "List running compose projects",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  mounts: true,
  flags: [
    bool("all a", "Show all stopped Compose projects"),
    array("filter", "Filter output based on conditions provided (name)"),
    string("format", 'Format the output ("table", "json")', { default: "table" }),
    bool("quiet q", "Only display project names"),
  ],
  examples: [],
  run: async (invocation) => (await import("./ls-run.ts")).runLs(invocation),
};

export const logs: CommandDefinition = {
  name: "compose logs",
  summary: "View output from containers",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("follow f", "Follow log output"),
    index,
    noColor,
    noLogPrefix,
    string("since", "Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)"),
    string("tail n", "Number of lines to show from the end of the logs for each container", { default: "all" }),
    bool("timestamps t", "Show timestamps"),
    string("until", "Show logs before a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)"),
  ],
  examples: [{ what: "What the API says, as it says it", line: "slipway compose logs -f api" }],
  run: async (invocation) => (await import("./logs-run.ts")).runLogs(invocation),
};

export const top: CommandDefinition = {
  name: "compose top",
  summary: "Display the running processes",
  usage: "[SERVICES...]",
  args: services,
  mounts: true,
  flags: [],
  examples: [],
  run: async (invocation) => (await import("./top-run.ts")).runTop(invocation),
};

export const port: CommandDefinition = {
  name: "compose port",
  summary: "Print the public port for a port binding",
  usage: "[OPTIONS] SERVICE PRIVATE_PORT",
  args: { min: 2, max: 2 },
  mounts: true,
  flags: [index, string("protocol", "tcp or udp", { default: "tcp" })],
  examples: [],
  run: async (invocation) => (await import("./top-run.ts")).runPort(invocation),
};

export const wait: CommandDefinition = {
  name: "compose wait",
  summary: "Block until containers of all (or specified) services stop",
  usage: "SERVICE [SERVICE...] [OPTIONS]",
  args: { min: 1, max: Infinity },
  mounts: true,
  flags: [bool("down-project", "Drops project when the first container stops")],
  examples: [],
  run: async (invocation) => (await import("./wait-run.ts")).runWait(invocation),
};

export const events: CommandDefinition = {
  name: "compose events",
  summary: "Receive real time events from containers",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("json", "Output events as a stream of json objects"),
    string("since", "Show all events created since timestamp"),
    string("until", "Stream events until this timestamp"),
  ],
  examples: [],
  run: async (invocation) => (await import("./wait-run.ts")).runEvents(invocation),
};

export const images: CommandDefinition = {
  name: "compose images",
  summary: "List images used by the created containers",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    string("format", 'Format the output ("table", "json")', { default: "table" }),
    bool("quiet q", "Only display IDs"),
  ],
  examples: [],
  run: async (invocation) => (await import("./images-run.ts")).runImages(invocation),
};

export const build: CommandDefinition = {
  name: "compose build",
  summary: "Build or rebuild services",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    array("build-arg", "Set build-time variables for services"),
    string("builder", "Set builder to use (the one in this process by default)"),
    bool("check", "Check build configuration"),
    bool("no-cache", "Do not use cache when building the image"),
    bool("print", "Print equivalent bake file"),
    string("progress", 'Set type of progress output ("auto", "none", "plain", "quiet", "rawjson", "tty")'),
    string("provenance", "Add a provenance attestation"),
    bool("pull", "Always attempt to pull a newer version of the image"),
    bool("push", "Push service images"),
    bool("quiet q", "Suppress the build output"),
    string("sbom", "Add a SBOM attestation"),
    string("ssh", "Set SSH authentications used when building service images"),
    bool("with-dependencies", "Also build dependencies (transitively)"),
  ],
  examples: [{ what: "Everything that the files build", line: "slipway compose build" }],
  run: async (invocation) => (await import("./images-run.ts")).runBuild(invocation),
};

export const pull: CommandDefinition = {
  name: "compose pull",
  summary: "Pull service images",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("ignore-buildable", "Ignore images that can be built"),
    bool("ignore-pull-failures", "Pull what it can and ignores images with pull failures"),
    bool("include-deps", "Also pull services declared as dependencies"),
    string("policy", 'Apply pull policy ("missing"|"always")'),
    bool("quiet q", "Pull without printing progress information"),
  ],
  examples: [],
  run: async (invocation) => (await import("./images-run.ts")).runPull(invocation),
};

export const push: CommandDefinition = {
  name: "compose push",
  summary: "Push service images: those that were tested",
  description:
    "Pushes the images of services that are built. Where an `up` has run them, exactly those digests are pushed; an image that was built anew since is refused.",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("ignore-push-failures", "Push what it can and ignores images with push failures"),
    bool("include-deps", "Also push images of services declared as dependencies"),
    bool("quiet q", "Push without printing progress information"),
    bool("untested", "Push what is there, also when it is not what was tested"),
  ],
  examples: [{ what: "What the tests have passed", line: "slipway compose push" }],
  run: async (invocation) => (await import("./push-run.ts")).runPush(invocation),
};

export const config: CommandDefinition = {
  name: "compose config",
  aliases: ["convert"],
  summary: "Parse, resolve and render compose file in canonical format",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  flags: [
    bool("environment", "Print environment used for interpolation"),
    string("format", 'Format the output ("yaml", "json")'),
    string("hash", "Print the service config hash, one per line"),
    bool("images", "Print the image names, one per line"),
    bool("networks", "Print the network names, one per line"),
    bool("no-interpolate", "Don't interpolate environment variables"),
    string("output o", "Save to file (default to stdout)"),
    bool("profiles", "Print the profile names, one per line"),
    bool("quiet q", "Only validate the configuration, don't print anything"),
    bool("services", "Print the service names, one per line"),
    bool("volumes", "Print the volume names, one per line"),
  ],
  examples: [{ what: "Is it right?", line: "slipway compose config -q" }],
  run: async (invocation) => (await import("./config-run.ts")).runConfig(invocation),
};

export const cp: CommandDefinition = {
  name: "compose cp",
  summary: "Copy files/folders between a service container and the local filesystem",
  usage: "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|- | SRC_PATH|- SERVICE:DEST_PATH",
  args: { min: 2, max: 2 },
  mounts: true,
  flags: [
    bool("all", "Include containers created by the run command"),
    bool("archive a", "Archive mode (copy all uid/gid information)"),
    bool("follow-link L", "Always follow symbol link in SRC_PATH"),
    int("index", "Index of the container if service has multiple replicas", { default: "0" }),
  ],
  examples: [],
  run: async (invocation) => (await import("./cp-run.ts")).runCp(invocation),
};

export const version: CommandDefinition = {
  name: "compose version",
  summary: "Show the Docker Compose version information",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    string("format f", "Format the output. Values: [pretty | json]. (Default: pretty)"),
    bool("short", "Shows only Compose's version number"),
  ],
  examples: [],
  run: async (invocation) => (await import("./config-run.ts")).runVersion(invocation),
};
