// `compose up`, `create` and `scale`. Counterpart: docker/compose cmd/compose/{up,create,scale}.go.

import { withDependencies, createProject, startServices, waitFor } from "../../running/projects/index.ts";
import type { UpOptions } from "../../running/projects/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import { settle } from "../../running/projects/index.ts";
import { goBool } from "../flags.ts";
import type { Invocation } from "../command.ts";
import { runAttached } from "./up-attached.ts";
import { prepareImages, prepareOptions } from "./prepare.ts";
import type { PrepareOptions } from "./prepare.ts";
import { checkServices, timeoutOf, withProject } from "./session.ts";
import type { Session } from "./session.ts";
import { recordTested } from "./tested.ts";

export async function runUp(invocation: Invocation): Promise<number> {
  const { flags, args } = invocation;
  checkFlags(invocation);
  const prepare = prepareOptions(invocation);
  const scale = scales(flags.list("scale"));
  const detached = flags.bool("detach") || flags.bool("wait") || flags.bool("no-start");
  const from = flags.string("exit-code-from");
  const named = [...args, ...flags.list("attach"), ...(from === "" ? [] : [from])];
  return await withProject(invocation, { services: args, abortOnInterrupt: detached }, async (session) => {
    checkServices(session.project, [...named, ...scale.keys()]);
    const services = chosen(session, args, flags.bool("no-deps"));
    if (from !== "" && !services.has(from)) throw new Error(`no such service: ${from}`);
    const options = { ...upOptions(invocation), scale };
    if (!detached)
      return await runAttached(session, { services, options, prepare: { ...prepare, forPush: from !== "" } });
    const code = await prepareImages(session, services, prepare);
    if (code !== 0) return code;
    const work = session.work();
    const { members, images } = await createProject(work, services, options);
    recordTested(invocation.root, session.project, images, undefined);
    if (flags.bool("no-start")) return 0;
    await startServices(work, services, members);
    if (flags.bool("wait")) await waitForAll(session, services, flags.number("wait-timeout") ?? 0);
    return 0;
  });
}

export async function runCreate(invocation: Invocation): Promise<number> {
  const prepare = prepareOptions(invocation);
  return await withProject(invocation, { services: invocation.args }, async (session) => {
    checkServices(session.project, invocation.args);
    const services = chosen(session, invocation.args, false);
    return await createOnly(
      session,
      services,
      { ...upOptions(invocation), scale: scales(invocation.flags.list("scale")) },
      prepare,
    );
  });
}

/** `scale WEB=3`: makes and starts, or removes. */
export async function runScale(invocation: Invocation): Promise<number> {
  const scale = scales(invocation.args);
  return await withProject(invocation, { services: [...scale.keys()] }, async (session) => {
    checkServices(session.project, [...scale.keys()]);
    const services = chosen(session, [...scale.keys()], invocation.flags.bool("no-deps"));
    const code = await prepareImages(session, services, { build: "missing", pull: undefined });
    if (code !== 0) return code;
    const work = session.work();
    const options: UpOptions = { ...defaults, asked: [...scale.keys()], scale, ignoreOrphans: true };
    const { members } = await createProject(work, services, options);
    await startServices(work, services, members);
    return 0;
  });
}

async function createOnly(
  session: Session,
  services: ReadonlyMap<string, RunService>,
  options: UpOptions,
  prepare: PrepareOptions,
): Promise<number> {
  const code = await prepareImages(session, services, prepare);
  if (code === 0) await createProject(session.work(), services, options);
  return code;
}

