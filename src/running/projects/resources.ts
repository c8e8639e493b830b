// The networks and volumes of a project: made before its containers, removed after them. Those of others are left alone.
// Counterpart: docker/compose pkg/compose/create.go ensureNetwork, ensureVolume; down.go.

import { BuildError, isBuildError } from "../../base/index.ts";
import type { RunNetwork, RunService, RunVolume } from "../../frontends/compose/index.ts";
import { label, labelVersion } from "./labels.ts";
import { settle, told } from "./work.ts";
import type { Work } from "./work.ts";

/** Makes what the services need and is not there. @throws RESOURCE_MISSING for an external one, RESOURCE_FOREIGN. */
export async function ensureResources(work: Work, services: Iterable<RunService>): Promise<void> {
  const { project } = work;
  const networks = new Set<string>();
  const volumes = new Set<string>();
  for (const service of services) {
    for (const key of service.networks.keys()) networks.add(key);
    for (const { type, source } of service.mounts) if (type === "volume" && source !== "") volumes.add(source);
  }
  await settle([
    ...(networks.size === 0
      ? []
      : [
          ensureNetworks(
            work,
            [...networks].map((key) => project.networks.get(key)!),
          ),
        ]),
    ...(volumes.size === 0
      ? []
      : [
          ensureVolumes(
            work,
            [...volumes].map((key) => project.volumes.get(key)!),
          ),
        ]),
  ]);
}

async function ensureNetworks(work: Work, wanted: readonly RunNetwork[]): Promise<void> {
  const { ports, project } = work;
  const known = await ports.networks.list();
  await settle(
    wanted.map(async (network) => {
      const found = known.find(({ name, id }) => name === network.name || id === network.name);
      if (network.external) {
        if (found !== undefined || ["host", "none", "bridge"].includes(network.name)) return;
        throw missing(`network ${network.name} declared as external, but could not be found`);
      }
      if (found !== undefined) {
        const given = found.labels[label.network] ?? "";
        if (found.labels[label.project] === project.name && given === network.key) return;
        throw new BuildError(
          `network ${network.name} was found but has incorrect label ${label.network} set to ${JSON.stringify(given)} (expected: ${JSON.stringify(network.key)})`,
          {
            code: "RESOURCE_FOREIGN",
            status: "FailedPrecondition",
            hint: "say external: true to use it as it is, or give this one another name",
          },
        );
      }
      await told(work, `Network ${network.name}`, ["Creating", "Created"], () =>
        ports.networks.create({
          name: network.name,
          driver: network.driver,
          internal: network.internal,
          subnets: network.subnets,
          labels: {
            ...Object.fromEntries(network.labels),
            [label.project]: project.name,
            [label.network]: network.key,
            [label.version]: labelVersion,
          },
        }),
      );
    }),
  );
}

async function ensureVolumes(work: Work, wanted: readonly RunVolume[]): Promise<void> {
  const { ports, project, warn } = work;
  const known = await ports.volumes.list();
  await settle(
    wanted.map(async (volume) => {
      const found = known.find(({ name }) => name === volume.name);
      if (volume.external) {
        if (found === undefined) throw missing(`external volume ${JSON.stringify(volume.name)} not found`);
        return;
      }
      if (found !== undefined) {
        const owner = found.labels[label.project];
        const shown = JSON.stringify(volume.name);
        if (owner === undefined) {
          warn(
            `volume ${shown} already exists but was not created by Docker Compose. Use \`external: true\` to use an existing volume`,
          );
        } else if (owner !== project.name) {
          warn(
            `volume ${shown} already exists but was created for project ${JSON.stringify(owner)} (expected ${JSON.stringify(project.name)}). Use \`external: true\` to use an existing volume`,
          );
        }
        return;
      }
      await told(work, `Volume ${JSON.stringify(volume.name)}`, ["Creating", "Created"], () =>
        ports.volumes.create({
          name: volume.name,
          driver: volume.driver,
          driverOptions: Object.fromEntries(volume.driverOptions),
          labels: {
            ...Object.fromEntries(volume.labels),
            [label.project]: project.name,
            [label.volume]: volume.key,
            [label.version]: labelVersion,
          },
        }),
      );
    }),
  );
}

function missing(message: string): BuildError {
  return new BuildError(message, { code: "RESOURCE_MISSING", status: "NotFound" });
}

/** Removes the project's networks; one that somebody else still uses stays, and is said to. */
export async function removeNetworks(work: Work): Promise<number> {
  const { ports, project, onEvent } = work;
  const own = (await ports.networks.list()).filter(({ labels }) => labels[label.project] === project.name);
  await settle(
    own.map(async ({ name, id }) => {
      const subject = `Network ${name}`;
      onEvent({ subject, status: "Removing" });
      try {
        await ports.networks.remove(id);
        onEvent({ subject, status: "Removed" });
      } catch (error) {
        if (!isBuildError(error)) throw error;
        if (error.code === "NETWORK_IN_USE") onEvent({ subject, status: "Resource is still in use" });
        else if (error.status === "NotFound") onEvent({ subject, status: "Removed" });
        else throw error;
      }
    }),
  );
  return own.length;
}

/** Removes the project's named volumes, but none that a file calls external. */
export async function removeVolumes(work: Work): Promise<number> {
  const { ports, project, onEvent } = work;
  const own = (await ports.volumes.list()).filter(({ labels }) => labels[label.project] === project.name);
  await settle(
    own.map(async ({ name }) => {
      const subject = `Volume ${name}`;
      onEvent({ subject, status: "Removing" });
      try {
        await ports.volumes.remove(name);
        onEvent({ subject, status: "Removed" });
      } catch (error) {
        if (!isBuildError(error)) throw error;
        if (error.code === "VOLUME_IN_USE") onEvent({ subject, status: "Resource is still in use" });
        else if (error.status === "NotFound") onEvent({ subject, status: "Removed" });
        else throw error;
      }
    }),
  );
  return own.length;
}
