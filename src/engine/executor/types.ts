// One container process: what the exec op asks of an executor. Counterpart: moby/buildkit executor/executor.go.

import type { pb } from "../../formats/proto/index.ts";

/** A mount besides the root. Sources are paths of this machine that outlive the step. */
export type ContainerMount =
  | { readonly kind: "bind"; readonly source: string; readonly dest: string; readonly readOnly: boolean }
  | { readonly kind: "tmpfs"; readonly dest: string; readonly sizeBytes: number | undefined };

export interface ContainerProcess {
  readonly args: readonly string[];
  /** `NAME=value`, in order. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** As USER writes it: name or id, perhaps with a group; empty for root. */
  readonly user: string;
  readonly hostname: string;
  readonly network: pb.NetMode;
  readonly security: pb.SecurityMode;
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly ulimits: readonly { readonly name: string; readonly soft: bigint; readonly hard: bigint }[];
  readonly resources: pb.LinuxResources | undefined;
  readonly cgroupParent: string;
  /** Writable unless `rootReadOnly`; changes to it are the step's result. */
  readonly rootPath: string;
  readonly rootReadOnly: boolean;
  readonly mounts: readonly ContainerMount[];
  /** Also remove the folders that had to be made for mount points, not only the mount points. */
  readonly removeStubsRecursive: boolean;
}

export interface RunOptions {
  /** Aborting kills every process of the container; `run` rejects with the reason once they are gone. */
  readonly signal: AbortSignal;
  /** Standard input; nothing by default. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
  readonly onStdout: (chunk: Uint8Array) => void;
  readonly onStderr: (chunk: Uint8Array) => void;
}

/** How the process ended. */
export interface Exit {
  /** 128 + signal number where a signal ended it, as a shell says it. */
  readonly exitCode: number;
  /** The kernel killed a process for lack of memory while this one ran, and this one was killed. */
  readonly outOfMemory: boolean;
}

export interface Executor {
  /** Name and version of what runs containers, for people. */
  readonly description: string;
  /** @throws EXECUTOR_FAILED when the container can't be started; PROCESS_USER when its user is unknown. */
  run(process: ContainerProcess, options: RunOptions): Promise<Exit>;
}