/** Waits until every container runs, and is healthy where it says how it is. @throws Error when the time is over. */
export async function waitForAll(
  session: Session,
  services: ReadonlyMap<string, RunService>,
  timeoutSec: number,
): Promise<void> {
  const work = session.work();
  const limit = timeoutSec > 0 ? AbortSignal.timeout(timeoutSec * 1000) : undefined;
  const waiting = limit === undefined ? work : session.work(AbortSignal.any([work.signal, limit]));
  const { membersOf } = await import("../../running/projects/index.ts");
  const members = (await membersOf(session.ports, session.project.name)).filter(
    ({ service, oneoff }) => !oneoff && services.has(service),
  );
  try {
    await settle(members.map((each) => waitFor(waiting, each, "running_or_healthy")));
  } catch (error) {
    if (limit?.aborted === true && !work.signal.aborted) {
      throw new Error(`application not healthy after ${timeoutSec}s`, { cause: error });
    }
    throw error;
  }
}

/** The services named and what they depend on, or those alone. */
export function chosen(
  { project }: Pick<Session, "project">,
  names: readonly string[],
  noDependencies: boolean,
): Map<string, RunService> {
  if (!noDependencies) return withDependencies(project.services, names);
  const wanted = [...project.services.values()].filter(({ name }) => names.length === 0 || names.includes(name));
  // Nothing is waited for that is not looked after.
  return new Map(wanted.map((each) => [each.name, { ...each, dependsOn: new Map() }]));
}

const defaults: UpOptions = {
  recreate: "diverged",
  recreateDependencies: "diverged",
  asked: [],
  renewVolumes: false,
  scale: new Map(),
  removeOrphans: false,
  ignoreOrphans: false,
};

function upOptions(invocation: Invocation): UpOptions {
  const { flags, shell, args, command } = invocation;
  const isUp = command.name === "compose up";
  let recreate: UpOptions["recreate"] = "diverged";
  if (flags.bool("force-recreate")) recreate = "force";
  if (flags.bool("no-recreate")) {
    if (recreate === "force") throw new Error("--force-recreate and --no-recreate are incompatible");
    recreate = "never";
  }
  const always = isUp && flags.bool("always-recreate-deps");
  if (always && recreate === "never") throw new Error("--no-recreate and --always-recreate-deps are incompatible");
  const environment = (name: string) => goBool(shell.env[name] ?? "") === true;
  return {
    ...defaults,
    recreate,
    recreateDependencies: always ? "force" : "diverged",
    asked: args,
    renewVolumes: isUp && flags.bool("renew-anon-volumes"),
    removeOrphans: flags.bool("remove-orphans") || environment("COMPOSE_REMOVE_ORPHANS"),
    ignoreOrphans: environment("COMPOSE_IGNORE_ORPHANS"),
    ...(isUp ? timeoutOf(invocation) : {}),
  };
}

/** `SERVICE=NUM`. @throws Error for what is none. */
function scales(texts: readonly string[]): Map<string, number> {
  return new Map(
    texts.map((text) => {
      const [name = "", count = "", ...more] = text.split("=");
      if (name === "" || more.length > 0 || !/^\d+$/.test(count)) {
        throw new Error(`invalid scale specifier ${JSON.stringify(text)}: it is SERVICE=NUM`);
      }
      return [name, Number(count)];
    }),
  );
}

function checkFlags({ flags }: Invocation): void {
  const aborts = flags.bool("abort-on-container-exit") || flags.bool("abort-on-container-failure");
  const detached = flags.bool("detach") || flags.bool("wait");
  if (flags.bool("abort-on-container-exit") && flags.bool("abort-on-container-failure")) {
    throw new Error("--abort-on-container-exit and --abort-on-container-failure are incompatible");
  }
  if (flags.bool("detach") && (flags.bool("attach-dependencies") || flags.list("attach").length > 0)) {
    throw new Error("--detach cannot be combined with --attach or --attach-dependencies");
  }
  if (detached && (aborts || flags.string("exit-code-from") !== "")) {
    throw new Error(
      "--detach and --wait cannot be combined with --abort-on-container-exit, --abort-on-container-failure or --exit-code-from",
    );
  }
  if (flags.bool("detach") && flags.bool("watch")) throw new Error("--detach cannot be combined with --watch");
  if (flags.list("attach").length > 0 && flags.bool("attach-dependencies")) {
    throw new Error("cannot combine --attach and --attach-dependencies");
  }
}
