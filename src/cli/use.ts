// `slipway use`, `bootstrap`, `stop` and `rm`: which builder is used, whether it answers, and forgetting it.
// Counterpart: docker/buildx commands/{use,stop,rm}.go.

import { BuildError, messageOf } from "../base/index.ts";
import { BuilderConfigs } from "../service/builder-store/index.ts";
import type { BuilderConfig } from "../service/builder-store/index.ts";
import { bootstrapBuilder, nodeStatuses } from "./builder-status.ts";
import { builderFlag } from "./builder-flag.ts";
import type { CommandDefinition, Invocation } from "./command.ts";

export const use: CommandDefinition = {
  name: "use",
  summary: "Set the current builder instance",
  description:
    "Commands without --builder use it from now on. `slipway use embedded` goes back to the builder in this process.",
  usage: "[OPTIONS] NAME",
  args: { min: 1, max: 1 },
  flags: [],
  examples: [
    { what: "Build elsewhere from now on", line: "slipway use fast" },
    { what: "And here again", line: "slipway use embedded" },
  ],
  run({ args, shell }) {
    const configs = new BuilderConfigs(shell.env);
    const name = args[0]!;
    if (name !== "embedded" && name !== "default") configs.get(name);
    configs.use(name);
    return Promise.resolve(0);
  },
};

export const bootstrap: CommandDefinition = {
  name: "bootstrap",
  summary: "Start a builder, or check that it answers",
  usage: "[OPTIONS] [NAME]",
  args: { min: 0, max: 1 },
  flags: [builderFlag],
  examples: [{ what: "Is it up?", line: "slipway bootstrap fast" }],
  async run({ args, flags, shell }) {
    const config = selected(args[0] ?? flags.string("builder"), shell);
    if (config === undefined) shell.stdout.write("embedded: running\n");
    else
      for (const { node, version } of await bootstrapBuilder(config, shell))
        shell.stdout.write(`${node.name}: running${version === "" ? "" : ` ${version}`}\n`);
    return 0;
  },
};

export const builderStop: CommandDefinition = {
  name: "builder stop",
  summary: "Stop builder instance",
  usage: "[OPTIONS] [NAME]",
  args: { min: 0, max: 1 },
  flags: [builderFlag],
  examples: [{ what: "Stop what a driver started", line: "slipway stop box" }],
  async run({ args, flags, shell }) {
    // Daemons that somebody else started go on, as with buildx.
    const config = selected(args[0] ?? flags.string("builder"), shell);
    const { nodeDaemon } = await import("../service/builders/index.ts");
    const nodes = config?.nodes ?? [];
    await Promise.all(
      nodes.map(async (node) =>
        (await nodeDaemon(config!.driver, node, shell.env))?.stop(AbortSignal.timeout(STOP_MS)),
      ),
    );
    return 0;
  },
};

/** A daemon that lets its builds end is ended by its host after a while. */
const STOP_MS = 120_000;

export const builderRm: CommandDefinition = {
  name: "builder rm",
  summary: "Remove one or more builder instances",
  usage: "[OPTIONS] [NAME] [NAME...]",
  args: { min: 0, max: Infinity },
  flags: [
    builderFlag,
    { name: "all-inactive", kind: "bool", help: "Remove all inactive builders" },
    {
      name: "force",
      short: "f",
      kind: "bool",
      help: "Forget a builder even where what its driver started can't be removed",
    },
    { name: "keep-daemon", kind: "bool", help: "Leave what the driver started as it is" },
    { name: "keep-state", kind: "bool", help: "Keep the builder's cache (its volume) for another of the same name" },
  ],
  examples: [
    { what: "Forget a builder", line: "slipway rm fast" },
    { what: "Remove its container, keep its cache", line: "slipway rm --keep-state box" },
  ],
  run: runRm,
};

async function runRm({ args, flags, shell }: Invocation): Promise<number> {
  const configs = new BuilderConfigs(shell.env);
  let names = [...args];
  if (flags.bool("all-inactive")) {
    const all = configs.list();
    const statuses = await Promise.all(all.map((config) => nodeStatuses(config, shell)));
    names = all
      .filter((_, index) => statuses[index]!.every(({ state }) => state !== "running"))
      .map(({ name }) => name);
  } else if (names.length === 0) {
    const config = configs.selected(flags.string("builder"));
    if (config === undefined) throw notRemovable();
    names = [config.name];
  }
  for (const name of names) {
    if (name === "embedded" || name === "default") throw notRemovable();
    const config = configs.get(name);
    if (!flags.bool("keep-daemon")) await removeDaemons(config, { flags, shell });
    configs.remove(name);
    shell.stderr.write(`${name} removed\n`);
  }
  return 0;
}

async function removeDaemons(
  config: BuilderConfig,
  { flags, shell }: Pick<Invocation, "flags" | "shell">,
): Promise<void> {
  const { nodeDaemon } = await import("../service/builders/index.ts");
  const keepState = flags.bool("keep-state");
  for (const node of config.nodes) {
    try {
      const daemon = await nodeDaemon(config.driver, node, shell.env);
      await daemon?.remove({ keepState }, AbortSignal.timeout(STOP_MS));
    } catch (error) {
      if (!flags.bool("force")) throw error;
      shell.stderr.write(`${node.name} is left as it is: ${messageOf(error)}\n`);
    }
  }
}

function notRemovable(): BuildError {
  return new BuildError("the embedded builder can't be removed", {
    code: "BUILDER_NAME_INVALID",
    status: "InvalidArgument",
    hint: "slipway prune --all empties its cache",
  });
}

function selected(name: string, shell: Invocation["shell"]): BuilderConfig | undefined {
  return new BuilderConfigs(shell.env).selected(name);
}
