// What a compose project says of running: services as containers are made of them, and the networks, volumes, secrets and configs
// that they use. Plain data; texts are empty, lists have no entries and optional members are absent where nothing is said.
// Spec: compose-spec 05-services.md to 09-secrets.md. Counterpart: compose-go types.

import type { ComposeBuild, Ulimit } from "./build.ts";
import type { ComposeMap } from "./value.ts";

export type DependencyCondition = "service_started" | "service_healthy" | "service_completed_successfully";

export interface Dependency {
  readonly condition: DependencyCondition;
  /** False: the service may be absent, and may fail. */
  readonly required: boolean;
  /** The dependent is restarted when compose restarts this one. */
  readonly restart: boolean;
}

export interface Healthcheck {
  /** Nothing is probed, whatever the image says. */
  readonly disable: boolean;
  /** `CMD`, `CMD-SHELL` or `NONE` first; undefined for the image's. */
  readonly test: readonly string[] | undefined;
  readonly intervalMs: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly startPeriodMs: number | undefined;
  readonly startIntervalMs: number | undefined;
  readonly retries: number | undefined;
}

export interface PublishedPort {
  readonly target: number;
  /** A port, a range to choose from, or empty for any. */
  readonly published: string;
  readonly hostIp: string;
  readonly protocol: string;
}

export interface ServiceMount {
  readonly type: "bind" | "volume" | "tmpfs" | "image" | "cluster" | "npipe";
  /** A path, the key of a volume, or empty for an anonymous one. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation: string;
  readonly createHostPath: boolean;
  readonly noCopy: boolean;
  readonly subpath: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly tmpfsSize: number | undefined;
  readonly tmpfsMode: number | undefined;
}

export interface Attachment {
  readonly aliases: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  readonly macAddress: string;
  readonly priority: number;
}

/** A secret or config as a file of a container. */
export interface ServiceFile {
  readonly source: string;
  /** Absolute, or a name below `/run/secrets`; configs stand at the root by default. */
  readonly target: string;
  readonly uid: string;
  readonly gid: string;
  readonly mode: number | undefined;
}

export interface Resources {
  readonly cpus: number | undefined;
  readonly cpuShares: number | undefined;
  readonly cpuQuota: number | undefined;
  readonly cpuPeriod: number | undefined;
  readonly cpuset: string;
  readonly memory: number | undefined;
  readonly memoryReservation: number | undefined;
  readonly memorySwap: number | undefined;
  readonly memorySwappiness: number | undefined;
  readonly pids: number | undefined;
  readonly oomKillDisable: boolean;
  readonly oomScoreAdj: number | undefined;
  readonly shmSize: number | undefined;
}

export interface Hook {
  readonly command: readonly string[];
  readonly user: string;
  readonly privileged: boolean;
  readonly workingDir: string;
  readonly environment: ReadonlyMap<string, string | null>;
}

export interface WatchRule {
  /** Absolute. */
  readonly path: string;
  readonly action: "rebuild" | "sync" | "restart" | "sync+restart" | "sync+exec";
  readonly target: string;
  readonly ignore: readonly string[];
  readonly include: readonly string[];
  readonly exec: Hook | undefined;
  readonly initialSync: boolean;
}

export interface RunService {
  readonly name: string;
  readonly image: string;
  readonly build: ComposeBuild | undefined;
  readonly platform: string;
  readonly pullPolicy: string;
  readonly profiles: readonly string[];
  readonly containerName: string;
  /** Undefined: the image's. Empty: none. */
  readonly command: readonly string[] | undefined;
  readonly entrypoint: readonly string[] | undefined;
  /** A null value: taken from the environment, and not set there. */
  readonly environment: ReadonlyMap<string, string | null>;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  readonly dependsOn: ReadonlyMap<string, Dependency>;
  readonly healthcheck: Healthcheck | undefined;
  readonly ports: readonly PublishedPort[];
  readonly expose: readonly string[];
  readonly mounts: readonly ServiceMount[];
  readonly tmpfs: readonly string[];
  readonly volumesFrom: readonly string[];
  /** `host`, `none`, `service:…`, `container:…` or empty. */
  readonly networkMode: string;
  readonly networks: ReadonlyMap<string, Attachment>;
  readonly links: readonly string[];
  readonly secrets: readonly ServiceFile[];
  readonly configs: readonly ServiceFile[];
  /** Containers that are wanted. */
  readonly scale: number;
  readonly resources: Resources;
  readonly init: boolean | undefined;
  /** `no`, `always`, `unless-stopped`, `on-failure[:N]` or empty. */
  readonly restart: string;
  readonly stopGraceMs: number | undefined;
  readonly stopSignal: string;
  readonly ulimits: ReadonlyMap<string, Ulimit>;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly privileged: boolean;
  readonly readOnly: boolean;
  readonly user: string;
  readonly groupAdd: readonly string[];
  readonly workingDir: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly macAddress: string;
  readonly dns: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly extraHosts: ReadonlyMap<string, readonly string[]>;
  readonly logging: { readonly driver: string; readonly options: ReadonlyMap<string, string> } | undefined;
  readonly pid: string;
  readonly ipc: string;
  readonly uts: string;
  readonly sysctls: ReadonlyMap<string, string>;
  readonly devices: readonly { readonly source: string; readonly target: string; readonly permissions: string }[];
  readonly cgroupParent: string;
  readonly runtime: string;
  readonly tty: boolean;
  readonly stdinOpen: boolean;
  /** Whether `up` shows its output. */
  readonly attach: boolean;
  readonly postStart: readonly Hook[];
  readonly preStop: readonly Hook[];
  readonly watch: readonly WatchRule[];
}

export interface RunNetwork {
  readonly key: string;
  readonly name: string;
  readonly external: boolean;
  readonly driver: string;
  readonly internal: boolean;
  readonly enableIpv6: boolean;
  readonly labels: ReadonlyMap<string, string>;
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string; readonly ipRange: string }[];
}

export interface RunVolume {
  readonly key: string;
  readonly name: string;
  readonly external: boolean;
  readonly driver: string;
  readonly driverOptions: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
}

/** Where the bytes of a secret or config come from: one of file, environment and content, or an external store. */
export interface RunFileSource {
  readonly key: string;
  readonly name: string;
  readonly external: boolean;
  /** Absolute, or relative to the project's folder. */
  readonly file: string;
  readonly environment: string;
  readonly content: string | undefined;
}

export interface RunProject {
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  readonly files: readonly string[];
  /** Those that are enabled, in the order of the files. */
  readonly services: ReadonlyMap<string, RunService>;
  /** Those that only other profiles enable. */
  readonly disabled: ReadonlyMap<string, RunService>;
  readonly networks: ReadonlyMap<string, RunNetwork>;
  readonly volumes: ReadonlyMap<string, RunVolume>;
  readonly secrets: ReadonlyMap<string, RunFileSource>;
  readonly configs: ReadonlyMap<string, RunFileSource>;
  readonly environment: ReadonlyMap<string, string>;
  /** Normalised: long forms, defaults and names filled in. */
  readonly document: ComposeMap;
  /** What is not supported, one line each. */
  readonly warnings: readonly string[];
}
