// The containers of a state root, with no daemon behind them: files, and a supervisor each. Every call looks anew; any number of
// processes may do the same at once.

import { setTimeout as sleep } from "node:timers/promises";
import { existsSync } from "node:fs";
import { BuildError, isBuildError } from "../../base/index.ts";
import { Engine } from "../../engine/index.ts";
import { runToEnd } from "../../system/process/index.ts";
import { endpointsOf, leaveNetworks, renameInNetworks, sweepNetworks } from "../networks/index.ts";
import type { Endpoint, EndpointRequest } from "../networks/index.ts";
import { attachTo } from "./attach.ts";
import { ContainerStore } from "./container-store.ts";
import type { ContainerRecord } from "./container-store.ts";
import { Control } from "./control.ts";
import { copyIn, copyOut, statPath } from "./copy.ts";
import { createContainer } from "./create.ts";
import { logEvent, readEvents } from "./events.ts";
import { execIn } from "./exec.ts";
import { matches } from "./filter.ts";
import { readLogs } from "./logs.ts";
import { startContainer } from "./start.ts";
import { signalNumber } from "./start-file.ts";
import { lookAt, parseState } from "./state.ts";
import { readStats } from "./stats.ts";
import { processesOf, removeRecord, sweepContainers } from "./sweep.ts";
import type {
  Attachment,
  AttachOptions,
  Container,
  ContainerConfig,
  ContainerEvent,
  ContainerFilter,
  Containers,
  CopyInOptions,
  CopyOutOptions,
  PathStat,
  ContainerStats,
  ExecConfig,
  LogEntry,
  LogOptions,
  OnNotice,
  Streams,
} from "./types.ts";

export interface ContainersOptions {
  /** State root. */
  readonly root: string;
  /** An engine on the same root, or what opens it; stays the caller's. Otherwise one is opened when an image is first needed. */
  readonly engine?: Engine | (() => Promise<Engine>) | undefined;
  /** Relative paths of layouts; defaults to this process's folder. */
  readonly cwd?: string | undefined;
}

/** Opens the containers below a root, after clearing away what dead supervisors left there. */
export async function openContainers(options: ContainersOptions): Promise<Containers> {
  const store = new ContainerStore(options.root);
  await sweepContainers(store);
  return new LocalContainers(store, options);
}

class LocalContainers implements Containers {
  readonly #store: ContainerStore;
  readonly #options: ContainersOptions;
  #opened: Promise<Engine> | undefined;
  /** Containers that were made here and not yet started. */
  readonly #made = new Map<string, Disposable>();

  constructor(store: ContainerStore, options: ContainersOptions) {
    this.#store = store;
    this.#options = options;
  }

  async create(
    config: ContainerConfig,
    options: { onNotice?: OnNotice; signal?: AbortSignal } = {},
  ): Promise<Container> {
    const engine = await this.#engine();
    const { record, made } = await createContainer(config, {
      engine,
      store: this.#store,
      cwd: this.#options.cwd ?? process.cwd(),
      onNotice: options.onNotice ?? (() => {}),
      signal: options.signal,
    });
    this.#made.set(record.id, made);
    return this.#describe(record);
  }

  #engine(): Engine | Promise<Engine> {
    const { engine, root } = this.#options;
    if (engine === undefined) return (this.#opened ??= Engine.open({ root }));
    return typeof engine === "function" ? engine() : engine;
  }

  async start(
    id: string,
    options: { onNotice?: OnNotice; attach?: AttachOptions } = {},
  ): Promise<Attachment | undefined> {
    const record = this.#store.find(id);
    for (let attempt = 0; ; attempt++) {
      const { state } = lookAt(this.#store.dir(record.id));
      if (state.status === "paused") {
        throw new BuildError("cannot start a paused container, try unpause instead", {
          code: "CONTAINER_PAUSED",
          status: "FailedPrecondition",
        });
      }
      if (state.status === "running" || state.status === "restarting")
        return options.attach === undefined ? undefined : await this.attach(id, options.attach);
      try {
        const attachment = await startContainer(record, this.#store, {
          onNotice: options.onNotice ?? (() => {}),
          attach: options.attach,
        });
        this.#keep(record.id);
        return attachment;
      } catch (error) {
        // The last life's supervisor may be about to end.
        if (!isBuildError(error) || error.code !== "CONTAINER_BUSY" || attempt > 100) throw error;
        await sleep(20);
      }
    }
  }

