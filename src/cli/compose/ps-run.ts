// `compose ps`. Counterpart: docker/compose cmd/compose/ps.go, cmd/formatter/container.go.

import { membersOf } from "../../running/projects/index.ts";
import type { Member } from "../../running/projects/index.ts";
import { knownServices } from "../../running/projects/index.ts";
import type { Invocation } from "../command.ts";
import { portsText, statusText } from "../ps-run.ts";
import { humanDuration } from "../sizes.ts";
import { alignSpaces } from "../table.ts";
import { renderTemplate } from "../template.ts";
import { withProject } from "./session.ts";

export function runPs(invocation: Invocation): Promise<number> {
  const { flags, args, shell } = invocation;
  const options = { nameIsEnough: true, allProfiles: true, quiet: true };
  return withProject(invocation, options, async (session) => {
    const wanted = new Set([...flags.list("status"), ...statusFilters(flags.list("filter"))]);
    const all = await membersOf(session.ports, session.project.name);
    const known = knownServices(session, all);
    for (const name of args) if (!known.has(name)) throw new Error(`no such service: ${name}`);
    const shown = all.filter(
      (each) =>
        (args.length === 0 || args.includes(each.service)) &&
        (flags.bool("orphans") || known.has(each.service)) &&
        (wanted.size > 0
          ? wanted.has(each.container.state.status)
          : flags.bool("all") || ["running", "paused", "restarting"].includes(each.container.state.status)) &&
        (!each.oneoff || flags.bool("all") || each.container.state.status === "running"),
    );
    if (flags.bool("services")) {
      shell.stdout.write(lines([...new Set(shown.map(({ service }) => service))]));
    } else if (flags.bool("quiet")) {
      shell.stdout.write(lines(shown.map(({ id }) => id)));
    } else {
      const rows = shown.map((each) =>
        rowOf(each, session.project.name, { now: shell.now(), full: flags.bool("no-trunc") }),
      );
      shell.stdout.write(rendered(rows, flags.string("format")));
    }
    return 0;
  });
}

function statusFilters(texts: readonly string[]): string[] {
  return texts.map((text) => {
    const [name, value = ""] = text.split("=");
    if (name === "status") return value;
    throw new Error(`filter ${JSON.stringify(text)} is not supported: only status is`);
  });
}

function lines(texts: readonly string[]): string {
  return texts.map((each) => `${each}\n`).join("");
}

interface Row {
  readonly Command: string;
  readonly CreatedAt: string;
  readonly ExitCode: number;
  readonly Health: string;
  readonly ID: string;
  readonly Image: string;
  readonly Labels: string;
  readonly Name: string;
  readonly Names: string;
  readonly Networks: string;
  readonly Ports: string;
  readonly Project: string;
  readonly Publishers: readonly { URL: string; TargetPort: number; PublishedPort: number; Protocol: string }[];
  readonly RunningFor: string;
  readonly Service: string;
  readonly State: string;
  readonly Status: string;
}

function rowOf(
  { container, service, id, name }: Member,
  project: string,
  { now, full }: { now: number; full: boolean },
): Row {
  const words = [container.path, ...container.args].join(" ");
  const ago = `${humanDuration(now - container.createdMs)} ago`;
  return {
    Command: JSON.stringify(full || words.length <= 20 ? words : `${words.slice(0, 19)}…`),
    CreatedAt: new Date(container.createdMs).toISOString(),
    ExitCode: container.state.exitCode,
    Health: container.state.health?.status ?? "",
    ID: full ? id : id.slice(0, 12),
    Image: container.config.image,
    Labels: Object.entries(container.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
    Name: name,
    Names: name,
    Networks: container.endpoints.map(({ networkName }) => networkName).join(","),
    Ports: portsText(container),
    Project: project,
    Publishers: container.ports.map((each) => ({
      URL: each.hostIp,
      TargetPort: each.containerPort,
      PublishedPort: each.hostPort,
      Protocol: each.protocol,
    })),
    RunningFor: ago,
    Service: service,
    State: container.state.status,
    Status: statusText(container, now),
  };
}

function rendered(rows: readonly Row[], format: string): string {
  if (format === "json") return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const template = format.replace(/^table /, "");
  if (format !== "table" && format !== "") {
    return rows.map((row) => `${renderTemplate(template, row)}\n`).join("");
  }
  const table = rows.map((row) => [
    row.Name,
    row.Image,
    row.Command,
    row.Service,
    row.RunningFor,
    row.Status,
    row.Ports,
  ]);
  return alignSpaces([["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"], ...table]);
}
