// `slipway logs`. Counterpart: docker/cli cli/command/container/logs.go.

import type { CommandDefinition, Invocation } from "./command.ts";
import { parseDuration } from "./sizes.ts";

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

/** A point in time: RFC 3339, a date, seconds since 1970, or a span before now. @throws Error. */
export function timeOf(text: string, nowMs: number): number | undefined {
  if (text === "") return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const parsed = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(parsed)) return parsed;
  try {
    return nowMs - parseDuration(text);
  } catch {
    throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  }
}
