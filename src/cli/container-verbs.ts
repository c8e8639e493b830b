// Verbs of containers that take names and do one thing to each: start, stop, kill, restart, pause, unpause, rm, wait, rename.
// `stop` and `rm` mean containers first and builders where there is no such container.
// Counterpart: docker/cli cli/command/container.

import { isBuildError } from "../base/index.ts";
import { BuilderConfigs } from "../service/builder-store/index.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { exitCodeOf, forEachName, isUnknown } from "./container-errors.ts";
import type { FlagDefinition } from "./flags.ts";
import { builderRm, builderStop } from "./use.ts";

const MANY = Number.POSITIVE_INFINITY;
const signalFlag: FlagDefinition = {
  name: "signal",
  short: "s",
  kind: "string",
  help: "Signal to send to the container",
};
const timeFlag: FlagDefinition = {
  name: "time",
  short: "t",
  kind: "int",
  help: "Seconds to wait before killing the container",
};
const timeoutFlag: FlagDefinition = { name: "timeout", kind: "int", help: "", hidden: true, aliasOf: "time" };

async function openFrom({ root, shell }: Invocation) {
  const { openContainers } = await import("../running/containers/index.ts");
  return await openContainers({ root, cwd: shell.cwd });
}

export const start: CommandDefinition = {
  name: "start",
  summary: "Start one or more stopped containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: { min: 1, max: MANY },
  flags: [
    { name: "attach", short: "a", kind: "bool", help: "Attach STDOUT/STDERR and forward signals" },
    { name: "detach-keys", kind: "string", help: "Override the key sequence for detaching a container" },
    { name: "interactive", short: "i", kind: "bool", help: "Attach container's STDIN" },
  ],
  examples: [{ what: "Run it again", line: "slipway start -a tests" }],
  run: async (invocation) => (await import("./attach-run.ts")).runStart(invocation),
};

export const attach: CommandDefinition = {
  name: "attach",
  summary: "Attach local standard input, output, and error streams to a running container",
  usage: "[OPTIONS] CONTAINER",
  args: { min: 1, max: 1 },
  flags: [
    { name: "detach-keys", kind: "string", help: "Override the key sequence for detaching a container" },
    { name: "no-stdin", kind: "bool", help: "Do not attach STDIN" },
    { name: "sig-proxy", kind: "bool", default: "true", help: "Proxy all received signals to the process" },
  ],
  examples: [{ what: "See what it says from now on", line: "slipway attach --no-stdin web" }],
  run: async (invocation) => (await import("./attach-run.ts")).runAttach(invocation),
};

export const stop: CommandDefinition = {
  name: "stop",
  summary: "Stop one or more running containers, or a builder",
  description:
    "Sends the container's stop signal, and SIGKILL after its time (10 seconds unless told otherwise). A name that no container has is a builder's, as `slipway builder stop` has it.",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: { min: 0, max: MANY },
  flags: [signalFlag, timeFlag, timeoutFlag, ...builderStop.flags],
  examples: [{ what: "Stop it, at once", line: "slipway stop -t 0 web" }],
  async run(invocation) {
    const { args, flags } = invocation;
    if (args.length === 0 || flags.string("builder") !== "") return await builderStop.run(invocation);
    await using containers = await openFrom(invocation);
    const options = { timeoutSec: flags.number("time"), signal: flags.string("signal") || undefined };
    return await forEachName(invocation, args, async (name) => {
      try {
        await containers.stop(name, options);
        return name;
      } catch (error) {
        return await orBuilder(error, name, invocation, builderStop);
      }
    });
  },
};

export const rm: CommandDefinition = {
  name: "rm",
  summary: "Remove one or more containers, or builder instances",
  description:
    "Removes containers that do not run; with --force also those that do. A name that no container has is a builder's, as `slipway builder rm` has it.",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: { min: 0, max: MANY },
  flags: [
    ...builderRm.flags.filter(({ name }) => name !== "force"),
    { name: "force", short: "f", kind: "bool", help: "Force the removal of a running container (uses SIGKILL)" },
    { name: "volumes", short: "v", kind: "bool", help: "Remove anonymous volumes associated with the container" },
  ],
  examples: [
    { what: "Remove what has ended", line: "slipway rm tests" },
    { what: "Remove it although it runs, its anonymous volumes too", line: "slipway rm -fv web" },
  ],
  async run(invocation) {
    const { args, flags } = invocation;
    const ofBuilders = ["all-inactive", "keep-daemon", "keep-state"].some((name) => flags.bool(name));
    if (args.length === 0 || ofBuilders || flags.string("builder") !== "") return await builderRm.run(invocation);
    await using containers = await openFrom(invocation);
    const options = { force: flags.bool("force"), volumes: flags.bool("volumes") };
    return await forEachName(invocation, args, async (name) => {
      try {
        await containers.remove(name, options);
        return name;
      } catch (error) {
        if (isUnknown(error) && options.force && !isBuilderName(name, invocation)) return undefined;
        return await orBuilder(error, name, invocation, builderRm);
      }
    });
  },
};

export const kill: CommandDefinition = {
  name: "kill",
  summary: "Kill one or more running containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: { min: 1, max: MANY },
  flags: [signalFlag],
  examples: [{ what: "Have it read its configuration again", line: "slipway kill -s HUP web" }],
  async run(invocation) {
    await using containers = await openFrom(invocation);
    return await forEachName(invocation, invocation.args, async (name) => {
      await containers.kill(name, invocation.flags.string("signal") || "KILL");
      return name;
    });
  },
};

