// Shows what containers use, once or again and again. Counterpart: docker/cli cli/command/container/{stats,formatter_stats}.go.

import { setTimeout as sleep } from "node:timers/promises";
import { goJson } from "../formats/oci/index.ts";
import { openContainers } from "../running/containers/index.ts";
import type { Containers, ContainerStats } from "../running/containers/index.ts";
import type { Invocation } from "./command.ts";
import { executeTemplate, plain } from "./go-template.ts";
import { humanSize } from "./sizes.ts";
import { alignSpaces } from "./table.ts";

/** Between two looks: processor time is what was used meanwhile. */
const INTERVAL_MS = 1000;

export async function runStats({ args, flags, shell, root }: Invocation): Promise<number> {
  await using containers = await openContainers({ root });
  for (const name of args) await containers.inspect(name);
  const stop = new AbortController();
  using _signals = shell.onSignals(() => stop.abort());
  const once = flags.bool("no-stream");
  const format = flags.string("format");
  let before = await look(containers, args, flags.bool("all"));
  while (!stop.signal.aborted) {
    await sleep(INTERVAL_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    if (stop.signal.aborted) break;
    const now = await look(containers, args, flags.bool("all"));
    const rows = now.map((each) =>
      fields(
        each,
        before.find(({ id }) => id === each.id),
        flags.bool("no-trunc"),
      ),
    );
    before = now;
    if (!once && shell.stdout.isTTY === true) shell.stdout.write("\u001b[2J\u001b[H");
    if (format === "json") for (const row of rows) shell.stdout.write(`${goJson(row)}\n`);
    else if (format !== "" && format !== "table")
      for (const row of rows) shell.stdout.write(`${executeTemplate(format, plain(row))}\n`);
    else {
      const titles = ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"];
      const cells = rows.map((row) => [
        row.ID,
        row.Name,
        row.CPUPerc,
        row.MemUsage,
        row.MemPerc,
        row.NetIO,
        row.BlockIO,
        row.PIDs,
      ]);
      shell.stdout.write(alignSpaces([titles, ...cells]));
    }
    if (once) break;
  }
  return 0;
}

interface Looked {
  readonly id: string;
  readonly name: string;
  readonly stats: ContainerStats | undefined;
}

async function look(containers: Containers, names: readonly string[], all: boolean): Promise<Looked[]> {
  const list =
    names.length > 0
      ? await Promise.all(names.map((name) => containers.inspect(name)))
      : await containers.list({ all });
  return await Promise.all(list.map(async ({ id, name }) => ({ id, name, stats: await containers.stats(id) })));
}

function fields({ id, name, stats }: Looked, before: Looked | undefined, wide: boolean) {
  const shownId = wide ? id : id.slice(0, 12);
  if (stats === undefined) {
    const none = "--";
    return {
      BlockIO: none,
      CPUPerc: none,
      Container: shownId,
      ID: shownId,
      MemPerc: none,
      MemUsage: `${none} / ${none}`,
      Name: name,
      NetIO: none,
      PIDs: none,
    };
  }
  const earlier = before?.stats;
  const passedNs = earlier === undefined ? 0 : Number(stats.timeNs - earlier.timeNs);
  const cpu = earlier === undefined || passedNs <= 0 ? 0 : ((stats.cpuNs - earlier.cpuNs) / passedNs) * 100;
  const percent = (value: number) => `${value.toFixed(2)}%`;
  return {
    BlockIO: `${humanSize(stats.blockReadBytes)} / ${humanSize(stats.blockWrittenBytes)}`,
    CPUPerc: percent(cpu),
    Container: shownId,
    ID: shownId,
    MemPerc: percent((stats.memoryBytes / stats.memoryLimitBytes) * 100),
    MemUsage: `${binarySize(stats.memoryBytes)} / ${binarySize(stats.memoryLimitBytes)}`,
    Name: name,
    NetIO: `${humanSize(stats.networkReceivedBytes)} / ${humanSize(stats.networkSentBytes)}`,
    PIDs: String(stats.pids),
  };
}

function binarySize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}
