// `compose cp`: a service's container stands for its name, the rest is `slipway cp`. Counterpart: docker/compose pkg/compose/cp.go.

import { isRunning, membersOf } from "../../running/projects/index.ts";
import type { Member } from "../../running/projects/index.ts";
import { runCp as copy } from "../cp-run.ts";
import type { Invocation } from "../command.ts";
import { withProject } from "./session.ts";

export async function runCp(invocation: Invocation): Promise<number> {
  const { flags } = invocation;
  const [from = "", to = ""] = invocation.args;
  const source = servicePath(from);
  const target = servicePath(to);
  if ((source === undefined) === (target === undefined)) {
    throw new Error(source === undefined ? "unknown copy direction" : "copying between services is not supported");
  }
  const service = (source ?? target)!.service;
  const options = { nameIsEnough: true, allProfiles: true, quiet: true };
  return await withProject(invocation, options, async (session) => {
    const all = await membersOf(session.ports, session.project.name);
    const number = flags.number("index") ?? 0;
    const own = all.filter((each) => each.service === service && (!each.oneoff || flags.bool("all")));
    const chosen = number === 0 ? own : own.filter((each) => each.number === number);
    if (chosen.length === 0) throw new Error(`no container found for service ${JSON.stringify(service)}`);
    // Into all replicas, out of one.
    const members = target === undefined || number !== 0 ? [chosen.find(isRunning) ?? chosen[0]!] : chosen;
    for (const member of members) {
      const args = source === undefined ? [from, named(member, target!.path)] : [named(member, source.path), to];
      const code = await copy({ ...invocation, args });
      if (code !== 0) return code;
    }
    return 0;
  });
}

function named({ id }: Member, path: string): string {
  return `${id}:${path}`;
}

/** `SERVICE:PATH`; a path of this machine has a slash or a dot before any colon. */
function servicePath(text: string): { service: string; path: string } | undefined {
  const colon = text.indexOf(":");
  if (/^[./]/.test(text) || text === "-" || colon <= 0 || text.slice(0, colon).includes("/")) return undefined;
  return { service: text.slice(0, colon), path: text.slice(colon + 1) };
}
