// Starts the containers of services, each once what it depends on is as it needs it. One that fails starts nothing that needs it, and
// leaves what runs alone. Counterpart: docker/compose pkg/compose/start.go.

import type { Hook, RunService } from "../../frontends/compose/index.ts";
import { BuildError } from "../../base/index.ts";
import type { Member } from "./labels.ts";
import { isRunning } from "./labels.ts";
import { walkServices } from "./dependencies.ts";
import { waitForDependencies } from "./waits.ts";
import { variables } from "./wishes.ts";
import { settle, told } from "./work.ts";
import type { Work } from "./work.ts";

export interface StartOptions {
  /** Told once a container runs; `sinceMs` is a moment before its start, so that nothing of its output is missed. */
  readonly onStarted?: (member: Member, sinceMs: number) => void;
}

/** @throws the first failure, when what was under way has ended. */
export async function startServices(
  work: Work,
  services: ReadonlyMap<string, RunService>,
  members: ReadonlyMap<string, readonly Member[]>,
  options: StartOptions = {},
): Promise<void> {
  await walkServices(
    services,
    async (service) => {
      work.signal.throwIfAborted();
      const own = (members.get(service.name) ?? []).filter((each) => !isRunning(each));
      for (const each of members.get(service.name) ?? []) {
        if (isRunning(each)) options.onStarted?.(each, Date.now());
      }
      if (own.length === 0) return;
      await waitForDependencies(work, service, members);
      await settle(own.map((each) => startOne(work, service, each, options)));
    },
    { direction: "dependencies-first", ...(work.parallel === undefined ? {} : { parallel: work.parallel }) },
  );
}

async function startOne(work: Work, service: RunService, member: Member, options: StartOptions): Promise<void> {
  await told(work, `Container ${member.name}`, ["Starting", "Started"], async () => {
    const sinceMs = Date.now();
    await work.ports.containers.start(member.id, { onNotice: work.warn });
    options.onStarted?.(member, sinceMs);
    await runHooks(work, member, service.postStart);
  });
}

/** Runs hooks inside a container, one after the other. @throws HOOK_FAILED. */
export async function runHooks(work: Work, member: Member, hooks: readonly Hook[]): Promise<void> {
  for (const hook of hooks) {
    const code = await work.ports.containers.exec(
      member.id,
      {
        command: hook.command,
        env: variables(hook.environment),
        workingDir: hook.workingDir === "" ? undefined : hook.workingDir,
        user: hook.user === "" ? undefined : hook.user,
        tty: false,
        interactive: false,
        detach: false,
        privileged: hook.privileged,
      },
      { streams: {} },
    );
    if (code !== 0) {
      throw new BuildError(`container ${member.name}: hook ${hook.command.join(" ")} exited with status ${code}`, {
        code: "HOOK_FAILED",
        status: "FailedPrecondition",
      });
    }
  }
}
