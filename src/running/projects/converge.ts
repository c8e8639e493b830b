// Brings the containers of a project to what its files say: makes what is missing, makes anew what has changed, removes what is too much.
// Dependencies come first, for others may share their namespaces and volumes. Nothing is started here.
// Counterpart: docker/compose pkg/compose/convergence.go.

import { messageOf } from "../../base/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import type { Container, ContainerConfig } from "../containers/index.ts";
import type { MountRequest } from "../volumes/index.ts";
import { configHash } from "./config-hash.ts";
import { walkServices } from "./dependencies.ts";
import { serviceFiles } from "./files.ts";
import { isRunning, label, labelVersion, memberOf } from "./labels.ts";
import type { Member } from "./labels.ts";
import type { ProjectImage } from "./ports.ts";
import { containerConfig } from "./wishes.ts";
import { ofService, settle, told } from "./work.ts";
import type { Work } from "./work.ts";
import { BuildError } from "../../base/index.ts";

export interface ConvergeOptions {
  /** `diverged`: what has changed is made anew; `force`: everything; `never`: nothing. */
  readonly recreate: "diverged" | "force" | "never";
  /** The same for services that are only depended on. */
  readonly recreateDependencies: "diverged" | "force" | "never";
  /** Services that were asked for; the others are only depended on. Empty: all. */
  readonly asked: readonly string[];
  /** New anonymous volumes in place of the old container's. */
  readonly renewVolumes: boolean;
  /** Replicas in place of the file's. */
  readonly scale: ReadonlyMap<string, number>;
  readonly timeoutSec?: number | undefined;
}

/** The containers of each service afterwards, and the services of which one was made anew. */
export interface Converged {
  readonly members: Map<string, Member[]>;
  readonly recreated: Set<string>;
}

/** @throws the first failure; what was under way ends first. */
export async function converge(
  work: Work,
  services: ReadonlyMap<string, RunService>,
  state: { readonly members: readonly Member[]; readonly images: ReadonlyMap<string, ProjectImage> },
  options: ConvergeOptions,
): Promise<Converged> {
  const converged: Converged = { members: new Map(), recreated: new Set() };
  // Who is not converged may still be shared with.
  for (const name of work.project.services.keys()) converged.members.set(name, ofService(state.members, name));
  await walkServices(
    services,
    async (service) => {
      work.signal.throwIfAborted();
      const one = new ServiceConvergence(work, service, state.images.get(service.name)!, { options, converged });
      converged.members.set(service.name, await one.run(ofService(state.members, service.name)));
    },
    { direction: "dependencies-first", ...(work.parallel === undefined ? {} : { parallel: work.parallel }) },
  );
  return converged;
}

class ServiceConvergence {
  readonly #work: Work;
  readonly #service: RunService;
  readonly #image: ProjectImage;
  readonly #options: ConvergeOptions;
  readonly #converged: Converged;
  readonly #hash: string;

  constructor(
    work: Work,
    service: RunService,
    image: ProjectImage,
    { options, converged }: { readonly options: ConvergeOptions; readonly converged: Converged },
  ) {
    this.#work = work;
    this.#service = service;
    this.#image = image;
    this.#options = options;
    this.#converged = converged;
    this.#hash = configHash(service, work.project);
  }

