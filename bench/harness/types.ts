// What the benchmark is made of: peers that build, workloads that ask them to, and the samples that come out.

import type { Curve } from "../scaling/types.ts";
import type { Disk } from "./own-disk.ts";

/** One timed piece of work. A missing figure could not be had from this peer. */
export interface Sample {
  readonly wallMs: number;
  /** Of the command, of the peer's daemons and of the containers that they ran. */
  readonly cpuMs: number | undefined;
  /** Largest resident set of the command, with that of the daemons added. */
  readonly peakBytes: number | undefined;
  /** Sent to block devices or page cache by command and daemons. */
  readonly writtenBytes: number | undefined;
  /** Steps as progress told them, where the peer tells. */
  readonly steps?: readonly Step[] | undefined;
}

export interface Step {
  readonly name: string;
  /** Since the first step's start. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** Where a build's result goes. */
export type Output =
  /** Nowhere: the steps are run and stay in the builder's cache. */
  | { readonly kind: "none" }
  /** The builder's own image store. */
  | { readonly kind: "store"; readonly name: string }
  /** A folder or tar as the OCI image layout. */
  | { readonly kind: "layout"; readonly path: string; readonly compression: "gzip" | "zstd" | "uncompressed" }
  /** A registry without TLS. */
  | { readonly kind: "push"; readonly name: string }
  /** The engine at `DOCKER_HOST`. */
  | { readonly kind: "load"; readonly name: string; readonly engine: string };

/** Where a cache is: a folder, or a tag in the lab's registry. */
export type CachePlace =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "registry"; readonly name: string };

export interface BuildOrder {
  readonly context: string;
  /** Defaults to `Dockerfile` in the context. */
  readonly dockerfile?: string;
  readonly output: Output;
  readonly args?: Readonly<Record<string, string>>;
  readonly cacheTo?: CachePlace & { readonly mode: "min" | "max" };
  readonly cacheFrom?: CachePlace;
  readonly noCache?: boolean;
  /** Ask for the steps' times; costs a little. */
  readonly wantsSteps?: boolean;
}

/** A builder that is ready. Dispose to stop it and remove all that it made. */
export interface Peer extends AsyncDisposable {
  readonly id: string;
  readonly title: string;
  /** An empty store, as on a fresh machine. */
  reset(): Promise<void>;
  /** Runs one build to its end. @throws with its output when it fails; UNSUPPORTED when the peer has no such thing. */
  build(order: BuildOrder): Promise<Sample>;
  /** Several builds at once, as one sample. */
  buildAll(orders: readonly BuildOrder[]): Promise<Sample>;
}

/** What all of one run share. */
export interface Lab extends Pick<Disk, "discard" | "isOwn"> {
  /** A folder for everything that is made; removed at the end. */
  readonly folder: string;
  readonly slipway: string;
  /** `host:port` of a registry without TLS. */
  readonly registry: string;
  /** A small image with a shell, in that registry. */
  readonly base: string;
  readonly isQuick: boolean;
}

export interface PeerKind {
  readonly id: string;
  readonly title: string;
  /** What is missing here and how to get it, or undefined. */
  missing(): string | undefined;
  start(lab: Lab): Promise<Peer>;
}

/** What a workload does with one peer in one round. */
export interface Workload {
  readonly id: string;
  readonly title: string;
  /** Largest ratio of Slipway to the fastest peer that issue and README promise, by who of us is meant: embedded unless said. */
  readonly target?: { readonly ratio: number; readonly of?: "slipway" | "slipway-daemon" } | { readonly ms: number };
  /** Peers that can't do it or are not asked to, with the reason. */
  readonly without?: Readonly<Record<string, string>>;
  /** Makes contexts; once. */
  prepare(lab: Lab): Promise<void> | void;
  /** Once for each peer before its rounds: warms its store. */
  warm?(peer: Peer, lab: Lab): Promise<void>;
  /** The timed work; untimed preparation of a round comes first in it. @throws when the result is wrong. */
  round(peer: Peer, lab: Lab, round: number): Promise<Sample>;
  /** Once, at the end: stops what `prepare` started. */
  finish?(lab: Lab): Promise<void> | void;
  /** Rounds where the work asks for another number than the others. */
  readonly rounds?: number;
  /** It differs from another in size alone: quick runs leave it out unless it is named. */
  readonly isVariant?: boolean;
  /** It leaves gigabytes in each peer's store: they are emptied after it, but for quick runs. */
  readonly isLarge?: boolean;
  /** What the machine takes for the bare work, with its name: `cp -a`, `gzip`. */
  limit?(lab: Lab): { readonly name: string; readonly sample: Sample } | undefined;
}

/** Thrown by a peer that has no such output or option. */
export class Unsupported extends Error {}

export interface PeerResult {
  readonly peer: string;
  readonly title: string;
  readonly samples: readonly Sample[];
  /** Why there are none. */
  readonly problem?: string | undefined;
}

export interface WorkloadResult {
  readonly id: string;
  readonly title: string;
  readonly target: Workload["target"];
  readonly peers: readonly PeerResult[];
  readonly limit: { readonly name: string; readonly sample: Sample } | undefined;
}

export interface Machine {
  readonly processors: number;
  readonly model: string;
  readonly memoryBytes: number;
  readonly kernel: string;
  /** Before and after the run. */
  readonly loads: readonly number[];
  /** From when to when. */
  readonly date: string;
}

export interface Report {
  readonly machine: Machine;
  readonly rounds: number;
  readonly workloads: readonly WorkloadResult[];
  readonly missingPeers: readonly { readonly title: string; readonly why: string }[];
  readonly curves: readonly Curve[];
}
