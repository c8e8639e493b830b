// Lists containers as `docker ps` does. Counterpart: docker/cli cli/command/formatter/container.go; moby/moby container/state.go String.

import { goJson } from "../formats/oci/index.ts";
import { openContainers } from "../running/containers/index.ts";
import type { Container, ContainerStatus } from "../running/containers/index.ts";
import type { Invocation } from "./command.ts";
import { executeTemplate, plain } from "./go-template.ts";
import { shortName } from "./images.ts";
import { humanDuration } from "./sizes.ts";
import { alignSpaces } from "./table.ts";

export async function runPs({ flags, shell, root }: Invocation): Promise<number> {
  await using containers = await openContainers({ root });
  const filters = parseFilters(flags.list("filter"));
  const last = flags.bool("latest") ? 1 : (flags.number("last") ?? -1);
  const all = flags.bool("all") || last > 0 || filters.has("status") || filters.has("exited");
  let list = (await containers.list({ all })).filter((container) => passes(container, filters));
  if (last > 0) list = list.slice(0, last);
  const wide = flags.bool("no-trunc");
  const format = flags.string("format");
  const { stdout } = shell;
  if (flags.bool("quiet")) for (const { id } of list) stdout.write(`${wide ? id : id.slice(0, 12)}\n`);
  else if (format === "json") for (const each of list) stdout.write(`${goJson(fields(each, shell.now(), wide))}\n`);
  else if (format === "" || format === "table") {
    const rows = list.map((each) => {
      const row = fields(each, shell.now(), wide);
      return [row.ID, row.Image, row.Command, row.RunningFor, row.Status, row.Ports, row.Names];
    });
    stdout.write(alignSpaces([["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"], ...rows]));
  } else {
    const isTable = format.startsWith("table ");
    const template = (isTable ? format.slice("table ".length) : format).replaceAll("\\t", "\t").replaceAll("\\n", "\n");
    const lines = list.map((each) =>
      executeTemplate(template, plain(templateFields(each, shell.now(), wide)), labelFunctions),
    );
    if (isTable) {
      const titles = template.replaceAll(
        /\{\{\s*\.(\w+)[^}]*\}\}/g,
        (_, name: string) => headings[name] ?? name.toUpperCase(),
      );
      stdout.write(alignSpaces([titles, ...lines].map((line) => line.split("\t"))));
    } else for (const line of lines) stdout.write(`${line}\n`);
  }
  return 0;
}

const headings: Readonly<Record<string, string>> = {
  ID: "CONTAINER ID",
  RunningFor: "CREATED",
  CreatedAt: "CREATED AT",
  LocalVolumes: "LOCAL VOLUMES",
};

const labelFunctions = {};

function templateFields(container: Container, nowMs: number, wide: boolean): Record<string, unknown> {
  return fields(container, nowMs, wide);
}

function fields(container: Container, nowMs: number, wide: boolean) {
  const { id, image, path, args, createdMs, labels, mounts, name } = container;
  const command = [path, ...args].join(" ");
  return {
    Command: JSON.stringify(wide || command.length <= 20 ? command : `${command.slice(0, 19)}…`),
    CreatedAt: new Date(createdMs).toISOString().replace("T", " ").replace(/\..*$/, " +0000 UTC"),
    ID: wide ? id : id.slice(0, 12),
    Image: shortName(image.reference),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
    LocalVolumes: String(mounts.filter(({ kind }) => kind === "volume").length),
    Mounts: mounts
      .filter(({ kind }) => kind !== "tmpfs")
      .map(({ volumeName, source }) => volumeName ?? source)
      .join(","),
    Names: name,
    Networks: networksOf(container).join(","),
    Ports: portsText(container),
    RunningFor: `${humanDuration(nowMs - createdMs)} ago`,
    Size: "0B",
    State: container.state.status,
    Status: statusText(container, nowMs),
  };
}

