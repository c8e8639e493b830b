// The images of a project are there before its containers are made: pulled by the policy of each service; one that is built here and
// absent is left to the caller, who builds. Counterpart: docker/compose pkg/compose/pull.go, build.go.

import { BuildError, messageOf } from "../../base/index.ts";
import { composeError } from "../../frontends/compose/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import type { ProjectImage } from "./ports.ts";
import { imageOf } from "./wishes.ts";
import { settle } from "./work.ts";
import type { Work } from "./work.ts";

type PullPolicy = "always" | "missing" | "never" | "build";

export interface ImagePolicy {
  /** `--pull`; else each service's own. */
  readonly pull?: PullPolicy | undefined;
  readonly quiet?: boolean;
}

/** What must be done for each service's image. */
export interface ImagePlan {
  readonly build: readonly string[];
  readonly pull: readonly string[];
}

/** Which services' images are to be built and which pulled. `build`: all that can be; `never`: none. */
export async function planImages(
  work: Work,
  services: ReadonlyMap<string, RunService>,
  policy: ImagePolicy & { readonly build: "always" | "missing" | "never" },
): Promise<ImagePlan> {
  const build: string[] = [];
  const pull: string[] = [];
  for (const service of services.values()) {
    const { kind, olderThanMs } = pullPolicy(service, policy.pull);
    const builds = service.build !== undefined && policy.build !== "never";
    if (builds && (policy.build === "always" || kind === "build")) {
      build.push(service.name);
      continue;
    }
    const reference = imageOf(service, work.project);
    const found = await work.ports.images.find(reference, service.platform);
    const isOld = found !== undefined && olderThanMs !== undefined && Date.now() - found.createdMs > olderThanMs;
    if (found !== undefined && kind !== "always" && !isOld) continue;
    if (kind === "always" && service.image !== "" && service.build === undefined) pull.push(service.name);
    else if (isOld) (builds ? build : pull).push(service.name);
    else if (found !== undefined) continue;
    else if (builds) build.push(service.name);
    else if (kind !== "never") pull.push(service.name);
  }
  return { build, pull };
}

/** @throws COMPOSE_INVALID for a policy that there is none of. */
function pullPolicy(service: RunService, asked: PullPolicy | undefined): { kind: PullPolicy; olderThanMs?: number } {
  if (asked !== undefined) return { kind: asked };
  const text = service.pullPolicy;
  if (text === "" || text === "missing") return { kind: "missing" };
  if (text === "always" || text === "refresh") return { kind: "always" };
  if (text === "never" || text === "build") return { kind: text };
  const day = 86_400_000;
  if (text === "daily") return { kind: "missing", olderThanMs: day };
  if (text === "weekly") return { kind: "missing", olderThanMs: 7 * day };
  const every = /^every_((?:\d+[wdhms])+)$/.exec(text)?.[1];
  if (every === undefined) throw composeError(`invalid pull policy ${JSON.stringify(text)}`);
  const unit: Readonly<Record<string, number>> = { w: 7 * day, d: day, h: 3_600_000, m: 60_000, s: 1000 };
  let olderThanMs = 0;
  for (const [, count, letter] of every.matchAll(/(\d+)([wdhms])/g)) olderThanMs += Number(count) * unit[letter!]!;
  return { kind: "missing", olderThanMs };
}

/** Pulls the images of these services, each reference once, at once. @throws the first failure, when all have ended. */
export async function pullImages(work: Work, names: readonly string[], { ignoreFailures = false } = {}): Promise<void> {
  const wanted = new Map<string, RunService[]>();
  for (const name of names) {
    const service = work.project.services.get(name)!;
    const key = `${imageOf(service, work.project)} ${service.platform}`;
    wanted.set(key, [...(wanted.get(key) ?? []), service]);
  }
  await settle(
    [...wanted.values()].map(async ([first]) => {
      const reference = imageOf(first!, work.project);
      const subject = `Image ${reference}`;
      work.onEvent({ subject, status: "Pulling" });
      try {
        await work.ports.images.pull(reference, first!.platform, work.signal);
        work.onEvent({ subject, status: "Pulled" });
      } catch (error) {
        work.onEvent({ subject, status: ignoreFailures ? "Warning" : "Error", failed: true });
        if (!ignoreFailures) throw error;
        work.warn(`${reference}: ${messageOf(error)}`);
      }
    }),
  );
}

/** The images that the services' containers are made of. @throws IMAGE_NOT_FOUND. */
export async function presentImages(
  work: Work,
  services: ReadonlyMap<string, RunService>,
): Promise<Map<string, ProjectImage>> {
  const found = new Map<string, ProjectImage>();
  for (const service of services.values()) {
    const reference = imageOf(service, work.project);
    const image = await work.ports.images.find(reference, service.platform);
    if (image === undefined) {
      throw new BuildError(`No such image: ${reference}`, {
        code: "IMAGE_NOT_FOUND",
        status: "NotFound",
        hint:
          service.build === undefined ? "pull it, or let up pull it" : "build it: slipway compose build, or up --build",
      });
    }
    found.set(service.name, image);
  }
  return found;
}
