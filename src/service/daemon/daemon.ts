// The daemon: one engine, any number of clients. Draining lets builds end and takes no new ones.
// Counterpart: moby/buildkit cmd/buildkitd.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { statfsSync } from "node:fs";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Engine } from "../../engine/index.ts";
import type { EngineOptions } from "../../engine/index.ts";
import { content, control, gateway, health } from "../../formats/proto/index.ts";
import type { worker } from "../../formats/proto/index.ts";
import { collectByDefault, defaultPolicies } from "../../storage/refs/index.ts";
import type { PrunePolicy } from "../../storage/refs/index.ts";
import { RpcServer, wireError } from "../../system/rpc/index.ts";
import type { Address, Listener, ListenOptions } from "../../system/rpc/index.ts";
import { recordFilter } from "../builders/index.ts";
import { FolderSync, RemoteSessions } from "../session/index.ts";
import { bridgeService } from "./bridge-service.ts";
import { Builds } from "./builds.ts";
import type { ConfiguredPolicy } from "./config.ts";
import { contentService } from "./content-service.ts";
import { controlService, statusHandler } from "./control-service.ts";
import { BuildHistory } from "../history/index.ts";
import type { HistoryLimits } from "../history/index.ts";
import { frontendCheck } from "./frontend-limits.ts";
import type { FrontendLimits } from "./frontend-limits.ts";
import { healthService } from "./health-service.ts";
import { workerRecord } from "./worker-record.ts";

export interface DaemonOptions extends EngineOptions {
  readonly version: string;
  readonly revision?: string;
  /** What builds may be allowed: "network.host", "security.insecure". */
  readonly entitlements: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly history?: HistoryLimits;
  /** Whether what the rules no longer keep goes after builds. Defaults to true. */
  readonly gc?: boolean;
  /** Which frontends may run; all by default. */
  readonly frontends?: FrontendLimits | undefined;
  /** Absent: the default rules. */
  readonly policies?: readonly ConfiguredPolicy[] | undefined;
  /** Told of what an operator should know. */
  readonly log: (text: string) => void;
}

/** Clients look at a build's record when it has ended. */
const LAST_WORDS_MS = 1000;
const COLLECTING_MS = 10 * 60_000;

export class Daemon implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #server: RpcServer;
  readonly #sessions: RemoteSessions;
  readonly #sync: FolderSync;
  readonly #builds: Builds;
  readonly #draining = new AbortController();
  readonly #options: DaemonOptions;
  readonly #policies: readonly (PrunePolicy & { readonly filters: readonly string[] })[] | undefined;
  #collecting: Promise<void> | undefined;

  private constructor(options: DaemonOptions, engine: Engine) {
    this.#options = options;
    this.#engine = engine;
    this.#policies = options.policies?.map((policy) => ({ ...policy, matches: recordFilter(policy.filters) }));
    this.#builds = new Builds(join(engine.store.lock.runDir, "builds"));
    this.#sessions = new RemoteSessions();
    this.#sync = new FolderSync();
    this.#server = new RpcServer({
      describeError: (error, path) => {
        const told = wireError(error);
        if (told.code !== 1) options.log(`${path}: ${told.message}`);
        return told;
      },
    });
    const version: MessageInitShape<typeof worker.BuildkitVersionSchema> = {
      package: "slipway",
      version: options.version,
      revision: options.revision ?? "",
      dockerfileVersion: "",
    };
    const record = workerRecord({
      root: options.root,
      snapshotter: engine.store.snapshotter.kind,
      version,
      platforms: engine.platforms(),
      labels: options.labels ?? {},
      policies: this.#policies ?? defaultPolicies(totalBytes(options.root)),
    });
    const history = new BuildHistory(join(options.root, "history"), options.history);
    const host = {
      history,
      engine,
      builds: this.#builds,
      sessions: {
        sessions: this.#sessions,
        sync: this.#sync,
        folders: engine.sentFolders,
        runDir: join(engine.store.lock.runDir, "sessions"),
      },
      workers: () => [record],
      entitlements: new Set(options.entitlements),
      version,
      onBuildEnd: () => this.#collect(),
    };
    this.#server.addService(control.Control, controlService(host));
    this.#server.addRaw("/moby.buildkit.v1.Control/Status", statusHandler(host));
    this.#server.addService(content.Content, contentService(history));
    this.#server.addRaw("/moby.buildkit.v1.Control/Session", (call) => this.#sessions.accept(call));
    this.#server.addService(gateway.LLBBridge, bridgeService(this.#builds));
    // Clients send their traces; nobody here wants them.
    this.#server.addRaw("/opentelemetry.proto.collector.trace.v1.TraceService/Export", async (call) => {
      for await (const _spans of call.messages);
      await call.send(new Uint8Array());
    });
    this.#server.addService(health.Health, healthService(this.#draining.signal));
  }

  /** Opens the store. @throws as `Engine.open`. */
  static async open(options: DaemonOptions): Promise<Daemon> {
    const checkFrontend = options.frontends && frontendCheck(options.frontends);
    return new Daemon(options, await Engine.open({ ...options, checkFrontend }));
  }

  listen(address: Address, options: ListenOptions = {}): Promise<Listener> {
    return this.#server.listen(address, options);
  }

  /**
   * Takes no more builds and waits until those that run have ended, with what their clients ask of them afterwards; at once where no build
   * ran lately.
   */
  async drain(): Promise<void> {
    this.#draining.abort(new Error("draining"));
    await this.#builds.drain();
    // Until their last word clients need their connections; somebody who merely listens is not waited for.
    const left = this.#builds.endedAtMs + 2 * LAST_WORDS_MS - performance.now();
    if (left <= 0) return;
    // A timer that nobody waits for any more would keep the process.
    const over = new AbortController();
    const pause = (ms: number) => sleep(ms, undefined, { signal: over.signal }).catch(() => undefined);
    const sessionsGone = async () => {
      while (this.#sessions.size > 0 && !over.signal.aborted) await pause(50);
      await pause(LAST_WORDS_MS);
    };
    await Promise.race([sessionsGone(), pause(left)]);
    await Promise.race([this.#server.drain(), pause(LAST_WORDS_MS)]);
    over.abort();
  }

  /** Ends all connections, and with them the builds. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining.abort(new Error("closing"));
    await this.#sessions.close();
    await this.#server.close();
    await this.#collecting;
    await this.#sync[Symbol.asyncDispose]();
    await this.#engine[Symbol.asyncDispose]();
  }

  /** What the rules no longer keep goes once no build runs. */
  #collect(): void {
    if (
      this.#options.gc === false ||
      this.#builds.running > 0 ||
      this.#collecting !== undefined ||
      this.#draining.signal.aborted
    )
      return;
    const signal = AbortSignal.any([this.#draining.signal, AbortSignal.timeout(COLLECTING_MS)]);
    this.#collecting = collectByDefault(this.#engine.usageHost(), signal, this.#policies)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#options.log(`garbage collection: ${String(error)}`);
      })
      .finally(() => (this.#collecting = undefined));
  }
}

function totalBytes(root: string): number {
  const { blocks, bsize } = statfsSync(root);
  return blocks * bsize;
}
