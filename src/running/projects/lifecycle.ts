// Verbs on containers that are there: stop, start, restart, kill, pause, rm. Counterpart: docker/compose pkg/compose/{stop,start,restart,
// kill,pause,remove}.go.

import { BuildError } from "../../base/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import { walkServices, withDependents } from "./dependencies.ts";
import { knownServices, runPreStop } from "./down.ts";
import { isRunning } from "./labels.ts";
import type { Member } from "./labels.ts";
import { startServices } from "./start.ts";
import { waitForDependencies } from "./waits.ts";
import { membersOf, ofService, settle, told } from "./work.ts";
import type { Work } from "./work.ts";

/** Services that are named, or all. @throws SERVICE_UNKNOWN. */
export function chosenServices(
  work: Work,
  members: readonly Member[],
  names: readonly string[],
): Map<string, RunService> {
  const known = knownServices(work, members);
  for (const name of names) {
    if (known.has(name)) continue;
    throw new BuildError(`no such service: ${name}`, { code: "SERVICE_UNKNOWN", status: "NotFound" });
  }
  return names.length === 0 ? known : new Map([...known].filter(([name]) => names.includes(name)));
}

export async function stopProject(
  work: Work,
  names: readonly string[],
  { timeoutSec }: { readonly timeoutSec?: number | undefined } = {},
): Promise<void> {
  const members = await membersOf(work.ports, work.project.name);
  const services = chosenServices(work, members, names);
  await walkServices(
    services,
    async (service) => {
      await settle(
        ofService(members, service.name)
          .filter(isRunning)
          .map((each) =>
            told(work, `Container ${each.name}`, ["Stopping", "Stopped"], async () => {
              await runPreStop(work, service, each);
              await work.ports.containers.stop(each.id, { timeoutSec });
            }),
          ),
      );
    },
    { direction: "dependents-first", ...(work.parallel === undefined ? {} : { parallel: work.parallel }) },
  );
}

/** @throws SERVICE_NOT_CREATED when no container of a service is there. */
export async function startProject(work: Work, names: readonly string[]): Promise<Map<string, Member[]>> {
  const members = await membersOf(work.ports, work.project.name);
  const services = chosenServices(work, members, names);
  const byService = new Map([...services.keys()].map((name) => [name, ofService(members, name)]));
  for (const [name, own] of byService) {
    if (own.length > 0 || services.get(name)!.scale === 0) continue;
    if (!work.project.services.has(name)) continue;
    throw new BuildError(`service ${JSON.stringify(name)} has no container to start`, {
      code: "SERVICE_NOT_CREATED",
      status: "FailedPrecondition",
      hint: "slipway compose up makes it",
    });
  }
  const all = new Map(
    [...new Set(members.map(({ service }) => service))].map((name) => [name, ofService(members, name)]),
  );
  await startServices(work, services, all);
  return byService;
}

/** Services that say they restart with one of these do so too, unless `withDependencies` is off. */
export async function restartProject(
  work: Work,
  names: readonly string[],
  options: { readonly timeoutSec?: number | undefined; readonly noDependencies?: boolean } = {},
): Promise<void> {
  const members = await membersOf(work.ports, work.project.name);
  const services = new Map(chosenServices(work, members, names));
  if (options.noDependencies !== true && names.length > 0) {
    for (const [name, service] of withDependents(work.project.services, names)) {
      const follows = [...service.dependsOn].some(([each, { restart }]) => restart && services.has(each));
      if (follows) services.set(name, service);
    }
  }
  const byService = new Map([...services.keys()].map((name) => [name, ofService(members, name)]));
  await walkServices(
    services,
    async (service) => {
      if (service.dependsOn.size > 0 && names.length === 0) await waitForDependencies(work, service, byService);
      await settle(
        byService.get(service.name)!.map((each) =>
          told(work, `Container ${each.name}`, ["Restarting", "Started"], async () => {
            await runPreStop(work, service, each);
            await work.ports.containers.restart(each.id, { timeoutSec: options.timeoutSec });
          }),
        ),
      );
    },
    { direction: "dependencies-first", ...(work.parallel === undefined ? {} : { parallel: work.parallel }) },
  );
}

/** @throws NOTHING_RUNNING when there is nothing to kill. */
export async function killProject(
  work: Work,
  names: readonly string[],
  { signal, removeOrphans = false }: { readonly signal: string; readonly removeOrphans?: boolean },
): Promise<void> {
  const members = await membersOf(work.ports, work.project.name);
  const services = chosenServices(work, members, names);
  const running = members.filter(
    (each) =>
      isRunning(each) && !each.oneoff && (services.has(each.service) || (removeOrphans && !services.has(each.service))),
  );
  if (running.length === 0) work.warn("no container to kill");
  await settle(
    running.map((each) =>
      told(work, `Container ${each.name}`, ["Killing", "Killed"], () => work.ports.containers.kill(each.id, signal)),
    ),
  );
}

export async function pauseProject(work: Work, names: readonly string[], pause: boolean): Promise<void> {
  const members = await membersOf(work.ports, work.project.name);
  const services = chosenServices(work, members, names);
  const from = pause ? "running" : "paused";
  const { containers } = work.ports;
  const chosen = members.filter((each) => services.has(each.service) && each.container.state.status === from);
  await settle(
    chosen.map((each) =>
      told(work, `Container ${each.name}`, pause ? ["Pausing", "Paused"] : ["Unpausing", "Unpaused"], () =>
        pause ? containers.pause(each.id) : containers.unpause(each.id),
      ),
    ),
  );
}

/** Containers that `rm` would take: those that are stopped. */
export async function removable(work: Work, names: readonly string[]): Promise<Member[]> {
  const members = await membersOf(work.ports, work.project.name);
  const services = chosenServices(work, members, names);
  return members.filter((each) => services.has(each.service) && !isRunning(each));
}
