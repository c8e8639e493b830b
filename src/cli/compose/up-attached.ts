// An `up` that stays: output of its containers, Ctrl-C that stops them and kills them the second time, the end of all when one ends, and
// the exit code of the one that counts. Counterpart: docker/compose pkg/compose/up.go.

import { isAbort } from "../../base/index.ts";
import {
  AttachedRun,
  createProject,
  downProject,
  killProject,
  membersOf,
  shortName,
  startServices,
  stopProject,
} from "../../running/projects/index.ts";
import type { Created, Member, UpOptions } from "../../running/projects/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import { LogPrinter, wantsColors } from "./log-printer.ts";
import { prepareImages } from "./prepare.ts";
import type { PrepareOptions } from "./prepare.ts";
import { timeoutOf } from "./session.ts";
import type { Session } from "./session.ts";
import { recordTested } from "./tested.ts";

export interface AttachedUp {
  readonly services: ReadonlyMap<string, RunService>;
  readonly options: UpOptions;
  readonly prepare: PrepareOptions;
}

/** Resolves with the exit code. */
export async function runAttached(session: Session, { services, options, prepare }: AttachedUp): Promise<number> {
  const { shell, invocation, project } = session;
  const { flags } = invocation;
  const from = flags.string("exit-code-from");
  const starting = new AbortController();
  const interrupted = Promise.withResolvers<"interrupted">();
  let killing: Promise<void> | undefined;
  let interrupts = 0;
  let isUp = false;
  session.onInterrupt((count) => {
    interrupts = count;
    starting.abort(new DOMException("context canceled", "AbortError"));
    interrupted.resolve("interrupted");
    if (count > 1 && isUp) killing ??= killProject(session.work(never), [], { signal: "SIGKILL" });
    else if (count > 1) shell.exitNow(130);
  });
  const code = await prepareImages(session, services, prepare);
  if (code !== 0 || interrupts > 0) return interrupts > 0 ? 130 : code;
  const work = session.work(starting.signal);
  let created: Created;
  try {
    created = await createProject(work, services, options);
  } catch (error) {
    if (interrupts > 0 && isAbort(error)) return 130;
    throw error;
  }
  session.progress.finish();
  recordTested(invocation.root, project, created.images, undefined);
  const printer = new LogPrinter(shell, {
    prefix: !flags.bool("no-log-prefix"),
    timestamps: flags.bool("timestamps"),
    colors: wantsColors(shell, invocation.above!.string("ansi"), flags.bool("no-color")),
  });
  const shows = shownMembers(session, services);
  const sources = [...created.members.values()]
    .flat()
    .filter((each) => services.has(each.service) && shows(each))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const each of sources) printer.register(shortName(each, project.name));
  if (sources.length > 0) {
    const shown = sources.map((each) => shortName(each, project.name)).join(", ");
    shell.stderr.write(`Attaching to ${shown}\n`);
  }
  const run = new AttachedRun(session.work(never), {
    shows,
    onLine: printer.line,
    onExit: (source, exitCode) => printer.exited(source, exitCode),
    abortOn: abortOn(session),
    exitCodeFrom: from,
    completes: completing(services),
  });
  isUp = true;
  let failure: unknown;
  const started = startServices(quiet(work, session), services, created.members, {
    onStarted: (member, sinceMs) => run.onStarted(member, sinceMs),
  }).then(
    () => run.allStarted(),
    (error: unknown) => {
      failure = error;
      run.allStarted();
    },
  );
  const watching = flags.bool("watch")
    ? (await import("./watch-run.ts")).watchProject(session, services, starting.signal)
    : undefined;
  const first = await Promise.race([
    interrupted.promise,
    started.then(() => (failure === undefined || interrupts > 0 ? new Promise<never>(() => {}) : "failed")),
    run.end(),
  ]);
  if (first === "failed") {
    // What runs is left as it is; with a code to return, the run is over.
    if (from === "" && abortOn(session) === "none") {
      await run.finish(0);
      throw failure;
    }
  } else if (first === "interrupted") {
    shell.stderr.write("Gracefully stopping... (press Ctrl+C again to force)\n");
  } else if (first.aborted) {
    shell.stderr.write("Aborting on container exit...\n");
  }
  starting.abort(new DOMException("context canceled", "AbortError"));
  if (first === "interrupted" || first === "failed" || first.aborted || from !== "") {
    await started;
    await stopAll(session, services).catch((error: unknown) => {
      if (interrupts < 2) throw error;
    });
    await killing;
  }
  const end = await run.finish();
  await watching?.catch(() => undefined);
  let exitCode = first === "interrupted" ? 130 : end.exitCode;
  if (from !== "" && first !== "interrupted") {
    exitCode = await codeOf(session, from, exitCode);
    recordTested(invocation.root, project, created.images, failure === undefined ? exitCode : 1);
  }
  if (from !== "" && !flags.bool("keep")) {
    await downProject(session.work(never), {
      volumes: false,
      anonymousVolumes: true,
      removeOrphans: false,
      images: "",
      services: [],
      ...timeoutOf(invocation),
    });
    session.progress.finish();
  }
  if (failure !== undefined && interrupts === 0 && first === "failed") throw failure;
  return exitCode;
}

const never = new AbortController().signal;

/** Steps of starting are not drawn over the containers' output. */
function quiet(work: ReturnType<Session["work"]>, { shell }: Session): ReturnType<Session["work"]> {
  if (shell.stderr.isTTY !== true) return work;
  return { ...work, onEvent: () => {} };
}

function abortOn({ invocation: { flags } }: Session): "none" | "exit" | "failure" {
  if (flags.bool("abort-on-container-failure")) return "failure";
  return flags.bool("abort-on-container-exit") || flags.string("exit-code-from") !== "" ? "exit" : "none";
}

/** Services whose success others wait for. Differs: that they end well aborts nothing, else no such project could be tested. */
function completing(services: ReadonlyMap<string, RunService>): Set<string> {
  const names = new Set<string>();
  for (const { dependsOn } of services.values()) {
    for (const [name, { condition }] of dependsOn) if (condition === "service_completed_successfully") names.add(name);
  }
  return names;
}

function shownMembers(
  { invocation: { flags, args }, project }: Session,
  services: ReadonlyMap<string, RunService>,
): (member: Member) => boolean {
  const only = flags.list("attach");
  const hidden = new Set(flags.list("no-attach"));
  const asked = args.length > 0 && !flags.bool("attach-dependencies") ? new Set(args) : undefined;
  return ({ service }) => {
    if (hidden.has(service)) return false;
    if (only.length > 0) return only.includes(service);
    if (asked !== undefined && !asked.has(service)) return false;
    return services.has(service) && project.services.get(service)?.attach !== false;
  };
}

async function stopAll(session: Session, services: ReadonlyMap<string, RunService>): Promise<void> {
  await stopProject(session.work(never), [...services.keys()], timeoutOf(session.invocation));
  session.progress.finish();
}

/** The exit code of a service's first container that failed, else of its last. */
async function codeOf({ ports, project }: Session, service: string, otherwise: number): Promise<number> {
  const members = (await membersOf(ports, project.name)).filter((each) => each.service === service && !each.oneoff);
  const codes = members.map(({ container }) => container.state.exitCode);
  return codes.find((each) => each !== 0) ?? codes.at(-1) ?? otherwise;
}
