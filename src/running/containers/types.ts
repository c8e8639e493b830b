// Containers as the verbs and compose projects drive them: what one is asked to be, what it is, what can be done to it.
// Names are docker's, in its API's meaning. Counterpart: moby/moby api/types/container.

import type { Endpoint, EndpointRequest, NetworkRequest, PublishedPort } from "../networks/index.ts";
import type { ContainerMount, MountRequest } from "../volumes/index.ts";

/** Everything that can be asked of a container. Absent means the image's or docker's default. */
export interface ContainerConfig {
  /** Made up when absent. Letters, digits, `_`, `.`, `-`. */
  readonly name?: string | undefined;
  /** As the user wrote it: a reference, a digest, an id of the store, `oci-layout://DIR`. */
  readonly image: string;
  readonly platform?: string | undefined;
  /** Defaults to "missing". */
  readonly pull?: "missing" | "always" | "never" | undefined;
  /** Arguments in place of the image's CMD. */
  readonly command?: readonly string[] | undefined;
  /** In place of the image's ENTRYPOINT, whose CMD then is not used either; an empty list is none. */
  readonly entrypoint?: readonly string[] | undefined;
  /** `NAME=value`, over the image's. */
  readonly env: readonly string[];
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  readonly groupAdd?: readonly string[] | undefined;
  readonly hostname?: string | undefined;
  readonly domainname?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly tty: boolean;
  /** Standard input stays open although nobody is attached (`-i`). */
  readonly openStdin: boolean;
  /** It is closed when the first client detaches (docker's StdinOnce). Defaults to false. */
  readonly stdinOnce?: boolean | undefined;
  readonly autoRemove: boolean;
  readonly network: NetworkRequest;
  readonly mounts: readonly MountRequest[];
  /** Folders and files that are put into the root before it starts, owned and moded as said: secrets and configs of compose. */
  readonly files?: readonly ContainerFile[] | undefined;
  readonly init?: boolean | undefined;
  readonly readOnlyRoot?: boolean | undefined;
  readonly privileged?: boolean | undefined;
  readonly capAdd?: readonly string[] | undefined;
  readonly capDrop?: readonly string[] | undefined;
  /** `seccomp=FILE|unconfined`, `no-new-privileges[:true]`, `apparmor=…`, `label=…`. */
  readonly securityOpt?: readonly string[] | undefined;
  readonly resources?: ContainerResources | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  readonly sysctls?: Readonly<Record<string, string>> | undefined;
  /** `/dev/x[:/dev/y[:rwm]]`. */
  readonly devices?: readonly string[] | undefined;
  readonly shmSizeBytes?: number | undefined;
  /** `host` or `container:NAME`. */
  readonly pidMode?: string | undefined;
  /** `host`, `none`, `private`, `shareable` or `container:NAME`. */
  readonly ipcMode?: string | undefined;
  /** `host`. */
  readonly utsMode?: string | undefined;
  readonly cgroupParent?: string | undefined;
  readonly oomScoreAdj?: number | undefined;
  readonly restart?: RestartPolicy | undefined;
  /** Over the image's HEALTHCHECK, field by field; `test: ["NONE"]` switches it off. */
  readonly healthcheck?: Healthcheck | undefined;
  /** Name or number. */
  readonly stopSignal?: string | undefined;
  readonly stopTimeoutSec?: number | undefined;
  readonly log?: LogConfig | undefined;
}

