// Builds that run or have just ended, by the name that their client gave them: who asks for their progress, and who drives them. Both may
// ask before the build itself is there. Counterpart: moby/buildkit solver/jobs.go Get, control/gateway, util/registrar.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, raceAbort } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { LlbBridge } from "../../frontends/gateway/index.ts";
import { BuildLog } from "../history/index.ts";

/** How long those who name a build wait for it. */
const ARRIVAL_MS = 10_000;
/** A build that ended is told of for so long. */
const KEPT_MS = 30_000;

export class RunningBuild extends BuildLog {
  /** The bridge of a client that drives the build itself. */
  readonly bridge = Promise.withResolvers<LlbBridge>();

  constructor(ref: string, logFile: string) {
    super(ref, logFile);
    this.bridge.promise.catch(() => undefined);
  }

  override end(): Digest {
    this.bridge.reject(unknownBuild(this.ref));
    return super.end();
  }
}

export class Builds {
  readonly #dir: string;
  readonly #builds = new Map<string, RunningBuild>();
  readonly #arrivals = new Map<string, Set<() => void>>();
  #count = 0;
  #draining = false;
  #onEnd: (() => void) | undefined;

  /** @param dir a folder of this process's own for the logs of builds that run */
  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  get running(): number {
    let count = 0;
    for (const build of this.#builds.values()) if (!build.ended) count++;
    return count;
  }

  /** Resolves once no build runs. New ones are refused from now on. */
  async drain(): Promise<void> {
    this.#draining = true;
    while (this.running > 0) await new Promise<void>((resolve) => (this.#onEnd = resolve));
  }

  /** @throws DRAINING; BUILD_EXISTS when there is a build of this name; INVALID_REQUEST without a name. */
  start(ref: string): RunningBuild {
    if (ref === "")
      throw new BuildError("a build without a Ref", { code: "INVALID_REQUEST", status: "InvalidArgument" });
    if (this.#builds.has(ref))
      throw new BuildError(`job ID ${ref} already exists`, { code: "BUILD_EXISTS", status: "AlreadyExists" });
    if (this.#draining) {
      throw new BuildError("the daemon is about to end and takes no more builds", {
        code: "DRAINING",
        status: "Unavailable",
        retryable: true,
      });
    }
    const build = new RunningBuild(ref, join(this.#dir, `${++this.#count}.log`));
    this.#builds.set(ref, build);
    const waiting = this.#arrivals.get(ref);
    this.#arrivals.delete(ref);
    for (const wake of waiting ?? []) wake();
    return build;
  }

  /** Lets go of a build that ended; for a while it is still told of. */
  release(build: RunningBuild): void {
    this.#onEnd?.();
    setTimeout(() => {
      if (this.#builds.get(build.ref) === build) this.#builds.delete(build.ref);
      build.log.close();
      rmSync(build.log.path, { force: true });
    }, KEPT_MS).unref();
  }

  find(ref: string): RunningBuild | undefined {
    return this.#builds.get(ref);
  }

  /** The build of a name, once it is there. @throws BUILD_UNKNOWN. */
  async get(ref: string, signal: AbortSignal): Promise<RunningBuild> {
    const deadline = AbortSignal.timeout(ARRIVAL_MS);
    const stop = AbortSignal.any([signal, deadline]);
    while (!stop.aborted) {
      const build = this.#builds.get(ref);
      if (build !== undefined) return build;
      await new Promise<void>((resolve) => {
        const waiting = this.#arrivals.get(ref) ?? new Set();
        this.#arrivals.set(ref, waiting);
        const wake = () => {
          waiting.delete(wake);
          if (waiting.size === 0 && this.#arrivals.get(ref) === waiting) this.#arrivals.delete(ref);
          stop.removeEventListener("abort", wake);
          resolve();
        };
        waiting.add(wake);
        stop.addEventListener("abort", wake, { once: true });
      });
    }
    signal.throwIfAborted();
    throw unknownBuild(ref);
  }

  /** The bridge of a build that its client drives. @throws BUILD_UNKNOWN. */
  async bridge(ref: string, signal: AbortSignal): Promise<LlbBridge> {
    const build = await this.get(ref, signal);
    return raceAbort(build.bridge.promise, AbortSignal.any([signal, AbortSignal.timeout(ARRIVAL_MS)]));
  }
}

export function unknownBuild(ref: string): BuildError {
  return new BuildError(`no such job ${ref}`, { code: "BUILD_UNKNOWN", status: "NotFound" });
}
