// `compose wait` and `compose events`. Counterpart: docker/compose cmd/compose/{wait,events}.go.

import { isAbort } from "../../base/index.ts";
import { downProject, isRunning, label, membersOf, ofService } from "../../running/projects/index.ts";
import type { Invocation } from "../command.ts";
import { momentMs } from "./moment.ts";
import { checkServices, withProject } from "./session.ts";

export function runWait(invocation: Invocation): Promise<number> {
  const { args, flags, shell } = invocation;
  return withProject(invocation, { nameIsEnough: true, allProfiles: true, quiet: true }, async (session) => {
    if (session.project.files.length > 0) checkServices(session.project, args);
    const work = session.work();
    const members = await membersOf(session.ports, session.project.name);
    const chosen = args.flatMap((name) => ofService(members, name)).filter(isRunning);
    if (chosen.length === 0) throw new Error("no containers for project found");
    let first: number | undefined;
    const down = flags.bool("down-project");
    const ends = chosen.map(async (member) => {
      const code = await session.ports.containers.wait(member.id, { signal: work.signal });
      shell.stdout.write(`container ${JSON.stringify(member.name)} exited with status code ${code}\n`);
      first ??= code;
    });
    await (down ? Promise.race(ends) : Promise.all(ends));
    if (down) {
      await downProject(work, {
        volumes: false,
        anonymousVolumes: false,
        removeOrphans: false,
        images: "",
        services: [],
      });
      await Promise.allSettled(ends);
    }
    return first ?? 0;
  });
}

export function runEvents(invocation: Invocation): Promise<number> {
  const { args, flags, shell } = invocation;
  return withProject(invocation, { nameIsEnough: true, allProfiles: true, quiet: true }, async (session) => {
    const { signal } = session.work();
    const sinceMs = momentMs(flags.string("since"), shell.now());
    const untilMs = momentMs(flags.string("until"), shell.now());
    const timer = untilMs === undefined ? undefined : AbortSignal.timeout(Math.max(0, untilMs - shell.now()));
    const until = timer === undefined ? signal : AbortSignal.any([signal, timer]);
    try {
      const stream = session.ports.containers.events({ signal: until, ...(sinceMs === undefined ? {} : { sinceMs }) });
      for await (const { action, id, timeMs, attributes } of stream) {
        const service = attributes[label.service] ?? "";
        if (attributes[label.project] !== session.project.name || attributes[label.oneoff] === "True") continue;
        if (args.length > 0 && !args.includes(service)) continue;
        const own = Object.entries(attributes).filter(([key]) => !key.startsWith("com.docker.compose."));
        const time = new Date(timeMs).toISOString();
        if (flags.bool("json")) {
          const event = { time, type: "container", action, id, service, attributes: Object.fromEntries(own) };
          shell.stdout.write(`${JSON.stringify(event)}\n`);
        } else {
          const said = own.map(([key, value]) => `${key}=${value}`).join(", ");
          shell.stdout.write(`${time.replace("T", " ").replace("Z", "")} container ${action} ${id} (${said})\n`);
        }
      }
    } catch (error) {
      if (!isAbort(error) && !until.aborted) throw error;
    }
    return signal.aborted ? 130 : 0;
  });
}
