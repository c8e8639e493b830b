// Verbs that bring containers up and take them down. Counterpart: docker/compose cmd/compose.

import type { CommandDefinition } from "../command.ts";
import {
  array,
  bool,
  index,
  int,
  noColor,
  noDeps,
  noLogPrefix,
  quietPull,
  removeOrphans,
  string,
  timeout,
} from "./flags.ts";

const services = { min: 0, max: Infinity };

export const up: CommandDefinition = {
  name: "compose up",
  summary: "Create and start containers",
  description:
    "Builds or pulls what is missing, makes networks, volumes and containers, and starts them along what they depend on. Without -d it shows their output until they end; Ctrl-C stops them, a second one kills them. " +
    "With --exit-code-from the project is taken down at the end, and the digests of the images that were tested are kept for `slipway compose push`; --keep leaves the stopped containers.",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("abort-on-container-exit", "Stops all containers if any container was stopped. Incompatible with -d"),
    bool(
      "abort-on-container-failure",
      "Stops all containers if any container exited with failure. Incompatible with -d",
    ),
    bool("always-recreate-deps", "Recreate dependent containers. Incompatible with --no-recreate"),
    array("attach", "Restrict attaching to the specified services. Incompatible with --attach-dependencies"),
    bool("attach-dependencies", "Automatically attach to log output of dependent services"),
    bool("build", "Build images before starting containers"),
    bool("detach d", "Detached mode: Run containers in the background"),
    string(
      "exit-code-from",
      "Return the exit code of the selected service container. Implies --abort-on-container-exit, and takes the project down",
    ),
    bool("force-recreate", "Recreate containers even if their configuration and image haven't changed"),
    bool("keep", "With --exit-code-from, leave the stopped containers and networks"),
    bool("menu", "Accepted and ignored", { hidden: true }),
    array("no-attach", "Do not attach (stream logs) to the specified services"),
    bool("no-build", "Don't build an image, even if it's policy"),
    noColor,
    noDeps,
    noLogPrefix,
    bool("no-recreate", "If containers already exist, don't recreate them. Incompatible with --force-recreate"),
    bool("no-start", "Don't start the services after creating them"),
    string("pull", 'Pull image before running ("always"|"missing"|"never")', { default: "policy" }),
    bool("quiet-build", "Suppress the build output"),
    quietPull,
    removeOrphans,
    bool("renew-anon-volumes V", "Recreate anonymous volumes instead of retrieving data from the previous containers"),
    array("scale", "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present"),
    int("timeout t", "Use this timeout in seconds for container shutdown"),
    bool("timestamps", "Show timestamps"),
    bool("wait", "Wait for services to be running|healthy. Implies detached mode"),
    int("wait-timeout", "Maximum duration in seconds to wait for the project to be running|healthy", { default: "0" }),
    bool("watch w", "Watch source code and rebuild/refresh containers when files are updated"),
    bool("yes y", "Accepted and ignored: nothing is asked"),
  ],
  examples: [
    {
      what: "Build, run the tests of service tests, return their code",
      line: "slipway compose up --build --exit-code-from tests",
    },
    { what: "In the background, once all is healthy", line: "slipway compose up -d --wait" },
  ],
  run: async (invocation) => (await import("./up-run.ts")).runUp(invocation),
};

export const create: CommandDefinition = {
  name: "compose create",
  summary: "Creates containers for a service",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("build", "Build images before starting containers"),
    bool("force-recreate", "Recreate containers even if their configuration and image haven't changed"),
    bool("no-build", "Don't build an image, even if it's policy"),
    bool("no-recreate", "If containers already exist, don't recreate them. Incompatible with --force-recreate"),
    string("pull", 'Pull image before running ("always"|"missing"|"never"|"build")', { default: "policy" }),
    quietPull,
    removeOrphans,
    array("scale", "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present"),
    bool("yes y", "Accepted and ignored: nothing is asked"),
  ],
  examples: [],
  run: async (invocation) => (await import("./up-run.ts")).runCreate(invocation),
};

export const scale: CommandDefinition = {
  name: "compose scale",
  summary: "Scale services",
  usage: "[SERVICE=REPLICAS...]",
  args: { min: 1, max: Infinity },
  mounts: true,
  flags: [noDeps],
  examples: [],
  run: async (invocation) => (await import("./up-run.ts")).runScale(invocation),
};

export const down: CommandDefinition = {
  name: "compose down",
  summary: "Stop and remove containers, networks",
  usage: "[OPTIONS] [SERVICES]",
  args: services,
  mounts: true,
  flags: [
    removeOrphans,
    string(
      "rmi",
      'Remove images used by services. "local" remove only images that don\'t have a custom tag ("local"|"all")',
    ),
    timeout,
    bool(
      "volumes v",
      'Remove named volumes declared in the "volumes" section of the Compose file and anonymous volumes attached to containers',
    ),
  ],
  examples: [{ what: "Everything, data too", line: "slipway compose down -v --remove-orphans" }],
  run: async (invocation) => (await import("./lifecycle-run.ts")).runDown(invocation),
};

