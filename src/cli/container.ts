// `slipway container …`: the verbs of containers under docker's longer names, `create` (which alone is a builder's) and `prune`.

import type { CommandDefinition, Invocation } from "./command.ts";
import { port, stats, top } from "./container-looks.ts";
import { attach, exec, kill, pause, rename, restart, rm, start, stop, unpause, wait } from "./container-verbs.ts";
import { cp } from "./cp.ts";
import { inspect } from "./inspect.ts";
import { logs } from "./logs.ts";
import { ps } from "./ps.ts";
import { timeOf } from "./point-in-time.ts";
import { run } from "./run.ts";
import { containerFlags } from "./run-flags.ts";

const own = (command: CommandDefinition, more: Partial<CommandDefinition> = {}): CommandDefinition => ({
  ...command,
  name: `container ${command.name}`,
  ...more,
});

const create: CommandDefinition = {
  name: "container create",
  summary: "Create a new container",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  args: { min: 1, max: Number.POSITIVE_INFINITY },
  argumentsLast: true,
  usageExitCode: 125,
  flags: containerFlags.filter(({ name }) => !["build", "file", "tag", "target"].includes(name)),
  examples: [
    { what: "Make it now, start it later", line: "slipway container create --name web web && slipway start web" },
  ],
  mounts: true,
  run: async (invocation) => (await import("./run-run.ts")).createOnly(invocation),
};

const prune: CommandDefinition = {
  name: "container prune",
  summary: "Remove all stopped containers",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    { name: "filter", kind: "array", help: 'Provide filter values (e.g. "until=<timestamp>", "label=…")' },
    { name: "force", short: "f", kind: "bool", help: "Do not prompt for confirmation" },
  ],
  examples: [{ what: "Remove what has ended", line: "slipway container prune -f" }],
  run: runPrune,
};

export const container: CommandDefinition = {
  name: "container",
  summary: "Manage containers",
  usage: "COMMAND",
  args: { min: 0, max: 0 },
  flags: [],
  verbs: [
    own(attach),
    own(cp),
    create,
    own(exec),
    own(inspect, { run: (invocation) => inspect.run(invocation) }),
    own(kill),
    own(logs),
    own(ps, { name: "container ls", aliases: ["ps", "list"] }),
    own(pause),
    own(port),
    prune,
    own(rename),
    own(restart),
    own(rm),
    own(run),
    own(start),
    own(stats),
    own(stop),
    own(top),
    own(unpause),
    own(wait),
  ],
  examples: [{ what: "What runs", line: "slipway container ls" }],
  run: () => Promise.resolve(0),
};

async function runPrune({ flags, shell, root }: Invocation): Promise<number> {
  const { openContainers } = await import("../running/containers/index.ts");
  if (!flags.bool("force")) {
    if (shell.stdin.isTTY !== true)
      throw new Error("container prune removes all stopped containers: say --force where nobody can be asked");
    shell.stderr.write("WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ");
    let answer = "";
    for await (const chunk of shell.stdin) {
      answer += String(chunk);
      if (answer.includes("\n")) break;
    }
    if (!/^y(es)?\s/i.test(answer)) return 1;
  }
  const filters = flags.list("filter").map((text) => text.split(/=(.*)/s));
  const until = filters.find(([name]) => name === "until")?.[1];
  const untilMs = until === undefined ? undefined : timeOf(until, shell.now());
  const labels = filters.flatMap(([name, value]) => (name === "label" && value !== undefined ? [value] : []));
  await using containers = await openContainers({ root });
  const stopped = await containers.list({ all: true, labels, status: ["created", "exited", "dead"] });
  const going = stopped.filter(({ createdMs }) => untilMs === undefined || createdMs < untilMs);
  if (going.length > 0) shell.stdout.write("Deleted Containers:\n");
  for (const { id } of going) {
    await containers.remove(id);
    shell.stdout.write(`${id}\n`);
  }
  return 0;
}
