// `compose ls`. Counterpart: docker/compose cmd/compose/list.go.

import { label } from "../../running/projects/index.ts";
import type { Invocation } from "../command.ts";
import { alignSpaces } from "../table.ts";

export async function runLs({ flags, shell, root }: Invocation): Promise<number> {
  const names = flags.list("filter").map((text) => {
    const [key, value = ""] = text.split("=");
    if (key !== "name") throw new Error(`invalid filter ${JSON.stringify(text)}: only name is supported`);
    return value;
  });
  await using ports = await shell.openProjects({ root, cwd: shell.cwd });
  const containers = await ports.containers.list({ all: true, labels: [label.project] });
  const projects = Map.groupBy(
    containers.filter(({ labels }) => labels[label.oneoff] !== "True"),
    ({ labels }) => labels[label.project]!,
  );
  const rows = [...projects]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .filter(([name]) => names.length === 0 || names.some((each) => name.includes(each)))
    .filter(([, members]) => flags.bool("all") || members.some(({ state }) => state.status === "running"))
    .map(([name, members]) => {
      const byStatus = Map.groupBy(members, ({ state }) => state.status);
      const status = [...byStatus].toSorted().map(([each, { length }]) => `${each}(${length})`);
      return { Name: name, Status: status.join(", "), ConfigFiles: members[0]!.labels[label.configFiles] ?? "N/A" };
    });
  if (flags.bool("quiet")) shell.stdout.write(rows.map(({ Name }) => `${Name}\n`).join(""));
  else if (flags.string("format") === "json") shell.stdout.write(`${JSON.stringify(rows)}\n`);
  else {
    const table = rows.map(({ Name, Status, ConfigFiles }) => [Name, Status, ConfigFiles]);
    shell.stdout.write(alignSpaces([["NAME", "STATUS", "CONFIG FILES"], ...table]));
  }
  return 0;
}
