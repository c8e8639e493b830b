// Builds that run or have just ended, by the name that their client gave them: who asks for their progress, and who drives them. Both may
// ask before the build itself is there. Counterpart: moby/buildkit solver/jobs.go Get, control/gateway, util/registrar.

import { create, toBinary } from "@bufbuild/protobuf";
import { BuildError, raceAbort } from "../../base/index.ts";
import { control } from "../../formats/proto/index.ts";
import type { LlbBridge } from "../../frontends/gateway/index.ts";

/** How long those who name a build wait for it. */
const ARRIVAL_MS = 10_000;
/** A build that ended is told of for so long. */
const KEPT_MS = 30_000;
/** Joined messages stay well below what Go's gRPC takes. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

export class RunningBuild {
  readonly ref: string;
  /** The bridge of a client that drives the build itself. */
  readonly bridge = Promise.withResolvers<LlbBridge>();
  readonly #history: control.StatusResponse[] = [];
  readonly #readers = new Set<() => void>();
  #ended = false;

  constructor(ref: string) {
    this.ref = ref;
    this.bridge.promise.catch(() => undefined);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Everything told so far. */
  get statuses(): readonly control.StatusResponse[] {
    return this.#history;
  }

  tell(status: control.StatusResponse): void {
    this.#history.push(status);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.bridge.reject(unknownBuild(this.ref));
    this.#wake();
  }

  /** All progress from the start to the end of the build, joined where it came at once. */
  async *follow(signal: AbortSignal): AsyncGenerator<control.StatusResponse> {
    for (let at = 0; ;) {
      while (at < this.#history.length) {
        const joined = create(control.StatusResponseSchema);
        let size = 0;
        for (; at < this.#history.length && size < MAX_MESSAGE_BYTES; at++) {
          const status = this.#history[at]!;
          size += sizeOf(status);
          joined.vertexes.push(...status.vertexes);
          joined.statuses.push(...status.statuses);
          joined.logs.push(...status.logs);
          joined.warnings.push(...status.warnings);
        }
        yield joined;
      }
      if (this.#ended || signal.aborted) return;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#readers.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#readers.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }

  #wake(): void {
    for (const wake of this.#readers) wake();
  }
}

/** A rough size: logs are what can be large. */
function sizeOf(status: control.StatusResponse): number {
  let size = 256 * (status.vertexes.length + status.statuses.length);
  for (const { msg } of status.logs) size += msg.byteLength + 128;
  for (const warning of status.warnings) size += toBinary(control.VertexWarningSchema, warning).byteLength;
  return size;
}

export class Builds {
  readonly #builds = new Map<string, RunningBuild>();
  readonly #arrivals = new Map<string, Set<() => void>>();

  get running(): number {
    let count = 0;
    for (const build of this.#builds.values()) if (!build.ended) count++;
    return count;
  }

  /** @throws BUILD_EXISTS when a build of this name runs; INVALID_REQUEST without a name. */
  start(ref: string): RunningBuild {
    if (ref === "")
      throw new BuildError("a build without a Ref", { code: "INVALID_REQUEST", status: "InvalidArgument" });
    if (this.#builds.has(ref))
      throw new BuildError(`job ID ${ref} already exists`, { code: "BUILD_EXISTS", status: "AlreadyExists" });
    const build = new RunningBuild(ref);
    this.#builds.set(ref, build);
    const waiting = this.#arrivals.get(ref);
    this.#arrivals.delete(ref);
    for (const wake of waiting ?? []) wake();
    return build;
  }

  /** Ends a build; for a while it is still told of. */
  end(build: RunningBuild): void {
    build.end();
    setTimeout(() => {
      if (this.#builds.get(build.ref) === build) this.#builds.delete(build.ref);
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
