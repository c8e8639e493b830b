// Runs `slipway run`: perhaps a build, then a container, then its streams until it ends. Counterpart: docker/cli
// cli/command/container/run.go.

import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { constants } from "node:os";
import { openContainers } from "../running/containers/index.ts";
import type { AttachOptions, Attachment, Containers, Streams } from "../running/containers/index.ts";
import type { MountRequest } from "../running/volumes/index.ts";
import type { Invocation } from "./command.ts";
import { exitCodeOf } from "./container-errors.ts";
import { UsageError } from "./flags.ts";
import { buildToRun } from "./run-build.ts";
import { containerConfig } from "./run-config.ts";
import { DEFAULT_DETACH_KEYS, followSize, parseDetachKeys, rawTerminal } from "./terminal.ts";

/** Resolves with the container's exit code, or docker's 125 to 127. */
export async function runContainer(invocation: Invocation): Promise<number> {
  return await exitCodeOf(invocation, () => runIt(invocation));
}

async function runIt(invocation: Invocation): Promise<number> {
  const { flags, shell, root } = invocation;
  const builds = flags.string("build") !== "";
  const [image = "", ...command] = builds ? ["", ...invocation.args] : invocation.args;
  if (!builds) {
    const useless = ["tag", "target", "file"].find((name) => flags.has(name));
    if (useless !== undefined) throw new UsageError(`--${useless} is of use with --build only`);
  }
  if (!builds && image === "") throw new UsageError("slipway: 'slipway run' requires at least 1 argument");
  const detach = flags.bool("detach");
  const asked = attachTargets(invocation, detach);
  const asConfigured = containerConfig(invocation, image, command, detach);
  const cidFile = claimCidFile(invocation);
  await using built = builds ? await buildToRun(invocation) : undefined;
  if (builds && built === undefined) return 125;
  await using containers = await openContainers({ root, cwd: shell.cwd, engine: built?.engine });
  const config = {
    ...asConfigured,
    image: built?.image ?? image,
    mounts: await withVolumesFrom(asConfigured.mounts, flags.list("volumes-from"), containers),
  };
  const notice = (text: string): void => {
    if (!flags.bool("quiet") || text.startsWith("WARNING")) shell.stderr.write(`${text}\n`);
  };
  const container = await containers.create(config, { onNotice: notice });
  await built?.forget();
  if (cidFile !== undefined) writeFileSync(cidFile, container.id);
  try {
    if (asked === undefined) {
      await containers.start(container.id, { onNotice: notice });
      shell.stdout.write(`${container.id}\n`);
      return 0;
    }
    return await runAttached(invocation, containers, container.id, { streams: asked, notice, tty: config.tty });
  } catch (error) {
    // What never ran is of no use to anybody who wanted it to go.
    if (config.autoRemove) await containers.remove(container.id, { force: true, volumes: true }).catch(() => undefined);
    throw error;
  }
}

/** `container create`: prints the id. */
export async function createOnly(invocation: Invocation): Promise<number> {
  return await exitCodeOf(
    invocation,
    async () => {
      const { flags, shell, root, args } = invocation;
      const [image = "", ...command] = args;
      const config = containerConfig(invocation, image, command);
      const cidFile = claimCidFile(invocation);
      await using containers = await openContainers({ root, cwd: shell.cwd });
      const onNotice = (text: string): void => {
        if (!flags.bool("quiet") || text.startsWith("WARNING")) shell.stderr.write(`${text}\n`);
      };
      const mounts = await withVolumesFrom(config.mounts, flags.list("volumes-from"), containers);
      const { id } = await containers.create({ ...config, mounts }, { onNotice });
      if (cidFile !== undefined) writeFileSync(cidFile, id);
      shell.stdout.write(`${id}\n`);
      return 0;
    },
    1,
  );
}

/** Streams of the process itself. */
interface OwnStreams extends Streams {
  readonly stdout: NodeJS.WritableStream | undefined;
}

interface Attached {
  readonly streams: OwnStreams;
  readonly notice: (text: string) => void;
  readonly tty: boolean;
}