  async attach(id: string, options: AttachOptions): Promise<Attachment> {
    const record = this.#store.find(id);
    const control = await this.#control(record);
    if (control === undefined) throw cannotAttach("stopped");
    if (lookAt(this.#store.dir(record.id)).state.status === "paused") {
      control.close();
      throw cannotAttach("paused");
    }
    return attachTo(control, options, false);
  }

  async stop(
    id: string,
    options: { timeoutSec?: number | undefined; signal?: string | undefined } = {},
  ): Promise<void> {
    await this.#stop(this.#store.find(id), options, false);
    await sweepNetworks(this.#store.root);
  }

  /** `keep`: although it is to be removed at its end, it is not. */
  async #stop(
    record: ContainerRecord,
    options: { timeoutSec?: number | undefined; signal?: string | undefined },
    keep: boolean,
  ): Promise<void> {
    const signal = options.signal === undefined ? 0 : signalNumber(options.signal);
    const control = await this.#control(record);
    if (control === undefined) return;
    control.send("N");
    control.send("S", `${signal} ${options.timeoutSec ?? -2} ${keep ? 1 : 0}`);
    await control.closed;
    logEvent(this.#store, "stop", record);
  }

  async kill(id: string, signal = "KILL"): Promise<void> {
    const record = this.#store.find(id);
    const number = signalNumber(signal);
    const control = await this.#control(record);
    const answer = control === undefined ? undefined : await this.#ask(control, "K", String(number));
    if (answer === undefined || answer !== "") throw notRunning(record, `cannot kill container: ${id}`);
    logEvent(this.#store, "kill", record, { signal: String(number) });
  }

  async restart(
    id: string,
    options: { timeoutSec?: number | undefined; signal?: string | undefined } = {},
  ): Promise<void> {
    const record = this.#store.find(id);
    await this.#stop(record, options, true);
    await this.start(record.id);
    logEvent(this.#store, "restart", record);
  }

  async pause(id: string): Promise<void> {
    await this.#freeze(id, "P");
  }

  async unpause(id: string): Promise<void> {
    await this.#freeze(id, "U");
  }

  async #freeze(id: string, type: "P" | "U"): Promise<void> {
    const record = this.#store.find(id);
    const control = await this.#control(record);
    const answer = control === undefined ? "is not running" : await this.#ask(control, type, "");
    if (answer === undefined || answer === "") return;
    throw new BuildError(`Container ${record.id} ${answer}`, {
      code: "CONTAINER_NOT_RUNNING",
      status: "FailedPrecondition",
    });
  }

  async remove(id: string, options: { force?: boolean; volumes?: boolean } = {}): Promise<void> {
    const record = this.#store.find(id);
    const dir = this.#store.dir(record.id);
    const { state, alive } = lookAt(dir);
    if (alive && state.status !== "exited" && state.status !== "created") {
      if (options.force !== true) {
        throw new BuildError(
          `You cannot remove a ${state.status} container ${record.id}. Stop the container before attempting removal or force remove`,
          { code: "CONTAINER_RUNNING", status: "FailedPrecondition" },
        );
      }
      await this.kill(record.id).catch(() => undefined);
    }
    await this.#endOf(record);
    if (this.#store.read(record.id) === undefined) return;
    await removeRecord(record, this.#store, { volumes: options.volumes === true });
    await leaveNetworks(this.#store.root, record.id);
    await sweepNetworks(this.#store.root);
  }

  async rename(id: string, name: string): Promise<void> {
    const record = this.#store.find(id);
    const clean = name.replace(/^\//, "");
    this.#store.claimName(clean, record.id);
    this.#store.write({ ...record, name: clean });
    this.#store.freeName(record.name, record.id);
    logEvent(this.#store, "rename", { ...record, name: clean }, { oldName: record.name });
    await renameInNetworks(this.#store.root, record.id, clean);
  }

  async wait(
    id: string,
    options: { until?: "not-running" | "next-exit" | "removed"; signal?: AbortSignal } = {},
  ): Promise<number> {
    const { until = "not-running", signal } = options;
    const record = this.#store.find(id);
    const dir = this.#store.dir(record.id);
    let exitCode: number | undefined;
    for (;;) {
      signal?.throwIfAborted();
      const control = await this.#control(record);
      if (control === undefined) {
        const { state } = lookAt(dir);
        const gone = !existsSync(dir);
        if (gone) return exitCode ?? 0;
        if (until === "not-running") return state.exitCode;
        if (until === "next-exit" && exitCode !== undefined) return exitCode;
        await sleep(50, undefined, signal === undefined ? {} : { signal });
        continue;
      }
      exitCode = (await this.#lastWords(control, until === "next-exit", signal)) ?? exitCode;
      if (exitCode !== undefined && until !== "removed") return exitCode;
    }
  }

  /** The exit code that a supervisor tells; undefined when it ends without. */
  async #lastWords(control: Control, eachLife: boolean, signal: AbortSignal | undefined): Promise<number | undefined> {
    let exitCode: number | undefined;
    let ran = false;
    control.listen(({ type, content }) => {
      if (type === "x") exitCode = parseState(content.toString("utf8")).exitCode;
      if (type !== "s") return;
      const state = parseState(content.toString("utf8"));
      if (state.status === "restarting" && ran && eachLife) {
        exitCode = state.exitCode;
        control.close();
      }
      ran = state.status === "running" || state.status === "paused";
    });
    const onAbort = (): void => control.close();
    signal?.addEventListener("abort", onAbort);
    control.send("N");
    await control.closed;
    signal?.removeEventListener("abort", onAbort);
    signal?.throwIfAborted();
    return exitCode;
  }

  inspect(id: string): Promise<Container> {
    return Promise.resolve().then(() => this.#withEndpoints(this.#describe(this.#store.find(id))));
  }

  /** Networks may have been joined and left since the start. */
  #withEndpoints(container: Container): Container {
    if (container.state.pid === 0 || container.config.network.mode.kind !== "networks") return container;
    return { ...container, endpoints: endpointsOf(this.#store.root, container.id) };
  }

  setNetworks(id: string, endpoints: readonly EndpointRequest[], live: readonly Endpoint[]): Promise<void> {
    const record = this.#store.find(id);
    const network = { ...record.config.network, mode: { kind: "networks" as const, endpoints } };
    this.#store.write({ ...record, config: { ...record.config, network }, endpoints: live });
    return Promise.resolve();
  }

  async list(filter: ContainerFilter = {}): Promise<Container[]> {
    await sweepNetworks(this.#store.root);
    const all = this.#store.all().map((record) => this.#describe(record));
    return all.filter((container) => matches(container, filter)).sort((a, b) => b.createdMs - a.createdMs);
  }

  logs(id: string, options: LogOptions): AsyncIterable<LogEntry> {
    const { id: whole, config } = this.#store.find(id);
    if (config.log?.driver === "none") {
      throw new BuildError("configured logging driver does not support reading", {
        code: "LOG_DRIVER",
        status: "FailedPrecondition",
      });
    }
    return readLogs(this.#store.dir(whole), options);
  }

  exec(id: string, config: ExecConfig, options: { streams?: Streams } = {}): Promise<number> {
    return execIn(this.#store.find(id), this.#store, config, options.streams);
  }

  async top(id: string, psArgs: readonly string[] = ["-ef"]): Promise<{ titles: string[]; processes: string[][] }> {
    const record = this.#running(id);
    const pids = new Set(processesOf(record));
    const { stdout, stderr, exitCode } = await runToEnd(["ps", ...psArgs]);
    if (exitCode !== 0) {
      throw new BuildError(`error running ps: ${stderr.toString("utf8").trim()}`, {
        code: "PS_FAILED",
        status: "InvalidArgument",
      });
    }
    const [head = "", ...lines] = stdout.toString("utf8").trimEnd().split("\n");
    const titles = head.trim().split(/\s+/);
    const pidColumn = titles.indexOf("PID");
    if (pidColumn < 0) {
      throw new BuildError("Couldn't find PID field in ps output", { code: "PS_FAILED", status: "InvalidArgument" });
    }
    const processes = lines
      .map((line) => {
        const words = line.trim().split(/\s+/);
        return [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(" ")];
      })
      .filter((row) => pids.has(Number(row[pidColumn])));
    return { titles, processes };
  }

  stats(id: string): Promise<ContainerStats | undefined> {
    const record = this.#store.find(id);
    const { state } = lookAt(this.#store.dir(record.id));
    const runs = state.status === "running" || state.status === "paused";
    return Promise.resolve(runs ? readStats(record, state.pid) : undefined);
  }

  statPath(id: string, path: string): Promise<PathStat | undefined> {
    return statPath(this.#store.find(id), this.#store, path);
  }

  copyOut(id: string, path: string, options: CopyOutOptions): AsyncIterable<Uint8Array> {
    return copyOut(this.#store.find(id), this.#store, path, options);
  }

  copyIn(id: string, folder: string, tar: AsyncIterable<Uint8Array>, options: CopyInOptions = {}): Promise<void> {
    return copyIn(this.#store.find(id), this.#store, folder, tar, options);
  }

  events(options: { signal: AbortSignal; sinceMs?: number; untilMs?: number }): AsyncIterable<ContainerEvent> {
    return readEvents(this.#store, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#made.keys()) this.#keep(id);
    const engine = await this.#opened?.catch(() => undefined);
    await engine?.[Symbol.asyncDispose]();
  }

  #keep(id: string): void {
    this.#made.get(id)?.[Symbol.dispose]();
    this.#made.delete(id);
  }

  #describe(record: ContainerRecord): Container {
    const dir = this.#store.dir(record.id);
    const { lower: _lower, ...rest } = record;
    const { state } = lookAt(dir);
    const runs = state.pid > 0;
    return { ...rest, endpoints: rest.endpoints, ports: runs ? rest.ports : [], state, dir };
  }

  #running(id: string): ContainerRecord {
    const record = this.#store.find(id);
    const { state } = lookAt(this.#store.dir(record.id));
    if (state.status !== "running" && state.status !== "paused") throw notRunning(record);
    return record;
  }

  async #control(record: ContainerRecord): Promise<Control | undefined> {
    const dir = this.#store.dir(record.id);
    for (let attempt = 0; ; attempt++) {
      const control = await Control.open(dir);
      if (control !== undefined) return control;
      if (!lookAt(dir).alive || attempt > 200) return undefined;
      await sleep(10);
    }
  }

  /** Waits until no supervisor has the container any more. */
  async #endOf(record: ContainerRecord): Promise<void> {
    const dir = this.#store.dir(record.id);
    const control = await Control.open(dir);
    control?.send("N");
    await control?.closed;
    for (let attempt = 0; attempt < 500 && lookAt(dir).alive; attempt++) await sleep(10);
  }

  /** Empty when it was done, else why not; undefined when nobody answered. */
  async #ask(control: Control, type: string, content: string): Promise<string | undefined> {
    const answer = control.next("o", "e");
    control.send(type, content);
    const frame = await answer;
    control.close();
    return frame === undefined ? undefined : frame.type === "o" ? "" : frame.content.toString("utf8");
  }
}

function notRunning(record: ContainerRecord, before?: string): BuildError {
  const text = `Container ${record.id} is not running`;
  return new BuildError(before === undefined ? text : `${before}: ${text}`, {
    code: "CONTAINER_NOT_RUNNING",
    status: "FailedPrecondition",
  });
}

function cannotAttach(state: string): BuildError {
  const remedy = state === "paused" ? "unpause" : "start";
  return new BuildError(`You cannot attach to a ${state} container, ${remedy} it first`, {
    code: "CONTAINER_NOT_RUNNING",
    status: "FailedPrecondition",
  });
}
