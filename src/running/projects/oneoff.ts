// `run`: one more container of a service, with another command, that is none of its replicas. Counterpart: docker/compose
// pkg/compose/run.go.

import { randomBytes } from "node:crypto";
import type { RunService } from "../../frontends/compose/index.ts";
import type { Container } from "../containers/index.ts";
import { configHash } from "./config-hash.ts";
import { serviceContainer, serviceLabels } from "./converge.ts";
import { presentImages } from "./images.ts";
import { label } from "./labels.ts";
import { ensureResources } from "./resources.ts";
import { waitForDependencies } from "./waits.ts";
import { membersOf, ofService } from "./work.ts";
import type { Work } from "./work.ts";

export interface OneOff {
  /** As the command line changes it. */
  readonly service: RunService;
  /** Empty: made up. */
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly autoRemove: boolean;
  readonly publish: boolean;
  /** Known by the service's name on its networks. */
  readonly useAliases: boolean;
  readonly tty: boolean;
  readonly interactive: boolean;
  /** Dependencies run already, or are not wanted. */
  readonly noDependencies: boolean;
}

/** Makes the container; what it depends on runs. */
export async function createOneOff(work: Work, wish: OneOff): Promise<Container> {
  const { project, ports } = work;
  const service = { ...wish.service, ports: wish.publish ? wish.service.ports : [], containerName: "" };
  const images = await presentImages(work, new Map([[service.name, service]]));
  await ensureResources(work, [service]);
  const members = await membersOf(ports, project.name);
  const byService = new Map([...project.services.keys()].map((name) => [name, ofService(members, name)]));
  if (!wish.noDependencies) await waitForDependencies(work, service, byService);
  const config = await serviceContainer(work, service, {
    name: wish.name === "" ? `${project.name}-${service.name}-run-${randomBytes(6).toString("hex")}` : wish.name,
    members: byService,
    inherited: new Map(),
    labels: {
      ...serviceLabels(work, service, images.get(service.name)!),
      ...Object.fromEntries(wish.labels),
      [label.oneoff]: "True",
      [label.number]: "1",
      [label.configHash]: configHash(service, project),
    },
  });
  const { mode } = config.network;
  const aliasless =
    wish.useAliases || mode.kind !== "networks"
      ? mode
      : { ...mode, endpoints: mode.endpoints.map((each) => ({ ...each, aliases: [config.name!] })) };
  return await ports.containers.create(
    {
      ...config,
      network: { ...config.network, mode: aliasless },
      tty: wish.tty,
      openStdin: wish.interactive,
      stdinOnce: wish.interactive,
      autoRemove: wish.autoRemove,
      // One that runs once is not brought back.
      restart: wish.service.restart === "" ? undefined : config.restart,
    },
    { onNotice: work.warn, signal: work.signal },
  );
}