export const run: CommandDefinition = {
  name: "compose run",
  summary: "Run a one-off command on a service",
  usage: "[OPTIONS] SERVICE [COMMAND] [ARGS...]",
  args: { min: 1, max: Infinity },
  argumentsLast: true,
  mounts: true,
  flags: [
    bool("build", "Build image before starting container"),
    array("cap-add", "Add Linux capabilities"),
    array("cap-drop", "Drop Linux capabilities"),
    bool("detach d", "Run container in background and print container ID"),
    string("entrypoint", "Override the entrypoint of the image"),
    array("env e", "Set environment variables"),
    array("env-from-file", "Set environment variables from file"),
    bool("interactive i", "Keep STDIN open even if not attached", { default: "true" }),
    array("label l", "Add or override a label"),
    string("name", "Assign a name to the container"),
    bool("no-TTY T", "Disable pseudo-TTY allocation (default: auto-detected)"),
    noDeps,
    array("publish p", "Publish a container's port(s) to the host"),
    string("pull", 'Pull image before running ("always"|"missing"|"never")', { default: "policy" }),
    bool("quiet q", "Don't print anything to STDOUT"),
    bool("quiet-build", "Suppress progress output from the build process"),
    quietPull,
    removeOrphans,
    bool("rm", "Automatically remove the container when it exits"),
    bool("service-ports P", "Run command with all service's ports enabled and mapped to the host"),
    bool("use-aliases", "Use the service's network useAliases in the network(s) the container connects to"),
    string("user u", "Run as specified username or uid"),
    array("volume v", "Bind mount a volume"),
    string("workdir w", "Working directory inside the container"),
  ],
  examples: [{ what: "A shell in a container of its own", line: "slipway compose run --rm web sh" }],
  run: async (invocation) => (await import("./oneoff-run.ts")).runOneOff(invocation),
};

export const exec: CommandDefinition = {
  name: "compose exec",
  summary: "Execute a command in a running container",
  usage: "[OPTIONS] SERVICE COMMAND [ARGS...]",
  args: { min: 2, max: Infinity },
  argumentsLast: true,
  mounts: true,
  flags: [
    bool("detach d", "Detached mode: Run command in the background"),
    array("env e", "Set environment variables"),
    index,
    bool("interactive i", "Accepted: it is so by default", { default: "true", hidden: true }),
    bool("no-TTY T", "Disable pseudo-TTY allocation (default: auto-detected)"),
    bool("privileged", "Give extended privileges to the process"),
    bool("tty t", "Accepted: it is so by default", { default: "true", hidden: true }),
    string("user u", "Run the command as this user"),
    string("workdir w", "Path to workdir directory for this command"),
  ],
  examples: [{ what: "Ask the database", line: "slipway compose exec db psql -U app -c 'select 1'" }],
  run: async (invocation) => (await import("./exec-run.ts")).runExec(invocation),
};

export const stop: CommandDefinition = {
  name: "compose stop",
  summary: "Stop services",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [timeout],
  examples: [],
  run: async (invocation) => (await import("./lifecycle-run.ts")).runStop(invocation),
};

export const start: CommandDefinition = {
  name: "compose start",
  summary: "Start services",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("wait", "Wait for services to be running|healthy. Implies detached mode"),
    int("wait-timeout", "Maximum duration in seconds to wait for the project to be running|healthy", { default: "0" }),
  ],
  examples: [],
  run: async (invocation) => (await import("./lifecycle-run.ts")).runStart(invocation),
};

export const restart: CommandDefinition = {
  name: "compose restart",
  summary: "Restart service containers",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [bool("no-deps", "Don't restart dependent services"), timeout],
  examples: [],
  run: async (invocation) => (await import("./lifecycle-run.ts")).runRestart(invocation),
};

export const kill: CommandDefinition = {
  name: "compose kill",
  summary: "Force stop service containers",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [removeOrphans, string("signal s", "SIGNAL to send to the container", { default: "SIGKILL" })],
  examples: [],
  run: async (invocation) => (await import("./lifecycle-run.ts")).runKill(invocation),
};

export const rm: CommandDefinition = {
  name: "compose rm",
  summary: "Removes stopped service containers",
  usage: "[OPTIONS] [SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("force f", "Don't ask to confirm removal"),
    bool("stop s", "Stop the containers, if required, before removing"),
    bool("volumes v", "Remove any anonymous volumes attached to containers"),
  ],
  examples: [],
  run: async (invocation) => (await import("./lifecycle-run.ts")).runRm(invocation),
};

export const pause: CommandDefinition = {
  name: "compose pause",
  summary: "Pause services",
  usage: "[SERVICE...]",
  args: services,
  mounts: true,
  flags: [],
  examples: [],
  run: async (invocation) => (await import("./lifecycle-run.ts")).runPause(invocation, true),
};

export const unpause: CommandDefinition = {
  name: "compose unpause",
  summary: "Unpause services",
  usage: "[SERVICE...]",
  args: services,
  mounts: true,
  flags: [],
  examples: [],
  run: async (invocation) => (await import("./lifecycle-run.ts")).runPause(invocation, false),
};

export const watch: CommandDefinition = {
  name: "compose watch",
  summary: "Watch build context for service and rebuild/refresh containers when files are updated",
  usage: "[SERVICE...]",
  args: services,
  mounts: true,
  flags: [
    bool("no-up", "Do not build & start services before watching"),
    bool("prune", "Accepted and ignored: what is not used is collected by itself", { default: "true" }),
    bool("quiet", "hide build output"),
  ],
  examples: [],
  run: async (invocation) => (await import("./watch-run.ts")).runWatch(invocation),
};