  async run(existing: readonly Member[]): Promise<Member[]> {
    const wanted = this.#options.scale.get(this.#service.name) ?? this.#service.scale;
    const byWorth = existing
      .map((member) => ({ member, obsolete: this.#mustRecreate(member) }))
      .toSorted((a, b) => Number(a.obsolete) - Number(b.obsolete) || a.member.number - b.member.number);
    const kept = byWorth.slice(0, wanted);
    const surplus = byWorth.slice(wanted).map(({ member }) => member);
    const numbers = new Set(kept.map(({ member }) => member.number));
    const missing: number[] = [];
    for (let number = 1; kept.length + missing.length < wanted; number++)
      if (!numbers.has(number)) missing.push(number);
    const made: Member[] = [];
    await settle([
      ...surplus.map((member) => this.#removeSurplus(member)),
      ...kept.map(async ({ member, obsolete }) =>
        made.push(obsolete ? await this.#recreate(member) : this.#keep(member)),
      ),
      ...missing.map(async (number) => made.push(await this.#createMissing(number))),
    ]);
    return made.toSorted((a, b) => a.number - b.number);
  }

  #mustRecreate(member: Member): boolean {
    const { asked, recreate, recreateDependencies } = this.#options;
    const policy = asked.length === 0 || asked.includes(this.#service.name) ? recreate : recreateDependencies;
    if (policy === "never") return false;
    if (policy === "force") return true;
    const { networkMode, pid, ipc, volumesFrom } = this.#service;
    const shared = [networkMode, pid, ipc]
      .filter((each) => each.startsWith("service:"))
      .map((each) => each.slice("service:".length));
    const sources = [...shared, ...volumesFrom.map((each) => each.split(":")[0]!)];
    if (sources.some((each) => this.#converged.recreated.has(each))) return true;
    return member.configHash !== this.#hash || member.image !== this.#image.configDigest;
  }

  #keep(member: Member): Member {
    if (isRunning(member)) this.#work.onEvent({ subject: `Container ${member.name}`, status: "Running" });
    return member;
  }

  async #createMissing(number: number): Promise<Member> {
    const name = this.#nameOf(number);
    let made: Container | undefined;
    await told(this.#work, `Container ${name}`, ["Creating", "Created"], async () => {
      made = await this.#create(await this.#config(name, number, undefined));
    });
    return memberOf(made!);
  }

  /** The new one is there before the old one goes, so that a failure leaves the old one in its place. */
  async #recreate(old: Member): Promise<Member> {
    const { containers } = this.#work.ports;
    const name = this.#nameOf(old.number);
    let made: Container | undefined;
    this.#converged.recreated.add(this.#service.name);
    await told(this.#work, `Container ${old.name}`, ["Recreate", "Recreated"], async () => {
      const config = await this.#config(name, old.number, old);
      const created = await this.#create({ ...config, name: `${old.id.slice(0, 12)}_${name}` });
      try {
        if (isRunning(old)) await containers.stop(old.id, { timeoutSec: this.#options.timeoutSec });
        await containers.remove(old.id, { force: true, volumes: this.#options.renewVolumes });
      } catch (error) {
        await containers.remove(created.id, { force: true }).catch(() => undefined);
        throw error;
      }
      await containers.rename(created.id, name);
      made = await containers.inspect(created.id);
    });
    return memberOf(made!);
  }

  async #removeSurplus(member: Member): Promise<void> {
    const { containers } = this.#work.ports;
    const subject = `Container ${member.name}`;
    if (isRunning(member)) {
      await told(this.#work, subject, ["Stopping", "Stopped"], () =>
        containers.stop(member.id, { timeoutSec: this.#options.timeoutSec }),
      );
    }
    await told(this.#work, subject, ["Removing", "Removed"], () => containers.remove(member.id, { force: true }));
  }

  #nameOf(number: number): string {
    const { containerName, name } = this.#service;
    return containerName === "" ? `${this.#work.project.name}-${name}-${number}` : containerName;
  }

  #create(config: ContainerConfig): Promise<Container> {
    const { containers } = this.#work.ports;
    return containers.create(config, { onNotice: this.#work.warn, signal: this.#work.signal });
  }

  async #config(name: string, number: number, old: Member | undefined): Promise<ContainerConfig> {
    const inherited = new Map<string, string>();
    if (old !== undefined && !this.#options.renewVolumes) {
      for (const { target, volumeName, anonymous } of old.container.mounts) {
        if (anonymous === true && volumeName !== undefined) inherited.set(target, volumeName);
      }
    }
    return await serviceContainer(this.#work, this.#service, {
      name,
      members: this.#converged.members,
      inherited,
      labels: {
        ...serviceLabels(this.#work, this.#service, this.#image),
        [label.number]: String(number),
        [label.oneoff]: "False",
        [label.configHash]: this.#hash,
        ...(old === undefined ? {} : { [label.replace]: old.name }),
      },
    });
  }
}

/** Labels of any container of a service, its own among them. */
export function serviceLabels({ project }: Work, service: RunService, image: ProjectImage): Record<string, string> {
  const dependsOn = [...service.dependsOn].map(([name, { condition, restart }]) => `${name}:${condition}:${restart}`);
  return {
    ...Object.fromEntries(service.labels),
    [label.project]: project.name,
    [label.service]: service.name,
    [label.image]: image.configDigest,
    [label.workingDir]: project.folder,
    [label.configFiles]: project.files.join(","),
    [label.dependsOn]: dependsOn.join(","),
    [label.version]: labelVersion,
  };
}

export interface ServiceContainerOptions {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Containers of each service, for what is shared with them. */
  readonly members: ReadonlyMap<string, readonly Member[]>;
  readonly inherited: ReadonlyMap<string, string>;
}

/** What is asked of `Containers` for one container of a service. */
export async function serviceContainer(
  work: Work,
  service: RunService,
  { name, labels, members, inherited }: ServiceContainerOptions,
): Promise<ContainerConfig> {
  const files = serviceFiles(service, work.project);
  const containerOf = (mode: string): string => {
    const other = mode.slice(mode.indexOf(":") + 1);
    if (mode.startsWith("container:")) return other;
    const found = members.get(other)?.[0];
    if (found !== undefined) return found.id;
    throw new BuildError(
      `service ${JSON.stringify(service.name)} can't share with ${other}: no container of it is there`,
      {
        code: "SERVICE_NOT_RUNNING",
        status: "FailedPrecondition",
      },
    );
  };
  const shared: MountRequest[] = [];
  for (const each of service.volumesFrom) shared.push(...(await mountsFrom(work, each, containerOf)));
  const own = new Set(service.mounts.map(({ target }) => target));
  const labelsOfImage = new Map(inherited);
  for (const target of own) labelsOfImage.delete(target);
  // Volumes that the image asks for are named by no mount of the service: they are taken over by their targets.
  const taken: MountRequest[] = [...labelsOfImage].map(([target, volume]) => ({
    kind: "volume",
    target,
    name: volume,
    noCopy: false,
    readOnly: false,
  }));
  return containerConfig(service, {
    project: work.project,
    name,
    labels,
    files: files.files,
    mounts: [...files.mounts, ...shared.filter(({ target }) => !own.has(target)), ...taken],
    inherited,
    containerOf,
  });
}

/** `SERVICE[:ro]` or `container:NAME[:ro]`. */
async function mountsFrom(work: Work, text: string, containerOf: (mode: string) => string): Promise<MountRequest[]> {
  const parts = text.split(":");
  const mode = ["ro", "rw"].includes(parts.at(-1)!) ? parts.pop() : "rw";
  const id = containerOf(parts[0] === "container" ? parts.join(":") : `service:${parts.join(":")}`);
  const { mounts } = await work.ports.containers.inspect(id).catch((error: unknown) => {
    throw new BuildError(`volumes_from ${text}: ${messageOf(error)}`, {
      code: "CONTAINER_UNKNOWN",
      status: "NotFound",
      cause: error,
    });
  });
  return mounts.flatMap((each): MountRequest[] => {
    const readOnly = each.readOnly || mode === "ro";
    if (each.kind === "bind") {
      return [{ kind: "bind", source: each.source, target: each.target, readOnly, createSource: false }];
    }
    if (each.kind === "tmpfs" || each.volumeName === undefined) return [];
    return [{ kind: "volume", name: each.volumeName, target: each.target, readOnly, noCopy: true }];
  });
}
