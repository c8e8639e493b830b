// What every piece of work on a project shares, and how it looks at what is there.

import type { RunProject } from "../../frontends/compose/index.ts";
import { label, memberOf } from "./labels.ts";
import type { Member } from "./labels.ts";
import type { OnEvent, ProjectPorts } from "./ports.ts";

export interface Work {
  readonly project: RunProject;
  readonly ports: ProjectPorts;
  readonly onEvent: OnEvent;
  /** One line that a user should know of. */
  readonly warn: (text: string) => void;
  readonly signal: AbortSignal;
  /** How much is done at once; no limit by default. */
  readonly parallel?: number;
}

/** The containers of a project, those that `run` made among them, oldest number first. */
export async function membersOf(
  { containers }: Pick<ProjectPorts, "containers">,
  project: string,
  { all = true }: { readonly all?: boolean } = {},
): Promise<Member[]> {
  const found = await containers.list({ all, labels: [`${label.project}=${project}`] });
  return found
    .map(memberOf)
    .toSorted((a, b) => Number(a.service > b.service) - Number(a.service < b.service) || a.number - b.number);
}

/** The containers of one service that `up` made. */
export function ofService(members: readonly Member[], service: string): Member[] {
  return members.filter((each) => each.service === service && !each.oneoff);
}

/** Tells what begins and how it ends: `Stopping`, then `Stopped`. */
export async function told(
  { onEvent }: Pick<Work, "onEvent">,
  subject: string,
  [begins, ends]: readonly [string, string],
  run: () => Promise<void>,
): Promise<void> {
  onEvent({ subject, status: begins });
  try {
    await run();
  } catch (error) {
    onEvent({ subject, status: "Error", failed: true });
    throw error;
  }
  onEvent({ subject, status: ends });
}

/** Runs all to their ends, then throws the first failure. */
export async function settle(all: Iterable<Promise<unknown>>): Promise<void> {
  const results = await Promise.allSettled(all);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
