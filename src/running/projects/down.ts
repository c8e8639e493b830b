// `down`: containers in the reverse of their order, then networks, and volumes and images where that is asked for.
// Counterpart: docker/compose pkg/compose/down.go.

import { isBuildError } from "../../base/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import { isRunning, label } from "./labels.ts";
import type { Member } from "./labels.ts";
import { walkServices } from "./dependencies.ts";
import { removeNetworks, removeVolumes } from "./resources.ts";
import { runHooks } from "./start.ts";
import { orphansOf, removeMembers } from "./up.ts";
import { imageOf } from "./wishes.ts";
import { membersOf, settle, told } from "./work.ts";
import type { Work } from "./work.ts";

export interface DownOptions {
  /** Named ones. */
  readonly volumes: boolean;
  /** Those that only the containers know. */
  readonly anonymousVolumes: boolean;
  readonly removeOrphans: boolean;
  /** `local`: those without a name in the file; `all`: every image of a service. */
  readonly images: "" | "local" | "all";
  readonly timeoutSec?: number | undefined;
  /** Only these services' containers; networks and volumes stay. Empty: everything. */
  readonly services: readonly string[];
}

export async function downProject(work: Work, options: DownOptions): Promise<void> {
  const { project } = work;
  const members = await membersOf(work.ports, project.name);
  const known = knownServices(work, members);
  const wanted =
    options.services.length === 0 ? known : new Map([...known].filter(([name]) => options.services.includes(name)));
  const removal = { timeoutSec: options.timeoutSec, volumes: options.anonymousVolumes };
  let found = members.length > 0;
  if (options.removeOrphans && options.services.length === 0) {
    await removeMembers(work, orphansOf(work, members), removal);
  }
  await walkServices(
    wanted,
    async (service) => {
      const own = members.filter((each) => each.service === service.name);
      await settle(own.filter(isRunning).map((each) => runPreStop(work, service, each)));
      await removeMembers(work, own, removal);
    },
    { direction: "dependents-first", ...(work.parallel === undefined ? {} : { parallel: work.parallel }) },
  );
  if (options.images !== "") await removeImages(work, wanted, options.images);
  if (options.services.length > 0) return;
  if ((await removeNetworks(work)) > 0) found = true;
  if (options.volumes && (await removeVolumes(work)) > 0) found = true;
  if (!found) work.warn(`No resource found to remove for project ${JSON.stringify(project.name)}.`);
}

/** Services of the files; where there are none, those that containers tell of, with the order that their labels keep. */
export function knownServices({ project }: Pick<Work, "project">, members: readonly Member[]): Map<string, RunService> {
  const known = new Map([...project.services, ...project.disabled]);
  if (project.files.length > 0) return known;
  for (const { service } of members) known.set(service, serviceFromLabels(service, members));
  return known;
}

function serviceFromLabels(name: string, members: readonly Member[]): RunService {
  const text = members.find((each) => each.service === name)?.container.labels[label.dependsOn] ?? "";
  const names = text.split(",").flatMap((each) => (each === "" ? [] : [each.split(":")[0]!]));
  const dependency = { condition: "service_started", required: false, restart: false } as const;
  // Only its name and order are used of it.
  return {
    name,
    image: "",
    dependsOn: new Map(names.map((each) => [each, dependency])),
    preStop: [],
    profiles: [],
  } as unknown as RunService;
}

/** What is to be run before a stop; that it fails keeps nothing from stopping. */
export async function runPreStop(work: Work, service: RunService | undefined, member: Member): Promise<void> {
  if (service === undefined || service.preStop.length === 0) return;
  try {
    await runHooks(work, member, service.preStop);
  } catch (error) {
    if (!isBuildError(error)) throw error;
    work.warn(error.message);
  }
}

async function removeImages(
  work: Work,
  services: ReadonlyMap<string, RunService>,
  which: "local" | "all",
): Promise<void> {
  const references = new Set(
    [...services.values()]
      .filter(({ image }) => which === "all" || image === "")
      .map((service) => imageOf(service, work.project)),
  );
  await settle(
    [...references].map(async (reference) => {
      const subject = `Image ${reference}`;
      try {
        await told(work, subject, ["Removing", "Removed"], () => work.ports.images.remove(reference));
      } catch (error) {
        if (!isBuildError(error)) throw error;
        work.onEvent({ subject, status: `Warning: ${error.message}` });
      }
    }),
  );
}
