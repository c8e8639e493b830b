// `compose run`. Counterpart: docker/compose cmd/compose/run.go.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createOneOff, createProject, startServices, withDependencies } from "../../running/projects/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import { parseEnv, parsePort, parseVolume, shellWords } from "../../frontends/compose/index.ts";
import type { Invocation } from "../command.ts";
import { prepareImages, prepareOptions } from "./prepare.ts";
import { checkServices, withProject } from "./session.ts";
import type { Session } from "./session.ts";
import { followSize, rawTerminal } from "../terminal.ts";

export async function runOneOff(invocation: Invocation): Promise<number> {
  const { flags, args, shell } = invocation;
  const [name = ""] = args;
  const detached = flags.bool("detach");
  return await withProject(invocation, { services: [name], abortOnInterrupt: detached }, async (session) => {
    checkServices(session.project, [name]);
    const service = changed(invocation, session.project.services.get(name)!, session);
    const noDependencies = flags.bool("no-deps");
    const dependencies = new Map(noDependencies ? [] : withDependencies(session.project.services, [name]));
    dependencies.delete(name);
    const prepare = { ...prepareOptions({ ...invocation, flags }), build: "missing" as const };
    const own = new Map([[name, service]]);
    const code =
      (await prepareImages(session, dependencies, prepare)) ||
      (await prepareImages(session, own, flags.bool("build") ? { ...prepare, build: "always" } : prepare));
    if (code !== 0) return code;
    const work = session.work();
    if (dependencies.size > 0) {
      const { members } = await createProject(work, dependencies, {
        recreate: "diverged",
        recreateDependencies: "diverged",
        asked: [],
        renewVolumes: false,
        scale: new Map(),
        removeOrphans: flags.bool("remove-orphans"),
        ignoreOrphans: true,
      });
      await startServices(work, dependencies, members);
    }
    session.progress.finish();
    const interactive = flags.bool("interactive") && !detached;
    const tty = !flags.bool("no-TTY") && shell.stdin.isTTY === true && shell.stdout.isTTY === true && !detached;
    const container = await createOneOff(work, {
      service,
      name: flags.string("name"),
      labels: new Map(flags.list("label").map((each) => pair(each))),
      autoRemove: flags.bool("rm"),
      publish: flags.bool("service-ports") || flags.list("publish").length > 0,
      useAliases: flags.bool("use-aliases"),
      tty,
      interactive,
      noDependencies,
    });
    if (detached) {
      await session.ports.containers.start(container.id, { onNotice: session.warn });
      shell.stdout.write(`${container.name}\n`);
      return 0;
    }
    return await attachedRun(session, container.id, { tty, interactive });
  });
}

async function attachedRun(
  { ports, shell, warn, onInterrupt }: Session,
  id: string,
  how: { readonly tty: boolean; readonly interactive: boolean },
): Promise<number> {
  onInterrupt((count) => {
    const signal = count > 2 ? "SIGKILL" : "SIGINT";
    void ports.containers.kill(id, signal).catch(() => undefined);
  });
  await using attached = await ports.containers.start(id, {
    onNotice: warn,
    attach: {
      streams: {
        ...(how.interactive ? { stdin: shell.stdin } : {}),
        stdout: shell.stdout,
        stderr: shell.stderr,
      },
    },
  });
  using _raw = how.tty && how.interactive ? rawTerminal() : undefined;
  using _size = how.tty ? followSize(attached!) : undefined;
  return (await attached!.ended) ?? 0;
}

/** The service as the command line changes it. */
function changed({ flags, args, shell }: Invocation, service: RunService, { project }: Session): RunService {
  const environment = new Map(service.environment);
  for (const file of flags.list("env-from-file")) {
    const found = new Map<string, string>();
    parseEnv(readFileSync(resolve(shell.cwd, file), "utf8"), found, (key) => shell.env[key]);
    for (const [key, value] of found) environment.set(key, value);
  }
  for (const text of flags.list("env")) {
    const at = text.indexOf("=");
    if (at < 0) environment.set(text, shell.env[text] ?? project.environment.get(text) ?? null);
    else environment.set(text.slice(0, at), text.slice(at + 1));
  }
  const published = flags.list("publish").flatMap((text) =>
    parsePort(text).map((each) => ({
      target: Number(each.get("target")),
      published: textOf(each.get("published")),
      hostIp: textOf(each.get("host_ip")),
      protocol: textOf(each.get("protocol")),
    })),
  );
  const own = flags.bool("service-ports") ? service.ports : [];
  const mounts = flags.list("volume").map((text) => mountOf(text, shell.cwd));
  const targets = new Set(mounts.map(({ target }) => target));
  const command = args.slice(1);
  return {
    ...service,
    environment,
    ports: [...own, ...published],
    mounts: [...service.mounts.filter(({ target }) => !targets.has(target)), ...mounts],
    // A container of another command has its image's word no more on what it runs by default.
    command: command.length > 0 ? command : flags.has("entrypoint") ? undefined : service.command,
    entrypoint: flags.has("entrypoint") ? shellWords(flags.string("entrypoint")) : service.entrypoint,
    user: flags.string("user") || service.user,
    workingDir: flags.string("workdir") || service.workingDir,
    capAdd: [...service.capAdd, ...flags.list("cap-add")],
    capDrop: [...service.capDrop, ...flags.list("cap-drop")],
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function mountOf(text: string, cwd: string): RunService["mounts"][number] {
  const said = parseVolume(text);
  const isBind = said.get("type") === "bind";
  const source = textOf(said.get("source"));
  return {
    type: isBind ? "bind" : "volume",
    source: isBind ? resolve(cwd, source) : source,
    target: textOf(said.get("target")),
    readOnly: said.get("read_only") === true,
    propagation: "",
    createHostPath: isBind,
    noCopy: false,
    subpath: "",
    labels: new Map(),
    tmpfsSize: undefined,
    tmpfsMode: undefined,
  };
}

function pair(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
