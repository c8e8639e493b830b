// Containers, networks, volumes and images in memory, for tests of what a project does with them. A container does what its command says:
// `exit CODE [MS]`, `fail` (does not start), else it runs until it is stopped. A health check `CMD ok [MS]` becomes healthy, `CMD bad` unhealthy.

import { BuildError } from "../../base/index.ts";
import type {
  Container,
  ContainerConfig,
  ContainerEvent,
  ContainerFilter,
  Containers,
  ContainerState,
  LogEntry,
} from "../containers/index.ts";
import type { ProjectImages, ProjectNetworks, ProjectPorts, ProjectVolumes } from "./ports.ts";

const never = "0001-01-01T00:00:00Z";

class FakeContainer {
  readonly id: string;
  name: string;
  readonly config: ContainerConfig;
  state: ContainerState = {
    status: "created",
    exitCode: 0,
    error: "",
    oomKilled: false,
    pid: 0,
    supervisorPid: 0,
    startedAt: never,
    finishedAt: never,
    restartCount: 0,
  };
  readonly log: LogEntry[] = [];
  readonly waiters: (() => void)[] = [];
  timer: NodeJS.Timeout | undefined;
  readonly imageDigest: string;

  constructor(id: string, config: ContainerConfig, imageDigest: string) {
    this.id = id;
    this.name = config.name ?? id.slice(0, 12);
    this.config = config;
    this.imageDigest = imageDigest;
  }

  set(state: Partial<ContainerState>): void {
    this.state = { ...this.state, ...state };
    for (const wake of this.waiters.splice(0)) wake();
  }
}

/** Everything that was done, in order, as `create web-1`. */
export class FakeMachine implements ProjectPorts {
  readonly log: string[] = [];
  readonly known = new Map<string, FakeContainer>();
  readonly networkRows: { id: string; name: string; labels: Readonly<Record<string, string>> }[] = [];
  readonly volumeRows: { name: string; labels: Readonly<Record<string, string>> }[] = [];
  readonly imageDigests = new Map<string, string>([["i", "sha256:i"]]);
  /** Names of images that a registry has. */
  readonly remote = new Set<string>();
  readonly startedAt = new Map<string, number>();
  #next = 1;

  readonly networks: ProjectNetworks = {
    list: () => Promise.resolve([...this.networkRows]),
    create: (wish) => {
      this.log.push(`network ${wish.name}`);
      this.networkRows.push({ id: `id-${wish.name}`, name: wish.name, labels: wish.labels });
      return Promise.resolve();
    },
    remove: (id) => {
      const at = this.networkRows.findIndex((each) => each.id === id || each.name === id);
      this.log.push(`remove network ${this.networkRows[at]!.name}`);
      this.networkRows.splice(at, 1);
      return Promise.resolve();
    },
  };

  readonly volumes: ProjectVolumes = {
    list: () => Promise.resolve([...this.volumeRows]),
    create: (wish) => {
      this.log.push(`volume ${wish.name}`);
      this.volumeRows.push({ name: wish.name, labels: wish.labels });
      return Promise.resolve();
    },
    remove: (name) => {
      this.log.push(`remove volume ${name}`);
      this.volumeRows.splice(
        this.volumeRows.findIndex((each) => each.name === name),
        1,
      );
      return Promise.resolve();
    },
  };

  readonly images: ProjectImages = {
    find: (reference) => {
      const digest = this.imageDigests.get(reference);
      return Promise.resolve(digest === undefined ? undefined : imageOf(reference, digest));
    },
    pull: (reference) => {
      this.log.push(`pull ${reference}`);
      if (!this.remote.has(reference)) {
        return Promise.reject(
          new BuildError(`${reference}: not found`, { code: "IMAGE_NOT_FOUND", status: "NotFound" }),
        );
      }
      this.imageDigests.set(reference, `sha256:${reference}`);
      return Promise.resolve(imageOf(reference, `sha256:${reference}`));
    },
    push: (reference) => {
      this.log.push(`push ${reference}`);
      return Promise.resolve(this.imageDigests.get(reference) ?? "");
    },
    remove: (reference) => {
      this.log.push(`remove image ${reference}`);
      this.imageDigests.delete(reference);
      return Promise.resolve();
    },
  };