export const restart: CommandDefinition = {
  name: "restart",
  summary: "Restart one or more containers",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: { min: 1, max: MANY },
  flags: [signalFlag, timeFlag, timeoutFlag],
  examples: [{ what: "Restart it", line: "slipway restart web" }],
  async run(invocation) {
    const { flags } = invocation;
    await using containers = await openFrom(invocation);
    return await forEachName(invocation, invocation.args, async (name) => {
      await containers.restart(name, {
        timeoutSec: flags.number("time"),
        signal: flags.string("signal") || undefined,
      });
      return name;
    });
  },
};

export const pause: CommandDefinition = {
  name: "pause",
  summary: "Pause all processes within one or more containers",
  usage: "CONTAINER [CONTAINER...]",
  args: { min: 1, max: MANY },
  flags: [],
  examples: [{ what: "Hold it", line: "slipway pause web" }],
  async run(invocation) {
    await using containers = await openFrom(invocation);
    return await forEachName(invocation, invocation.args, async (name) => {
      await containers.pause(name);
      return name;
    });
  },
};

export const unpause: CommandDefinition = {
  name: "unpause",
  summary: "Unpause all processes within one or more containers",
  usage: "CONTAINER [CONTAINER...]",
  args: { min: 1, max: MANY },
  flags: [],
  examples: [{ what: "Let it go on", line: "slipway unpause web" }],
  async run(invocation) {
    await using containers = await openFrom(invocation);
    return await forEachName(invocation, invocation.args, async (name) => {
      await containers.unpause(name);
      return name;
    });
  },
};

export const wait: CommandDefinition = {
  name: "wait",
  summary: "Block until one or more containers stop, then print their exit codes",
  usage: "CONTAINER [CONTAINER...]",
  args: { min: 1, max: MANY },
  flags: [],
  examples: [{ what: "How did the tests end?", line: "slipway wait tests" }],
  async run(invocation) {
    await using containers = await openFrom(invocation);
    return await forEachName(invocation, invocation.args, async (name) => String(await containers.wait(name)));
  },
};

export const rename: CommandDefinition = {
  name: "rename",
  summary: "Rename a container",
  usage: "CONTAINER NEW_NAME",
  args: { min: 2, max: 2 },
  flags: [],
  examples: [{ what: "Give it another name", line: "slipway rename web old-web" }],
  async run(invocation) {
    await using containers = await openFrom(invocation);
    await containers.rename(invocation.args[0]!, invocation.args[1]!);
    return 0;
  },
};

export const exec: CommandDefinition = {
  name: "exec",
  summary: "Execute a command in a running container",
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  args: { min: 2, max: MANY },
  argumentsLast: true,
  flags: [
    { name: "detach", short: "d", kind: "bool", help: "Detached mode: run command in the background" },
    { name: "detach-keys", kind: "string", help: "Has no effect: the command has the terminal itself", hidden: true },
    { name: "env", short: "e", kind: "array", help: "Set environment variables" },
    { name: "env-file", kind: "array", help: "Read in a file of environment variables" },
    { name: "interactive", short: "i", kind: "bool", help: "Keep STDIN open even if not attached" },
    { name: "privileged", kind: "bool", help: "Give extended privileges to the command" },
    { name: "tty", short: "t", kind: "bool", help: "Allocate a pseudo-TTY" },
    { name: "user", short: "u", kind: "string", help: "Username or UID (format: <name|uid>[:<group|gid>])" },
    { name: "workdir", short: "w", kind: "string", help: "Working directory inside the container" },
  ],
  examples: [{ what: "A shell in it", line: "slipway exec -it web sh" }],
  async run(invocation) {
    const { flags, args, shell } = invocation;
    return await exitCodeOf(
      invocation,
      async () => {
        const { environmentOf } = await import("./run-config.ts");
        const env = environmentOf(flags, shell);
        if (flags.bool("tty") && flags.bool("interactive") && shell.stdin.isTTY !== true)
          throw new Error("the input device is not a TTY");
        await using containers = await openFrom(invocation);
        return await containers.exec(args[0]!, {
          command: args.slice(1),
          env,
          workingDir: flags.string("workdir") || undefined,
          user: flags.string("user") || undefined,
          tty: flags.bool("tty"),
          interactive: flags.bool("interactive"),
          detach: flags.bool("detach"),
          privileged: flags.bool("privileged"),
        });
      },
      1,
    );
  },
};

function isBuilderName(name: string, { shell }: Invocation): boolean {
  return new BuilderConfigs(shell.env).tryGet(name) !== undefined;
}

/** What the verb means for a builder of that name; the first error where there is none either. */
async function orBuilder(
  error: unknown,
  name: string,
  invocation: Invocation,
  verb: CommandDefinition,
): Promise<undefined> {
  if (!isUnknown(error) || !(name === "embedded" || isBuilderName(name, invocation))) throw error;
  try {
    await verb.run({ ...invocation, args: [name] });
  } catch (failure) {
    throw isBuildError(failure) ? failure : new Error(String(failure), { cause: failure });
  }
  return undefined;
}
