// This machine as projects see it: the containers, networks, volumes and images of one state root.

import type { Engine } from "../../engine/index.ts";
import type { ProjectPorts } from "./ports.ts";

export interface MachineOptions {
  /** Where all state lives. */
  readonly root: string;
  /** Where relative paths of images start. */
  readonly cwd: string;
}

/** Opens it; what was opened on the way is closed with it. @throws STATE_UNWRITABLE and what opening containers throws. */
export async function openMachine({ root, cwd }: MachineOptions): Promise<ProjectPorts & AsyncDisposable> {
  // Loaded here, so that who only reads a project's files does not wait for them.
  const [containersRoom, networksRoom, volumesRoom, { EngineImages }] = await Promise.all([
    import("../containers/index.ts"),
    import("../networks/index.ts"),
    import("../volumes/index.ts"),
    import("./engine-images.ts"),
  ]);
  const { openContainers } = containersRoom;
  const { createNetwork, listNetworks, removeNetwork } = networksRoom;
  const { createVolume, listVolumes, removeVolume } = volumesRoom;
  let engine: Promise<Engine> | undefined;
  const open = () => (engine ??= import("../../engine/index.ts").then(({ Engine: opened }) => opened.open({ root })));
  const containers = await openContainers({ root, cwd, engine: open });
  return {
    containers,
    images: new EngineImages(open, cwd),
    networks: {
      list: () => Promise.resolve(listNetworks(root)),
      create: async ({ name, driver, internal, labels, subnets }) => {
        const [first] = subnets;
        await createNetwork(root, {
          name,
          internal,
          labels,
          ...(driver === "" ? {} : { driver }),
          ...(first === undefined ? {} : first),
        });
      },
      remove: async (name) => {
        await removeNetwork(root, name);
      },
    },
    volumes: {
      list: () => Promise.resolve(listVolumes(root)),
      create: async ({ name, driver, driverOptions, labels }) => {
        createVolume(root, { name, labels, options: driverOptions, ...(driver === "" ? {} : { driver }) });
        await Promise.resolve();
      },
      remove: async (name) => {
        removeVolume(root, name);
        await Promise.resolve();
      },
    },
    [Symbol.asyncDispose]: async () => {
      await containers[Symbol.asyncDispose]();
      if (engine !== undefined) await (await engine)[Symbol.asyncDispose]();
    },
  };
}
