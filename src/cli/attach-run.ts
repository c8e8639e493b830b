// Runs `slipway start` and `slipway attach`. Counterpart: docker/cli cli/command/container/{start,attach}.go.

import { openContainers } from "../running/containers/index.ts";
import type { Attachment, Containers } from "../running/containers/index.ts";
import type { Invocation } from "./command.ts";
import { exitCodeOf, forEachName } from "./container-errors.ts";
import { BROKEN_PIPE, passSignals, watchReader } from "./run-run.ts";
import { DEFAULT_DETACH_KEYS, followSize, parseDetachKeys, rawTerminal } from "./terminal.ts";

export async function runStart(invocation: Invocation): Promise<number> {
  const { args, flags, shell, root } = invocation;
  await using containers = await openContainers({ root, cwd: shell.cwd });
  const onNotice = (text: string): void => void shell.stderr.write(`${text}\n`);
  if (!flags.bool("attach") && !flags.bool("interactive")) {
    return await forEachName(invocation, args, async (name) => {
      await containers.start(name, { onNotice });
      return name;
    });
  }
  if (args.length > 1) throw new Error("you cannot start and attach multiple containers at once");
  return await exitCodeOf(
    invocation,
    () =>
      stream(invocation, containers, flags.bool("interactive"), (attach) =>
        containers.start(args[0]!, { onNotice, attach }),
      ),
    1,
  );
}

export async function runAttach(invocation: Invocation): Promise<number> {
  const { args, flags, shell, root } = invocation;
  await using containers = await openContainers({ root, cwd: shell.cwd });
  const { config } = await containers.inspect(args[0]!);
  const withInput = !flags.bool("no-stdin") && config.openStdin;
  if (config.tty && withInput && shell.stdin.isTTY !== true) throw new Error("the input device is not a TTY");
  return await stream(invocation, containers, withInput, (attach) => containers.attach(args[0]!, attach));
}

async function stream(
  { args, command, flags, shell }: Invocation,
  containers: Containers,
  withInput: boolean,
  begin: (attach: Parameters<Containers["attach"]>[1]) => Promise<Attachment | undefined>,
): Promise<number> {
  const { id, config } = await containers.inspect(args[0]!);
  using _raw = config.tty && withInput ? rawTerminal() : undefined;
  const keys = flags.string("detach-keys") || DEFAULT_DETACH_KEYS;
  using reader = watchReader(shell.stdout);
  const attachment = await begin({
    streams: { stdin: withInput ? shell.stdin : undefined, stdout: shell.stdout, stderr: shell.stderr },
    detachKeys: config.tty ? parseDetachKeys(keys) : undefined,
  });
  if (attachment === undefined) return 0;
  reader.detachWhenGone(attachment);
  using _size = config.tty ? followSize(attachment) : undefined;
  using _signals =
    command.name.endsWith("attach") && !flags.bool("sig-proxy") ? undefined : passSignals(containers, id);
  const exitCode = await attachment.ended;
  return reader.isGone ? BROKEN_PIPE : (exitCode ?? 0);
}
