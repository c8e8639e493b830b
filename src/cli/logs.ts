// `slipway logs`. Counterpart: docker/cli cli/command/container/logs.go.

import type { CommandDefinition, Invocation } from "./command.ts";
import { timeOf } from "./point-in-time.ts";

export const logs: CommandDefinition = {
  name: "logs",
  summary: "Fetch the logs of a container",
  usage: "[OPTIONS] CONTAINER",
  args: { min: 1, max: 1 },
  flags: [
    { name: "details", kind: "bool", help: "Show extra details provided to logs", hidden: true },
    { name: "follow", short: "f", kind: "bool", help: "Follow log output" },
    {
      name: "since",
      kind: "string",
      help: 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
    {
      name: "tail",
      short: "n",
      kind: "string",
      default: "all",
      help: "Number of lines to show from the end of the logs",
    },
    { name: "timestamps", short: "t", kind: "bool", help: "Show timestamps" },
    {
      name: "until",
      kind: "string",
      help: 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
  ],
  examples: [
    { what: "What it says, until it ends", line: "slipway logs -f web" },
    { what: "Its last words", line: "slipway logs --tail 20 tests" },
  ],
  run: runLogs,
};

async function runLogs({ args, flags, shell, root }: Invocation): Promise<number> {
  const { openContainers } = await import("../running/containers/index.ts");
  await using containers = await openContainers({ root });
  const tail = flags.string("tail");
  if (tail !== "all" && tail !== "" && !/^-?\d+$/.test(tail)) throw new Error(`invalid value for "tail": ${tail}`);
  const lines = tail === "all" || tail === "" || Number(tail) < 0 ? undefined : Number(tail);
  const stop = new AbortController();
  using _signals = shell.onSignals(() => stop.abort());
  const options = {
    follow: flags.bool("follow"),
    tail: lines,
    sinceMs: timeOf(flags.string("since"), shell.now()),
    untilMs: timeOf(flags.string("until"), shell.now()),
    signal: stop.signal,
  };
  const stamps = flags.bool("timestamps");
  for await (const entry of containers.logs(args[0]!, options)) {
    const stream = entry.stream === "stderr" ? shell.stderr : shell.stdout;
    if (!stream.write(stamps ? `${entry.time} ${entry.text}` : entry.text))
      await new Promise<void>((resolve) => stream.once("drain", () => resolve()));
    if (stop.signal.aborted) break;
  }
  return stop.signal.aborted ? 130 : 0;
}
