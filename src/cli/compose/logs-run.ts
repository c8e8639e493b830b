// `compose logs`: what was said, in the order in which it was, and with -f what is said from now on.
// Counterpart: docker/compose cmd/compose/logs.go, pkg/compose/logs.go.

import { isAbort } from "../../base/index.ts";
import { eachLine, membersOf, shortName } from "../../running/projects/index.ts";
import { knownServices } from "../../running/projects/index.ts";
import type { ProjectLine } from "../../running/projects/index.ts";
import type { Invocation } from "../command.ts";
import { LogPrinter, wantsColors } from "./log-printer.ts";
import { momentMs } from "./moment.ts";
import { withProject } from "./session.ts";

export function runLogs(invocation: Invocation): Promise<number> {
  const { flags, args, shell, above } = invocation;
  const options = { nameIsEnough: true, allProfiles: true, quiet: true };
  return withProject(invocation, options, async (session) => {
    const all = await membersOf(session.ports, session.project.name);
    const known = knownServices(session, all);
    for (const name of args) if (!known.has(name)) throw new Error(`no such service: ${name}`);
    const index = flags.number("index") ?? 0;
    const members = all.filter(
      (each) =>
        !each.oneoff &&
        (args.length === 0 ? known.has(each.service) : args.includes(each.service)) &&
        (index === 0 || each.number === index),
    );
    const printer = new LogPrinter(shell, {
      prefix: !flags.bool("no-log-prefix"),
      timestamps: flags.bool("timestamps"),
      colors: wantsColors(shell, above!.string("ansi"), flags.bool("no-color")),
    });
    const { signal } = session.work();
    const follow = flags.bool("follow");
    const tail = tailOf(flags.string("tail"));
    const sinceMs = momentMs(flags.string("since"), shell.now());
    const untilMs = momentMs(flags.string("until"), shell.now());
    for (const each of members) printer.register(shortName(each, session.project.name));
    const past: ProjectLine[] = [];
    try {
      await Promise.all(
        members.map((each) =>
          eachLine(
            session.ports.containers,
            { id: each.id, source: shortName(each, session.project.name) },
            { follow, tail, sinceMs, untilMs, signal },
            follow ? printer.line : (line) => past.push(line),
          ),
        ),
      );
    } catch (error) {
      if (!isAbort(error)) throw error;
      return 130;
    }
    past.toSorted((a, b) => (a.time === b.time ? 0 : a.time < b.time ? -1 : 1)).forEach(printer.line);
    return 0;
  });
}

function tailOf(text: string): number | undefined {
  if (text === "all" || text === "") return undefined;
  const count = Number(text);
  return /^-?\d+$/.test(text) && count >= 0 ? count : undefined;
}