/** `Up 3 minutes (healthy)`, `Exited (1) 2 hours ago`. */
export function statusText({ state }: Container, nowMs: number): string {
  const since = (time: string) => humanDuration(nowMs - Date.parse(time));
  const health =
    state.health === undefined
      ? ""
      : state.health.status === "starting"
        ? " (health: starting)"
        : ` (${state.health.status})`;
  switch (state.status) {
    case "created":
      return "Created";
    case "running":
      return `Up ${since(state.startedAt)}${health}`;
    case "paused":
      return `Up ${since(state.startedAt)} (Paused)`;
    case "restarting":
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case "exited":
    case "dead":
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}

/** `0.0.0.0:8080->80/tcp, 90/tcp`. */
export function portsText({ ports, effective, state }: Container): string {
  if (state.pid === 0) return "";
  const published = ports.map(
    ({ hostIp, hostPort, containerPort, protocol }) =>
      `${hostIp.includes(":") ? `[${hostIp}]` : hostIp || "0.0.0.0"}:${hostPort}->${containerPort}/${protocol}`,
  );
  const open = effective.exposed
    .map((port) => (port.includes("/") ? port : `${port}/tcp`))
    .filter((port) => !ports.some(({ containerPort, protocol }) => `${containerPort}/${protocol}` === port));
  return [...published, ...open].join(", ");
}

export function networksOf({ config, endpoints }: Container): string[] {
  const { mode } = config.network;
  if (mode.kind !== "networks") return [mode.kind === "container" ? `container:${mode.container}` : mode.kind];
  return endpoints.length > 0
    ? endpoints.map(({ networkName }) => networkName)
    : mode.endpoints.map(({ network }) => network);
}

const filterNames = [
  "ancestor",
  "before",
  "since",
  "exited",
  "health",
  "id",
  "label",
  "name",
  "network",
  "publish",
  "expose",
  "status",
  "volume",
];

function parseFilters(texts: readonly string[]): Map<string, string[]> {
  const filters = new Map<string, string[]>();
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 0)
      throw new Error(
        `invalid argument ${JSON.stringify(text)} for "-f, --filter" flag: bad format of filter (expected name=value)`,
      );
    const name = text.slice(0, at).trim().toLowerCase();
    if (!filterNames.includes(name)) throw new Error(`invalid filter '${name}'`);
    filters.set(name, [...(filters.get(name) ?? []), text.slice(at + 1).trim()]);
  }
  for (const status of filters.get("status") ?? []) {
    const known: readonly ContainerStatus[] = ["created", "running", "paused", "restarting", "exited", "dead"];
    if (!(known as readonly string[]).includes(status) && status !== "removing")
      throw new Error(`invalid filter 'status=${status}'`);
  }
  return filters;
}

function passes(container: Container, filters: ReadonlyMap<string, readonly string[]>): boolean {
  const { id, name, image, labels, state, mounts } = container;
  for (const [filter, values] of filters) {
    const any = (test: (value: string) => boolean) => values.some(test);
    const isGood = {
      ancestor: () =>
        any(
          (value) =>
            [
              shortName(image.reference),
              image.reference,
              `${value}:latest` === shortName(image.reference) ? value : "",
            ].includes(value) ||
            [image.digest, image.manifestDigest, image.configDigest].some(
              (digest) => digest === value || digest.slice(7).startsWith(value),
            ),
        ),
      exited: () => any((value) => state.status === "exited" && state.exitCode === Number(value)),
      health: () => any((value) => (state.health?.status ?? "none") === value),
      id: () => any((value) => id.startsWith(value)),
      label: () =>
        values.every((value) => {
          const at = value.indexOf("=");
          const found = labels[at < 0 ? value : value.slice(0, at)];
          return found !== undefined && (at < 0 || found === value.slice(at + 1));
        }),
      name: () => any((value) => new RegExp(value.replace(/^\^?\/?/, (start) => start.replace("/", ""))).test(name)),
      network: () =>
        any(
          (value) =>
            networksOf(container).includes(value) ||
            container.endpoints.some((each) => each.networkId.startsWith(value)),
        ),
      status: () => any((value) => state.status === value),
      volume: () => any((value) => mounts.some((mount) => mount.volumeName === value || mount.target === value)),
    }[filter];
    if (isGood !== undefined && !isGood()) return false;
  }
  return true;
}
