// Builds that run or have just ended, by the name that their client gave them: who asks for their progress, and who drives them. Both may
// ask before the build itself is there. Counterpart: moby/buildkit solver/jobs.go Get, control/gateway, util/registrar.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Arrivals, BuildError, raceAbort } from "../../base/index.ts";
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
  readonly #builds = new Arrivals<RunningBuild>();
  #count = 0;
  #draining = false;
  #onEnd: (() => void) | undefined;
  #endedAtMs = -Infinity;

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

  /** When a build ended last, by `performance.now`; long ago where none did. */
  get endedAtMs(): number {
    return this.#endedAtMs;
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
    if (this.#builds.find(ref) !== undefined)
      throw new BuildError(`job ID ${ref} already exists`, { code: "BUILD_EXISTS", status: "AlreadyExists" });
    if (this.#draining) {
      throw new BuildError("the daemon is about to end and takes no more builds", {
        code: "DRAINING",
        status: "Unavailable",
        retryable: true,
      });
    }
    const build = new RunningBuild(ref, join(this.#dir, `${++this.#count}.log`));
    this.#builds.add(ref, build);
    return build;
  }

  /** Lets go of a build that ended; for a while it is still told of. */
  release(build: RunningBuild): void {
    this.#endedAtMs = performance.now();
    this.#onEnd?.();
    setTimeout(() => {
      if (this.#builds.find(build.ref) === build) this.#builds.delete(build.ref);
      build.log.close();
      rmSync(build.log.path, { force: true });
    }, KEPT_MS).unref();
  }

  find(ref: string): RunningBuild | undefined {
    return this.#builds.find(ref);
  }

  /** The build of a name, once it is there. @throws BUILD_UNKNOWN. */
  async get(ref: string, signal: AbortSignal): Promise<RunningBuild> {
    const build = await this.#builds.get(ref, ARRIVAL_MS, signal);
    if (build !== undefined) return build;
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