  readonly containers: Containers = {
    create: (config) => {
      const id = String(this.#next++).padStart(64, "0");
      const taken = [...this.known.values()].some(({ name }) => name === config.name);
      if (taken) {
        return Promise.reject(
          new BuildError(`Conflict. The container name "/${config.name}" is already in use`, {
            code: "CONTAINER_NAME_TAKEN",
            status: "AlreadyExists",
          }),
        );
      }
      const made = new FakeContainer(id, config, this.imageDigests.get(config.image) ?? "");
      this.log.push(`create ${made.name}`);
      this.known.set(id, made);
      return Promise.resolve(this.#shown(made));
    },
    start: (id) => {
      const one = this.#find(id);
      if (one.config.command?.[0] === "fail") {
        this.log.push(`fail ${one.name}`);
        return Promise.reject(
          new BuildError('exec: "fail": executable file not found in $PATH', {
            code: "CONTAINER_START",
            exitCode: 127,
          }),
        );
      }
      this.log.push(`start ${one.name}`);
      this.startedAt.set(one.name, this.log.length);
      this.#run(one);
      return Promise.resolve(undefined);
    },
    attach: () => Promise.reject(new Error("not in this fake")),
    stop: (id) => {
      const one = this.#find(id);
      if (one.state.status !== "running") return Promise.resolve();
      this.log.push(`stop ${one.name}`);
      this.#end(one, 143);
      return Promise.resolve();
    },
    kill: (id, signal = "SIGKILL") => {
      const one = this.#find(id);
      this.log.push(`kill ${one.name} ${signal}`);
      this.#end(one, 137);
      return Promise.resolve();
    },
    restart: (id) => {
      const one = this.#find(id);
      this.log.push(`restart ${one.name}`);
      this.#run(one);
      return Promise.resolve();
    },
    pause: (id) => Promise.resolve(this.#find(id).set({ status: "paused" })),
    unpause: (id) => Promise.resolve(this.#find(id).set({ status: "running" })),
    remove: (id) => {
      const one = this.#find(id);
      this.log.push(`remove ${one.name}`);
      this.#end(one, 137);
      this.known.delete(one.id);
      return Promise.resolve();
    },
    statPath: () => Promise.resolve(undefined),
    setNetworks: () => Promise.reject(new Error("not in this fake")),
    rename: (id, name) => {
      const one = this.#find(id);
      this.log.push(`rename ${one.name} ${name}`);
      one.name = name;
      return Promise.resolve();
    },
    wait: async (id, { signal } = {}) => {
      const one = this.#find(id);
      while (one.state.status === "running" || one.state.status === "created") await this.#change(one, signal);
      return one.state.exitCode;
    },
    inspect: (id) => new Promise((resolve) => resolve(this.#shown(this.#find(id)))),
    list: ({ labels = [], all = false }: ContainerFilter = {}) =>
      Promise.resolve(
        [...this.known.values()]
          .filter((each) => all || each.state.status === "running")
          .filter((each) =>
            labels.every((text) => {
              const [name = "", ...rest] = text.split("=");
              const value = each.config.labels[name];
              return rest.length === 0 ? value !== undefined : value === rest.join("=");
            }),
          )
          .toReversed()
          .map((each) => this.#shown(each)),
      ),
    logs: (id, options) => this.#logs(this.#find(id), options),
    exec: (id, { command }) => {
      this.log.push(`exec ${this.#find(id).name} ${command.join(" ")}`);
      return Promise.resolve(command[0] === "exit" ? Number(command[1]) : 0);
    },
    top: () => Promise.resolve({ titles: ["PID"], processes: [["1"]] }),
    stats: () => Promise.resolve(undefined),
    copyOut: () => nothing(),
    copyIn: () => Promise.resolve(),
    events: () => nothing<ContainerEvent>(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };

  /** Forgets what was done. */
  clear(): void {
    this.log.length = 0;
  }

  /** `name status`, sorted by name. */
  statuses(): string[] {
    return [...this.known.values()].map(({ name, state }) => `${name} ${state.status}`).toSorted();
  }

  #find(id: string): FakeContainer {
    const found = this.known.get(id) ?? [...this.known.values()].find(({ name }) => name === id);
    if (found !== undefined) return found;
    throw new BuildError(`No such container: ${id}`, { code: "CONTAINER_UNKNOWN", status: "NotFound" });
  }

  #run(one: FakeContainer): void {
    const [word, code = "0", ms = "1"] = one.config.command ?? [];
    const test = one.config.healthcheck?.test;
    const health = test === undefined ? undefined : { status: "starting" as const, failingStreak: 0, log: [] };
    one.set({ status: "running", startedAt: new Date().toISOString(), health });
    one.log.push({ stream: "stdout", time: new Date().toISOString(), text: `hello from ${one.name}\n` });
    one.set({});
    if (test !== undefined) {
      setTimeout(
        () => one.set({ health: { status: test[1] === "ok" ? "healthy" : "unhealthy", failingStreak: 0, log: [] } }),
        Number(test[2] ?? 1),
      );
    }
    if (word === "exit") one.timer = setTimeout(() => this.#end(one, Number(code)), Number(ms));
  }

  #end(one: FakeContainer, exitCode: number): void {
    clearTimeout(one.timer);
    if (one.state.status !== "running" && one.state.status !== "paused") return;
    this.log.push(`end ${one.name} ${exitCode}`);
    one.set({ status: "exited", exitCode, finishedAt: new Date().toISOString() });
  }

  async #change(one: FakeContainer, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => reject(signal!.reason as Error);
    one.waiters.push(resolve);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async *#logs(one: FakeContainer, { follow, signal }: { follow: boolean; signal?: AbortSignal | undefined }) {
    let at = 0;
    for (;;) {
      while (at < one.log.length) yield one.log[at++]!;
      if (!follow || one.state.status === "exited") return;
      await this.#change(one, signal);
    }
  }

  #shown(one: FakeContainer): Container {
    const { config } = one;
    return {
      id: one.id,
      name: one.name,
      createdMs: 0,
      config,
      state: one.state,
      image: {
        reference: config.image,
        digest: one.imageDigest,
        manifestDigest: one.imageDigest,
        configDigest: one.imageDigest,
        platform: "linux/amd64",
      },
      path: "",
      args: [],
      labels: config.labels,
      mounts: [],
      endpoints: [],
      ports: [],
      effective: {
        env: [],
        workingDir: "/",
        user: "",
        hostname: "",
        stopSignal: "",
        healthcheck: config.healthcheck,
        exposed: [],
      },
      dir: "",
    };
  }
}

function imageOf(reference: string, digest: string) {
  return { reference, digest, configDigest: digest, sizeBytes: 1, createdMs: 0, platform: "linux/amd64" };
}

// eslint-disable-next-line require-yield
async function* nothing<T>(): AsyncGenerator<T> {
  await Promise.resolve();
}
