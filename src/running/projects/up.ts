// `up` and `create`: networks and volumes, containers as the files want them, then their start. Images are there by now.
// Counterpart: docker/compose pkg/compose/{create,up}.go.

import type { RunService } from "../../frontends/compose/index.ts";
import { converge } from "./converge.ts";
import type { Converged, ConvergeOptions } from "./converge.ts";
import { presentImages } from "./images.ts";
import { isRunning } from "./labels.ts";
import type { Member } from "./labels.ts";
import type { ProjectImage } from "./ports.ts";
import { ensureResources } from "./resources.ts";
import { settle, told, membersOf } from "./work.ts";
import type { Work } from "./work.ts";

export interface UpOptions extends ConvergeOptions {
  readonly removeOrphans: boolean;
  /** Says nothing of orphans. */
  readonly ignoreOrphans: boolean;
}

export interface Created extends Converged {
  readonly images: Map<string, ProjectImage>;
}

/** Everything but the start. `services` are those asked for with what they depend on. */
export async function createProject(
  work: Work,
  services: ReadonlyMap<string, RunService>,
  options: UpOptions,
): Promise<Created> {
  const images = await presentImages(work, services);
  const [members] = await Promise.all([
    membersOf(work.ports, work.project.name),
    ensureResources(work, services.values()),
  ]);
  await handleOrphans(work, members, options);
  const converged = await converge(work, services, { members, images }, options);
  await stopForRestart(work, services, converged, options);
  return { ...converged, images };
}

/** Containers of the project whose service is none of it any more; none where only its name is known. */
export function orphansOf({ project }: Pick<Work, "project">, members: readonly Member[]): Member[] {
  if (project.files.length === 0 && project.services.size === 0) return [];
  return members.filter(
    ({ service, oneoff }) => !oneoff && !project.services.has(service) && !project.disabled.has(service),
  );
}

async function handleOrphans(work: Work, members: readonly Member[], options: UpOptions): Promise<void> {
  const orphans = orphansOf(work, members);
  if (orphans.length === 0) return;
  if (options.removeOrphans) return removeMembers(work, orphans, options);
  if (options.ignoreOrphans) return;
  const names = orphans.map(({ name }) => name).join(" ");
  work.warn(
    `Found orphan containers ([${names}]) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.`,
  );
}

/** Services that are to restart with one that was made anew are stopped; the start that follows brings them back. */
async function stopForRestart(
  work: Work,
  services: ReadonlyMap<string, RunService>,
  { members, recreated }: Converged,
  { timeoutSec }: UpOptions,
): Promise<void> {
  const dependents = [...services.values()].filter(
    ({ name, dependsOn }) =>
      !recreated.has(name) && [...dependsOn].some(([each, { restart }]) => restart && recreated.has(each)),
  );
  for (const { name } of dependents) {
    const stopped = await Promise.all(
      (members.get(name) ?? []).map(async (member) => {
        if (!isRunning(member)) return member;
        await told(work, `Container ${member.name}`, ["Stopping", "Stopped"], () =>
          work.ports.containers.stop(member.id, { timeoutSec }),
        );
        return { ...member, container: await work.ports.containers.inspect(member.id) };
      }),
    );
    members.set(name, stopped);
  }
}

/** Stops and removes containers, all at once. */
export async function removeMembers(
  work: Work,
  members: readonly Member[],
  { timeoutSec, volumes = false }: { readonly timeoutSec?: number | undefined; readonly volumes?: boolean } = {},
): Promise<void> {
  const { containers } = work.ports;
  await settle(
    members.map(async (member) => {
      const subject = `Container ${member.name}`;
      if (isRunning(member)) {
        await told(work, subject, ["Stopping", "Stopped"], () => containers.stop(member.id, { timeoutSec }));
      }
      await told(work, subject, ["Removing", "Removed"], () => containers.remove(member.id, { force: true, volumes }));
    }),
  );
}
