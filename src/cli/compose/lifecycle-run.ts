// Verbs on containers that are there: down, stop, start, restart, kill, rm, pause. Counterpart: docker/compose cmd/compose.

import { createInterface } from "node:readline/promises";
import {
  downProject,
  killProject,
  pauseProject,
  removable,
  removeMembers,
  restartProject,
  startProject,
  stopProject,
} from "../../running/projects/index.ts";
import { goBool } from "../flags.ts";
import type { Invocation } from "../command.ts";
import { timeoutOf, withProject } from "./session.ts";
import { waitForAll } from "./up-run.ts";

const plain = { nameIsEnough: true, allProfiles: true, quiet: true } as const;

export function runDown(invocation: Invocation): Promise<number> {
  const { flags, shell, args } = invocation;
  const images = flags.string("rmi");
  if (images !== "" && images !== "local" && images !== "all") {
    throw new Error(`invalid value for --rmi: ${JSON.stringify(images)}`);
  }
  return withProject(invocation, plain, async (session) => {
    await downProject(session.work(), {
      volumes: flags.bool("volumes"),
      anonymousVolumes: flags.bool("volumes"),
      removeOrphans: flags.bool("remove-orphans") || goBool(shell.env["COMPOSE_REMOVE_ORPHANS"] ?? "") === true,
      images,
      services: args,
      ...timeoutOf(invocation),
    });
    return 0;
  });
}

export function runStop(invocation: Invocation): Promise<number> {
  return withProject(invocation, plain, async (session) => {
    await stopProject(session.work(), invocation.args, timeoutOf(invocation));
    return 0;
  });
}

export function runStart(invocation: Invocation): Promise<number> {
  const { flags, args } = invocation;
  return withProject(invocation, { ...plain, allProfiles: false, services: args }, async (session) => {
    const started = await startProject(session.work(), args);
    if (flags.bool("wait")) {
      const services = new Map([...session.project.services].filter(([name]) => started.has(name)));
      await waitForAll(session, services, flags.number("wait-timeout") ?? 0);
    }
    return 0;
  });
}

export function runRestart(invocation: Invocation): Promise<number> {
  return withProject(invocation, { ...plain, allProfiles: false, services: invocation.args }, async (session) => {
    await restartProject(session.work(), invocation.args, {
      ...timeoutOf(invocation),
      noDependencies: invocation.flags.bool("no-deps"),
    });
    return 0;
  });
}

export function runKill(invocation: Invocation): Promise<number> {
  const { flags } = invocation;
  return withProject(invocation, plain, async (session) => {
    await killProject(session.work(), invocation.args, {
      signal: flags.string("signal"),
      removeOrphans: flags.bool("remove-orphans"),
    });
    return 0;
  });
}

export function runPause(invocation: Invocation, pause: boolean): Promise<number> {
  return withProject(invocation, plain, async (session) => {
    await pauseProject(session.work(), invocation.args, pause);
    return 0;
  });
}

export function runRm(invocation: Invocation): Promise<number> {
  const { flags, args, shell } = invocation;
  return withProject(invocation, plain, async (session) => {
    const work = session.work();
    if (flags.bool("stop")) await stopProject(work, args);
    const members = await removable(work, args);
    if (members.length === 0) {
      shell.stderr.write("No stopped containers\n");
      return 0;
    }
    if (!flags.bool("force")) {
      const question = createInterface({ input: shell.stdin, output: shell.stderr });
      const names = members.map(({ name }) => name).join(", ");
      const answer = await question.question(`? Going to remove ${names} Yes/No [y/N] `);
      question.close();
      if (!/^y(es)?$/i.test(answer.trim())) return 0;
    }
    await removeMembers(work, members, { volumes: flags.bool("volumes") });
    return 0;
  });
}
