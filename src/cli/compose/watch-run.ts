// `compose watch` and `up --watch`: what changes below watched paths is copied into the running containers, or has them restarted, or their
// image built anew. Spec: compose-spec develop.md. Counterpart: docker/compose pkg/compose/watch.go.

import { existsSync, readFileSync, statSync, watch as watchPath } from "node:fs";
import { join, posix, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAbort, messageOf } from "../../base/index.ts";
import { parseIgnoreFile, PatternMatcher } from "../../formats/patterns/index.ts";
import {
  createProject,
  isRunning,
  membersOf,
  ofService,
  settle,
  startServices,
  variables,
} from "../../running/projects/index.ts";
import type { Member, UpOptions } from "../../running/projects/index.ts";
import type { RunService, WatchRule } from "../../frontends/compose/index.ts";
import type { Invocation } from "../command.ts";
import { buildServices } from "./build-services.ts";
import { localTar } from "./local-tar.ts";
import { prepareImages } from "./prepare.ts";
import { checkServices, withProject } from "./session.ts";
import type { Session } from "./session.ts";
import { chosen } from "./up-run.ts";

const quietMs = 200;

export function runWatch(invocation: Invocation): Promise<number> {
  const { args, flags } = invocation;
  return withProject(invocation, { services: args }, async (session) => {
    checkServices(session.project, args);
    const services = chosen(session, args, false);
    if (![...services.values()].some(({ watch }) => watch.length > 0)) {
      throw new Error("none of the selected services is configured for watch, consider setting a 'develop' section");
    }
    if (!flags.bool("no-up")) {
      const code = await prepareImages(session, services, {
        build: "always",
        pull: undefined,
        quietBuild: flags.bool("quiet"),
      });
      if (code !== 0) return code;
      const work = session.work();
      const { members } = await createProject(work, services, plainUp);
      await startServices(work, services, members);
      session.progress.finish();
    }
    await watchProject(session, services, session.work().signal);
    return 0;
  });
}

const plainUp: UpOptions = {
  recreate: "diverged",
  recreateDependencies: "diverged",
  asked: [],
  renewVolumes: false,
  scale: new Map(),
  removeOrphans: false,
  ignoreOrphans: true,
};

/** Watches until the signal comes. */
export async function watchProject(
  session: Session,
  services: ReadonlyMap<string, RunService>,
  signal: AbortSignal,
): Promise<void> {
  const watched = [...services.values()].filter(({ watch }) => watch.length > 0);
  if (watched.length === 0) return;
  for (const service of watched) {
    if (service.watch.some(({ action }) => action === "rebuild") && service.build === undefined) {
      throw new Error(
        `can't watch service ${JSON.stringify(service.name)} with action rebuild without a build context`,
      );
    }
  }
  session.shell.stderr.write("Watch enabled\n");
  await Promise.all(watched.map((service) => new ServiceWatch(session, service, signal).run()));
}

class ServiceWatch {
  readonly #session: Session;
  readonly #service: RunService;
  readonly #signal: AbortSignal;
  readonly #changed = new Map<WatchRule, Set<string>>();
  #wake = Promise.withResolvers<void>();