async function runAttached(
  { flags }: Invocation,
  containers: Containers,
  id: string,
  { streams, notice, tty }: Attached,
): Promise<number> {
  using _raw = tty && streams.stdin !== undefined ? rawTerminal() : undefined;
  const keys = flags.string("detach-keys") || DEFAULT_DETACH_KEYS;
  const attach: AttachOptions = { streams, detachKeys: tty ? parseDetachKeys(keys) : undefined };
  using reader = watchReader(streams.stdout);
  const attachment = await containers.start(id, { onNotice: notice, attach });
  if (attachment === undefined) return 0;
  reader.detachWhenGone(attachment);
  using _size = tty ? followSize(attachment) : undefined;
  using _signals = flags.bool("sig-proxy") ? passSignals(containers, id) : undefined;
  const exitCode = await attachment.ended;
  if (reader.isGone) return BROKEN_PIPE;
  if (exitCode !== undefined) return exitCode;
  // Left by its keys; or its supervisor was killed, and with it the container.
  const { state } = await containers.inspect(id).catch(() => ({ state: undefined }));
  return state === undefined || state.pid > 0 ? 0 : state.exitCode;
}

/** How a command ends whose reader is gone. */
export const BROKEN_PIPE = 128 + constants.signals.SIGPIPE;

/** Whether the reader of our output is still there. */
export interface ReaderWatch extends Disposable {
  readonly isGone: boolean;
  /** Ends the attachment once the reader is gone, also when it went before. */
  detachWhenGone(attachment: Attachment): void;
}

/**
 * A reader that is gone (`| head`) ends us as it ends others; the container goes on, as docker's does. To be called before a container is
 * started: its output may break the pipe before whoever starts it knows that it runs.
 */
export function watchReader(stdout: NodeJS.WritableStream | undefined): ReaderWatch {
  let isGone = false;
  let attached: Attachment | undefined;
  const onError = () => {
    isGone = true;
    attached?.detach();
  };
  stdout?.once("error", onError);
  return {
    get isGone() {
      return isGone;
    },
    detachWhenGone: (attachment) => {
      attached = attachment;
      if (isGone) attachment.detach();
    },
    [Symbol.dispose]: () => void stdout?.removeListener("error", onError),
  };
}

/** Signals that reach us go to the container; a second interrupt is the caller's own to handle. */
export function passSignals(containers: Containers, id: string): Disposable {
  const names = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT"] as const;
  const listeners = names.map((name) => {
    const listener = (): void => void containers.kill(id, String(constants.signals[name])).catch(() => undefined);
    process.on(name, listener);
    return { name, listener };
  });
  return {
    [Symbol.dispose]: () => {
      for (const { name, listener } of listeners) process.removeListener(name, listener);
    },
  };
}

/** `--volumes-from NAME[:ro]`: what another container has mounted, where nothing of one's own is. */
async function withVolumesFrom(
  own: readonly MountRequest[],
  names: readonly string[],
  containers: Containers,
): Promise<MountRequest[]> {
  const mounts = [...own];
  for (const text of names) {
    const [name = "", mode = "rw"] = text.split(":");
    if (mode !== "rw" && mode !== "ro") throw new UsageError(`invalid mode: ${mode}`);
    for (const mount of (await containers.inspect(name)).mounts) {
      const { kind, source, target, volumeName = "" } = mount;
      if (kind === "tmpfs" || mounts.some((each) => each.target === target)) continue;
      const readOnly = mount.readOnly || mode === "ro";
      mounts.push(
        kind === "volume"
          ? { kind, name: volumeName, target, readOnly, noCopy: true }
          : { kind, source, target, readOnly, createSource: false },
      );
    }
  }
  return mounts;
}

/** Streams to attach; undefined for none at all. @throws UsageError. */
function attachTargets({ flags, shell }: Invocation, detach: boolean): OwnStreams | undefined {
  const given = flags.list("attach").map((name) => name.toLowerCase());
  for (const name of given) {
    if (!["stdin", "stdout", "stderr"].includes(name)) {
      throw new UsageError(
        `invalid argument ${JSON.stringify(name)} for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`,
      );
    }
  }
  if (detach) {
    if (given.length > 0) throw new UsageError("Conflicting options: -a and -d");
    return undefined;
  }
  const interactive = flags.bool("interactive");
  const all = given.length === 0;
  if (flags.bool("tty") && interactive && shell.stdin.isTTY !== true && (all || given.includes("stdin")))
    throw new Error("the input device is not a TTY");
  return {
    stdin: interactive && (all || given.includes("stdin")) ? shell.stdin : undefined,
    stdout: all || given.includes("stdout") ? shell.stdout : undefined,
    stderr: all || given.includes("stderr") ? shell.stderr : undefined,
  };
}

function claimCidFile({ flags, shell }: Invocation): string | undefined {
  const name = flags.string("cidfile");
  if (name === "") return undefined;
  const path = resolve(shell.cwd, name);
  if (existsSync(path))
    throw new Error(`container ID file found, make sure the other container isn't running or delete ${name}`);
  return path;
}