export interface ContainerFile {
  readonly target: string;
  readonly content: Uint8Array;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface ContainerResources {
  /** Thousandths of a millionth: 1.5 cpus are 1_500_000_000. */
  readonly nanoCpus?: number | undefined;
  readonly cpuShares?: number | undefined;
  readonly cpuPeriod?: number | undefined;
  readonly cpuQuota?: number | undefined;
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
  readonly memoryBytes?: number | undefined;
  /** Memory and swap together; -1 is no limit. */
  readonly memorySwapBytes?: number | undefined;
  readonly memoryReservationBytes?: number | undefined;
  readonly memorySwappiness?: number | undefined;
  readonly oomKillDisable?: boolean | undefined;
  /** -1 is no limit. */
  readonly pidsLimit?: number | undefined;
  readonly blkioWeight?: number | undefined;
}

export interface Ulimit {
  readonly name: string;
  /** -1 is no limit. */
  readonly soft: number;
  readonly hard: number;
}

export interface RestartPolicy {
  readonly name: "no" | "on-failure" | "always" | "unless-stopped";
  /** Of `on-failure`; 0 is for ever. */
  readonly maximumRetryCount: number;
}

/** Durations are nanoseconds, as an image's config has them; 0 and absent are the default. */
export interface Healthcheck {
  /** `["CMD", …]`, `["CMD-SHELL", line]`, `["NONE"]`; absent or empty is the image's. */
  readonly test?: readonly string[] | undefined;
  readonly intervalNs?: number | undefined;
  readonly timeoutNs?: number | undefined;
  readonly startPeriodNs?: number | undefined;
  readonly startIntervalNs?: number | undefined;
  readonly retries?: number | undefined;
}

/** `json-file` (and `local`, which is the same here) or `none`; options `max-size`, `max-file`, and others, which are named in a warning. */
export interface LogConfig {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

export type ContainerStatus = "created" | "running" | "paused" | "restarting" | "exited" | "dead";

/** Times are RFC 3339 with nanoseconds, `0001-01-01T00:00:00Z` for never, as docker's. */
export interface ContainerState {
  readonly status: ContainerStatus;
  readonly exitCode: number;
  readonly error: string;
  readonly oomKilled: boolean;
  /** Of its first process on this machine; 0 when it does not run. */
  readonly pid: number;
  /** Of its supervisor; 0 when there is none. */
  readonly supervisorPid: number;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly restartCount: number;
  readonly health?: HealthState | undefined;
}

export interface HealthState {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  /** The last five. */
  readonly log: readonly {
    readonly start: string;
    readonly end: string;
    readonly exitCode: number;
    readonly output: string;
  }[];
}

/** One container, all that is known of it. */
export interface Container {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
  readonly config: ContainerConfig;
  readonly state: ContainerState;
  /** What it was made of. */
  readonly image: ContainerImage;
  /** Program and arguments that run. */
  readonly path: string;
  readonly args: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly ContainerMount[];
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PublishedPort[];
  /** Effective values: of the config, else of the image. */
  readonly effective: {
    readonly env: readonly string[];
    readonly workingDir: string;
    readonly user: string;
    readonly hostname: string;
    readonly stopSignal: string;
    readonly healthcheck: Healthcheck | undefined;
    readonly exposed: readonly string[];
  };
  /** Where its files are; for looking at only. */
  readonly dir: string;
}

export interface ContainerImage {
  /** As asked for. */
  readonly reference: string;
  /** Manifest or index digest in the store or registry: what a push of this very image must have. */
  readonly digest: string;
  /** Manifest of the platform that runs. */
  readonly manifestDigest: string;
  /** Digest of the config: docker's image id. */
  readonly configDigest: string;
  readonly platform: string;
}

/** Which containers: all conditions hold; within one list, any. */
export interface ContainerFilter {
  /** Also those that do not run. Defaults to false. */
  readonly all?: boolean | undefined;
  /** `name` or `name=value`. All must be there. */
  readonly labels?: readonly string[] | undefined;
  /** Beginnings of ids. */
  readonly ids?: readonly string[] | undefined;
  /** Parts of names. */
  readonly names?: readonly string[] | undefined;
  readonly status?: readonly ContainerStatus[] | undefined;
}

/** Streams of one's own, or those of this process (with its terminal, if it has one). */
export interface Streams {
  readonly stdin?: NodeJS.ReadableStream | undefined;
  readonly stdout?: { write(chunk: Uint8Array): unknown } | undefined;
  readonly stderr?: { write(chunk: Uint8Array): unknown } | undefined;
}

/** An attached client. */
export interface Attachment extends AsyncDisposable {
  /** The final exit code; undefined when it was detached or lost first. With restart policies: of the last life. */
  readonly ended: Promise<number | undefined>;
  detach(): void;
  resize(rows: number, columns: number): void;
}

export interface AttachOptions {
  readonly streams: Streams;
  /** Bytes that detach; undefined for no such keys. */
  readonly detachKeys?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ExecConfig {
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  readonly tty: boolean;
  readonly interactive: boolean;
  readonly detach: boolean;
  readonly privileged: boolean;
}

export interface LogOptions {
  readonly follow: boolean;
  /** Last lines; undefined for all. */
  readonly tail?: number | undefined;
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LogEntry {
  readonly stream: "stdout" | "stderr";
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  /** With its newline, unless the line is longer than 16 KiB or the container's last. */
  readonly text: string;
}

/** Docker's event, as `events` prints it. */
export interface ContainerEvent {
  readonly action: string; // create, start, die, stop, kill, restart, destroy, pause, unpause, health_status: healthy, exec_create: …, oom
  readonly id: string;
  readonly name: string;
  readonly timeMs: number;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ContainerStats {
  readonly id: string;
  readonly name: string;
  readonly cpuNs: number;
  readonly memoryBytes: number;
  /** Of the machine where there is no limit. */
  readonly memoryLimitBytes: number;
  readonly pids: number;
  readonly networkReceivedBytes: number;
  readonly networkSentBytes: number;
  readonly blockReadBytes: number;
  readonly blockWrittenBytes: number;
  /** When it was measured. */
  readonly timeNs: bigint;
}

export interface PathStat {
  readonly kind: "file" | "directory" | "other";
  /** What a link says; empty for what is none. */
  readonly linkTarget: string;
  readonly mode: number;
  readonly sizeBytes: number;
}

export interface CopyOutOptions {
  readonly name: string;
  /** A link at the path is followed. */
  readonly followLink: boolean;
}

export interface CopyInOptions {
  /** In place of the tar's owners. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** Called with what a user should know although things go on, without a newline. */
export type OnNotice = (text: string) => void;

/**
 * The containers of one state root. Ids may be given as names or as unique beginnings of ids everywhere.
 * All reject with CONTAINER_UNKNOWN ("No such container: x") where there is none.
 */
export interface Containers extends AsyncDisposable {
  /** @throws CONTAINER_NAME_TAKEN, IMAGE_NOT_FOUND, PROCESS_USER, MOUNT_*, … */
  create(config: ContainerConfig, options?: { onNotice?: OnNotice; signal?: AbortSignal }): Promise<Container>;
  /**
   * Starts one that does not run; already running is fine. With `attach`, nothing of its output is missed.
   * @throws CONTAINER_START with exitCode 126, 127 or 125.
   */
  start(id: string, options?: { onNotice?: OnNotice; attach?: AttachOptions }): Promise<Attachment | undefined>;
  attach(id: string, options: AttachOptions): Promise<Attachment>;
  /** Stop signal, then SIGKILL after the time (its own, else 10 s; -1 waits for ever); resolves once it has ended. Not running is fine. */
  stop(id: string, options?: { timeoutSec?: number | undefined; signal?: string | undefined }): Promise<void>;
  kill(id: string, signal?: string): Promise<void>;
  restart(id: string, options?: { timeoutSec?: number | undefined; signal?: string | undefined }): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  /** @throws CONTAINER_RUNNING unless `force`. */
  remove(id: string, options?: { force?: boolean; volumes?: boolean }): Promise<void>;
  rename(id: string, name: string): Promise<void>;
  /** Resolves with the exit code once it does not run (`not-running`), has ended next (`next-exit`) or is gone (`removed`). */
  wait(
    id: string,
    options?: { until?: "not-running" | "next-exit" | "removed"; signal?: AbortSignal },
  ): Promise<number>;
  inspect(id: string): Promise<Container>;
  /** Writes down which networks a container is on: for its next start, and for `inspect`. Joins and leaves none. */
  setNetworks(id: string, endpoints: readonly EndpointRequest[], live: readonly Endpoint[]): Promise<void>;
  /** Newest first. */
  list(filter?: ContainerFilter): Promise<Container[]>;
  logs(id: string, options: LogOptions): AsyncIterable<LogEntry>;
  /** Resolves with the exit code; 0 at once when detached. `streams` default to this process's own. */
  exec(id: string, config: ExecConfig, options?: { streams?: Streams; detachKeys?: Uint8Array }): Promise<number>;
  /** Titles and rows of `ps` for its processes. */
  top(id: string, psArgs?: readonly string[]): Promise<{ titles: string[]; processes: string[][] }>;
  stats(id: string): Promise<ContainerStats | undefined>;
  /** What is at a path; undefined when nothing is. A link tells where it leads, and the kind of what is there. */
  statPath(id: string, path: string): Promise<PathStat | undefined>;
  /** What is at a path, as a tar whose first entry is called `name`, all others below it. */
  copyOut(id: string, path: string, options: CopyOutOptions): AsyncIterable<Uint8Array>;
  /** Unpacks a tar (perhaps compressed) into a folder that is there. Links in the container lead nowhere outside of it. */
  copyIn(id: string, folder: string, tar: AsyncIterable<Uint8Array>, options?: CopyInOptions): Promise<void>;
  /** Everything that happens from now on (or since a time), until aborted; also what other processes do. */
  events(options: { signal: AbortSignal; sinceMs?: number; untilMs?: number }): AsyncIterable<ContainerEvent>;
}
