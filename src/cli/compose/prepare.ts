// What comes before containers are made: images pulled and built as flags and services say.

import { planImages, pullImages } from "../../running/projects/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import type { Invocation } from "../command.ts";
import { buildServices } from "./build-services.ts";
import type { Session } from "./session.ts";

export interface PrepareOptions {
  readonly build: "always" | "missing" | "never";
  readonly pull: "always" | "missing" | "never" | "build" | undefined;
  readonly quietPull?: boolean;
  readonly quietBuild?: boolean;
  /** What is built is to be pushed once it is tested. */
  readonly forPush?: boolean;
}

/** `--build`, `--no-build`, `--pull` of a command line. @throws Error for those that exclude each other. */
export function prepareOptions({ flags }: Invocation): PrepareOptions {
  const has = (name: "no-build" | "quiet-build") => knows(flags, name) && flags.bool(name);
  const [build, noBuild] = [flags.bool("build"), has("no-build")];
  if (build && noBuild) throw new Error("--build and --no-build are incompatible");
  const asked = flags.string("pull");
  const policies = ["always", "missing", "never", "build"] as const;
  const pull = policies.find((each) => each === asked);
  if (pull === undefined && asked !== "policy" && asked !== "") {
    throw new Error(`invalid --pull option ${JSON.stringify(asked)}`);
  }
  let when: PrepareOptions["build"] = "missing";
  if (build) when = "always";
  if (noBuild) when = "never";
  return { build: when, pull, quietPull: flags.bool("quiet-pull"), quietBuild: has("quiet-build") };
}

function knows(flags: Invocation["flags"], name: string): boolean {
  try {
    flags.has(name);
    return true;
  } catch {
    return false;
  }
}

/** Resolves with 0, or with the exit code of a build that failed and has said so. */
export async function prepareImages(
  session: Session,
  services: ReadonlyMap<string, RunService>,
  options: PrepareOptions,
): Promise<number> {
  const work = session.work();
  const plan = await planImages(work, services, { build: options.build, pull: options.pull });
  const quiet = options.quietPull === true ? { ...work, onEvent: () => {} } : work;
  // What is pulled may be what is built on, so it comes first only where both can't wait.
  if (plan.pull.length > 0) await pullImages(quiet, plan.pull);
  session.progress.finish();
  if (plan.build.length === 0) return 0;
  const words = options.pull === "always" ? ["--pull"] : [];
  return await buildServices(session.invocation, session.loaded!, plan.build, {
    words,
    quiet: options.quietBuild === true,
    forPush: options.forPush === true,
  });
}
