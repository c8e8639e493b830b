// `compose top` and `compose port`. Counterpart: docker/compose cmd/compose/{top,port}.go.

import { isRunning, membersOf } from "../../running/projects/index.ts";
import type { Invocation } from "../command.ts";
import { alignSpaces } from "../table.ts";
import { oneContainer } from "./exec-run.ts";
import { withProject } from "./session.ts";

const options = { nameIsEnough: true, allProfiles: true, quiet: true };

export function runTop(invocation: Invocation): Promise<number> {
  const { args, shell } = invocation;
  return withProject(invocation, options, async ({ ports, project }) => {
    const members = (await membersOf(ports, project.name)).filter(
      (each) => isRunning(each) && (args.length === 0 || args.includes(each.service)),
    );
    for (const member of members) {
      const { titles, processes } = await ports.containers.top(member.id);
      shell.stdout.write(`${member.name}\n${alignSpaces([titles, ...processes])}\n`);
    }
    return 0;
  });
}

export function runPort(invocation: Invocation): Promise<number> {
  const { args, flags, shell } = invocation;
  const [service = "", text = ""] = args;
  const [number, named] = text.split("/");
  const protocol = (named ?? flags.string("protocol")).toLowerCase();
  if (!/^\d+$/.test(number!)) throw new Error(`invalid port ${JSON.stringify(text)}`);
  return withProject(invocation, options, async (session) => {
    const member = await oneContainer(session, service, flags.number("index") ?? 0);
    const found = member.container.ports.find(
      (each) => each.containerPort === Number(number) && each.protocol === protocol,
    );
    if (found === undefined) {
      throw new Error(`no port ${number}/${protocol} for container ${member.name}`);
    }
    const host = found.hostIp.includes(":") ? `[${found.hostIp}]` : found.hostIp;
    shell.stdout.write(`${host}:${found.hostPort}\n`);
    return 0;
  });
}
