// What a project needs of the machine: containers, networks, volumes and images. The first is the room's beside this one; the others are
// only what a project does with them.

import type { Containers } from "../containers/index.ts";

export interface ProjectNetwork {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface NetworkWish {
  readonly name: string;
  /** Empty for a bridge. */
  readonly driver: string;
  readonly internal: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string; readonly ipRange: string }[];
}

export interface ProjectNetworks {
  list(): Promise<ProjectNetwork[]>;
  create(wish: NetworkWish): Promise<void>;
  /** @throws NETWORK_IN_USE, NETWORK_UNKNOWN. */
  remove(name: string): Promise<void>;
}

export interface ProjectVolume {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface VolumeWish extends ProjectVolume {
  readonly driver: string;
  readonly driverOptions: Readonly<Record<string, string>>;
}

export interface ProjectVolumes {
  list(): Promise<ProjectVolume[]>;
  create(wish: VolumeWish): Promise<void>;
  remove(name: string): Promise<void>;
}

/** An image that is in the store. */
export interface ProjectImage {
  readonly reference: string;
  /** Manifest or index. */
  readonly digest: string;
  readonly configDigest: string;
  readonly sizeBytes: number;
  readonly createdMs: number;
  /** Of the platform that runs: `linux/amd64`. */
  readonly platform: string;
}

export interface ProjectImages {
  /** Undefined where the store has none of that name for the platform. */
  find(reference: string, platform: string): Promise<ProjectImage | undefined>;
  /** @throws what the registry says. */
  pull(reference: string, platform: string, signal: AbortSignal): Promise<ProjectImage>;
  /** Byte for byte as it is here. Resolves with its digest. @throws IMAGE_NOT_FOUND, REGISTRY_*. */
  push(reference: string, signal: AbortSignal): Promise<string>;
  /** @throws IMAGE_NOT_FOUND. */
  remove(reference: string): Promise<void>;
}

export interface ProjectPorts {
  readonly containers: Containers;
  readonly networks: ProjectNetworks;
  readonly volumes: ProjectVolumes;
  readonly images: ProjectImages;
}

/** What is done to one thing: `Container web-1`, `Starting`. */
export interface ProjectEvent {
  readonly subject: string;
  readonly status: string;
  readonly failed?: boolean;
}

export type OnEvent = (event: ProjectEvent) => void;
