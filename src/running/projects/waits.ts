// Waits until the containers of a service are what others need them to be. Counterpart: docker/compose pkg/compose/convergence.go
// waitDependencies, isServiceHealthy, isServiceCompleted.

import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, messageOf } from "../../base/index.ts";
import type { Dependency, RunService } from "../../frontends/compose/index.ts";
import type { Container } from "../containers/index.ts";
import type { Member } from "./labels.ts";
import type { Work } from "./work.ts";

const pollMs = 50;

type Wish = Dependency["condition"] | "running_or_healthy";

/** Waits for each thing that the service depends on. @throws DEPENDENCY_FAILED; only a warning where it is not required. */
export async function waitForDependencies(
  work: Work,
  service: RunService,
  members: ReadonlyMap<string, readonly Member[]>,
): Promise<void> {
  await Promise.all(
    [...service.dependsOn].map(async ([name, dependency]) => {
      if (dependency.condition === "service_started") return;
      const containers = members.get(name) ?? [];
      if (containers.length === 0) {
        if (!dependency.required || !work.project.services.has(name)) return;
        throw failed(`${name} is missing dependency ${name}`);
      }
      try {
        await Promise.all(containers.map((each) => waitFor(work, each, dependency.condition)));
      } catch (error) {
        if (dependency.required || work.signal.aborted) throw error;
        work.warn(`optional dependency ${JSON.stringify(name)} failed to start: ${messageOf(error)}`);
      }
    }),
  );
}

/** Waits for one container. @throws DEPENDENCY_FAILED when it will not become that any more. */
export async function waitFor(work: Work, member: Member, wish: Wish): Promise<void> {
  const subject = `Container ${member.name}`;
  work.onEvent({ subject, status: "Waiting" });
  const ended = (status: string, bad = false) => work.onEvent({ subject, status, ...(bad ? { failed: true } : {}) });
  for (;;) {
    work.signal.throwIfAborted();
    const container = await work.ports.containers.inspect(member.id);
    const answer = wish === "service_completed_successfully" ? completion(container) : health(container, wish);
    if (answer.kind === "met") return ended(answer.status);
    if (answer.kind === "failed") {
      ended("Error", true);
      throw failed(
        wish === "service_completed_successfully"
          ? `service ${JSON.stringify(member.service)} didn't complete successfully: ${answer.why}`
          : `dependency failed to start: ${answer.why}`,
      );
    }
    await sleep(pollMs, undefined, { signal: work.signal });
  }
}

type Answer =
  | { readonly kind: "met"; readonly status: string }
  | { readonly kind: "waiting" }
  | { readonly kind: "failed"; readonly why: string };

function completion({ state }: Container): Answer {
  if (state.status !== "exited" && state.status !== "dead") return { kind: "waiting" };
  return state.exitCode === 0 ? { kind: "met", status: "Exited" } : { kind: "failed", why: `exit ${state.exitCode}` };
}

function health({ name, state, effective }: Container, wish: Wish): Answer {
  if (state.status === "exited" || state.status === "dead") {
    return { kind: "failed", why: `container ${name} exited (${state.exitCode})` };
  }
  const test = effective.healthcheck?.test?.[0];
  if (test === undefined || test === "NONE") {
    if (wish !== "running_or_healthy") {
      return { kind: "failed", why: `container ${name} has no healthcheck configured` };
    }
    return state.status === "running" ? { kind: "met", status: "Healthy" } : { kind: "waiting" };
  }
  switch (state.health?.status) {
    case "healthy":
      return { kind: "met", status: "Healthy" };
    case "unhealthy":
      return { kind: "failed", why: `container ${name} is unhealthy` };
    default:
      return { kind: "waiting" };
  }
}

function failed(message: string): BuildError {
  return new BuildError(message, { code: "DEPENDENCY_FAILED", status: "FailedPrecondition" });
}
