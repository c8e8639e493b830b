// Prints what happens to containers. Counterpart: docker/cli cli/command/system/events.go.

import { goJson } from "../formats/oci/index.ts";
import { openContainers } from "../running/containers/index.ts";
import type { Invocation } from "./command.ts";
import { executeTemplate, plain } from "./go-template.ts";
import { timeOf } from "./point-in-time.ts";

export async function runEvents({ flags, shell, root }: Invocation): Promise<number> {
  await using containers = await openContainers({ root });
  const stop = new AbortController();
  using _signals = shell.onSignals(() => stop.abort());
  const untilMs = timeOf(flags.string("until"), shell.now());
  const filters = flags.list("filter").map((text) => {
    const at = text.indexOf("=");
    if (at < 0) throw new Error(`invalid filter '${text}'`);
    return { name: text.slice(0, at), value: text.slice(at + 1) };
  });
  const sinceMs = timeOf(flags.string("since"), shell.now());
  const format = flags.string("format");
  for await (const event of containers.events({
    signal: stop.signal,
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
  })) {
    const { action, id, name, timeMs, attributes } = event;
    const passes = filters.every(({ name: filter, value }) => {
      if (filter === "event") return action === value || action.startsWith(`${value}:`);
      if (filter === "container") return name === value || id.startsWith(value);
      if (filter === "image") return attributes["image"] === value;
      const [label = "", wanted] = value.split("=");
      return filter === "label"
        ? attributes[label] !== undefined && (wanted === undefined || attributes[label] === wanted)
        : filter === "type";
    });
    if (!passes) continue;
    const shown = {
      status: action,
      id,
      from: attributes["image"] ?? "",
      Type: "container",
      Action: action,
      Actor: { ID: id, Attributes: attributes },
      scope: "local",
      time: Math.trunc(timeMs / 1000),
      timeNano: Math.trunc(timeMs) * 1e6,
    };
    if (format === "json") shell.stdout.write(`${goJson(shown)}\n`);
    else if (format !== "") shell.stdout.write(`${executeTemplate(format, plain(shown))}\n`);
    else {
      const words = Object.entries(attributes).map(([key, value]) => `${key}=${value}`);
      shell.stdout.write(`${new Date(timeMs).toISOString()} container ${action} ${id} (${words.join(", ")})\n`);
    }
  }
  return 0;
}