  constructor(session: Session, service: RunService, signal: AbortSignal) {
    this.#session = session;
    this.#service = service;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    using _watchers = this.#watchAll();
    const onAbort = () => this.#wake.resolve();
    this.#signal.addEventListener("abort", onAbort);
    try {
      for (const rule of this.#service.watch)
        if (rule.initialSync && rule.action.startsWith("sync")) await this.#sync(rule, [""]);
      while (!this.#signal.aborted) {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers<void>();
        // An editor's save is several changes.
        await sleep(quietMs, undefined, { signal: this.#signal });
        const batch = [...this.#changed].map(([rule, paths]) => [rule, [...paths]] as const);
        this.#changed.clear();
        try {
          await this.#apply(batch);
        } catch (error) {
          if (isAbort(error)) throw error;
          this.#session.warn(`watch of ${this.#service.name}: ${messageOf(error)}`);
        }
      }
    } catch (error) {
      if (!isAbort(error)) throw error;
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  #watchAll(): Disposable {
    const watchers = this.#service.watch.map((rule) => {
      const isFolder = statSync(rule.path, { throwIfNoEntry: false })?.isDirectory() === true;
      if (!existsSync(rule.path)) throw new Error(`watched path ${rule.path} does not exist`);
      const wanted = filterOf(rule, this.#service, this.#session.project.folder);
      return watchPath(rule.path, { recursive: isFolder }, (_, name) => {
        const path = isFolder ? (name ?? "") : "";
        if (!wanted(path)) return;
        const paths = this.#changed.get(rule) ?? new Set();
        this.#changed.set(rule, paths.add(path));
        this.#wake.resolve();
      });
    });
    return { [Symbol.dispose]: () => watchers.forEach((each) => each.close()) };
  }

  async #apply(batch: readonly (readonly [WatchRule, readonly string[]])[]): Promise<void> {
    const { name } = this.#service;
    const rebuild = batch.some(([{ action }]) => action === "rebuild");
    if (rebuild) return await this.#rebuild();
    for (const [rule, paths] of batch) {
      if (rule.action !== "restart") await this.#sync(rule, paths);
      if (rule.action === "sync+exec" && rule.exec !== undefined) await this.#exec(rule.exec);
    }
    if (batch.some(([{ action }]) => action === "restart" || action === "sync+restart")) {
      const { containers } = this.#session.ports;
      await settle((await this.#running()).map(({ id }) => containers.restart(id)));
      this.#say(`service(s) [${JSON.stringify(name)}] restarted`);
    }
  }

  async #rebuild(): Promise<void> {
    const { invocation, loaded, project } = this.#session;
    const { name } = this.#service;
    this.#say(`Rebuilding service(s) [${JSON.stringify(name)}] after changes were detected...`);
    if ((await buildServices(invocation, loaded!, [name], { quiet: true })) !== 0) return;
    const services = new Map([[name, project.services.get(name)!]]);
    const work = this.#session.work(this.#signal);
    const { members } = await createProject(work, services, { ...plainUp, asked: [name] });
    await startServices(work, services, members);
    this.#say(`service(s) [${JSON.stringify(name)}] successfully built`);
  }

  async #sync(rule: WatchRule, paths: readonly string[]): Promise<void> {
    const { containers } = this.#session.ports;
    const places = paths.map((path) => ({ from: join(rule.path, path), to: posix.join(rule.target, path) }));
    const there = places.filter(({ from }) => existsSync(from));
    const gone = places.filter(({ from }) => !existsSync(from));
    const members = await this.#running();
    await settle(
      members.map(async ({ id }) => {
        if (there.length > 0) await containers.copyIn(id, "/", localTar(there, { shallow: !paths.includes("") }));
        if (gone.length > 0) {
          await containers.exec(
            id,
            { ...plainExec, command: ["rm", "-rf", "--", ...gone.map(({ to }) => to)] },
            { streams: {} },
          );
        }
      }),
    );
    this.#say(`Syncing service ${JSON.stringify(this.#service.name)} after ${paths.length} changes were detected`);
  }

  async #exec(hook: NonNullable<WatchRule["exec"]>): Promise<void> {
    const { ports, shell } = this.#session;
    await settle(
      (await this.#running()).map(async ({ id }) => {
        const config = {
          ...plainExec,
          command: hook.command,
          env: variables(hook.environment),
          user: hook.user || undefined,
          workingDir: hook.workingDir || undefined,
          privileged: hook.privileged,
        };
        const code = await ports.containers.exec(id, config, {
          streams: { stdout: shell.stdout, stderr: shell.stderr },
        });
        if (code !== 0) this.#session.warn(`${hook.command.join(" ")} exited with status ${code}`);
      }),
    );
  }

  async #running(): Promise<Member[]> {
    const { ports, project } = this.#session;
    return ofService(await membersOf(ports, project.name), this.#service.name).filter(isRunning);
  }

  #say(text: string): void {
    this.#session.shell.stderr.write(`${text}\n`);
  }
}

const plainExec = { env: [], tty: false, interactive: false, detach: false, privileged: false };

/** Whether a change below a rule's path counts: not what the rule or the build's .dockerignore leaves out. */
function filterOf(rule: WatchRule, { build }: RunService, folder: string): (path: string) => boolean {
  const ignored = new PatternMatcher([...rule.ignore, ".git", "**/*~", "**/.*.sw[a-p]"]);
  const included = rule.include.length === 0 ? undefined : new PatternMatcher(rule.include);
  const context = build === undefined ? undefined : resolve(folder, build.context);
  const file = context === undefined ? "" : join(context, ".dockerignore");
  const lines = file !== "" && existsSync(file) ? parseIgnoreFile(readFileSync(file)) : [];
  const dockerignore = new PatternMatcher(lines);
  return (path) => {
    if (path !== "" && ignored.matchesOrParentMatches(path)) return false;
    if (included !== undefined && path !== "" && !included.matchesOrParentMatches(path)) return false;
    const inContext = context === undefined ? ".." : relative(context, join(rule.path, path));
    return inContext.startsWith("..") || inContext === "" || !dockerignore.matchesOrParentMatches(inContext);
  };
}
