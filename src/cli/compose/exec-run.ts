// `compose exec`. Counterpart: docker/compose cmd/compose/exec.go.

import { isRunning, membersOf, ofService } from "../../running/projects/index.ts";
import type { Member } from "../../running/projects/index.ts";
import { knownServices } from "../../running/projects/index.ts";
import type { Invocation } from "../command.ts";
import { withProject } from "./session.ts";
import type { Session } from "./session.ts";

export function runExec(invocation: Invocation): Promise<number> {
  const { flags, args, shell } = invocation;
  const [service = "", ...command] = args;
  const options = { nameIsEnough: true, allProfiles: true, quiet: true, abortOnInterrupt: false };
  return withProject(invocation, options, async (session) => {
    const member = await oneContainer(session, service, flags.number("index") ?? 0);
    const detach = flags.bool("detach");
    const tty = !detach && !flags.bool("no-TTY") && shell.stdin.isTTY === true && shell.stdout.isTTY === true;
    return await session.ports.containers.exec(member.id, {
      command,
      env: flags.list("env").map((text) => (text.includes("=") ? text : `${text}=${shell.env[text] ?? ""}`)),
      workingDir: flags.string("workdir") || undefined,
      user: flags.string("user") || undefined,
      tty,
      interactive: !detach,
      detach,
      privileged: flags.bool("privileged"),
    });
  });
}

/** The container of a service with a number, or its first that runs. @throws Error where there is none. */
export async function oneContainer(session: Session, service: string, number: number): Promise<Member> {
  const members = await membersOf(session.ports, session.project.name);
  if (!knownServices(session, members).has(service)) throw new Error(`no such service: ${service}`);
  const running = ofService(members, service).filter(isRunning);
  const found = number === 0 ? running[0] : running.find((each) => each.number === number);
  if (found !== undefined) return found;
  const which = number === 0 ? "" : ` (container #${number})`;
  throw new Error(`service ${JSON.stringify(service)} is not running${which}`);
}
