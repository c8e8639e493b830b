// Walks services along what they depend on, as much at once as the order allows. Counterpart: docker/compose pkg/compose/dependencies.go.

import { Semaphore } from "../../base/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";

export type Direction = "dependencies-first" | "dependents-first";

export interface WalkOptions {
  readonly direction: Direction;
  /** How many visits may be under way; no limit by default. */
  readonly parallel?: number;
}

/**
 * Visits every service once those that must come first are done. After a failure nothing new is begun; what is under way ends first.
 * @throws the first failure.
 */
export async function walkServices(
  services: ReadonlyMap<string, RunService>,
  visit: (service: RunService) => Promise<void>,
  { direction, parallel = Number.POSITIVE_INFINITY }: WalkOptions,
): Promise<void> {
  const before = predecessors(services, direction);
  const visits = new Map<string, Promise<void>>();
  const slots = new Semaphore(Math.min(parallel, Number.MAX_SAFE_INTEGER));
  let failed = false;
  let failure: unknown;
  const run = (name: string): Promise<void> => {
    const known = visits.get(name);
    if (known !== undefined) return known;
    const done = (async () => {
      await Promise.all([...before.get(name)!].map(run));
      try {
        await slots.run(async () => {
          if (!failed) await visit(services.get(name)!);
        });
      } catch (error) {
        if (!failed) failure = error;
        failed = true;
      }
    })();
    visits.set(name, done);
    return done;
  };
  await Promise.all([...services.keys()].map(run));
  if (failed) throw failure;
}

function predecessors(services: ReadonlyMap<string, RunService>, direction: Direction): Map<string, Set<string>> {
  const before = new Map([...services.keys()].map((name) => [name, new Set<string>()]));
  for (const service of services.values()) {
    for (const dependency of service.dependsOn.keys()) {
      if (!services.has(dependency)) continue;
      if (direction === "dependencies-first") before.get(service.name)!.add(dependency);
      else before.get(dependency)!.add(service.name);
    }
  }
  return before;
}

/** The named services and all that they depend on, in the order of the project; all where none is named. */
export function withDependencies(
  services: ReadonlyMap<string, RunService>,
  names: readonly string[],
): Map<string, RunService> {
  if (names.length === 0) return new Map(services);
  const wanted = new Set<string>();
  const add = (name: string): void => {
    const service = services.get(name);
    if (service === undefined || wanted.has(name)) return;
    wanted.add(name);
    for (const dependency of service.dependsOn.keys()) add(dependency);
  };
  names.forEach(add);
  return new Map([...services].filter(([name]) => wanted.has(name)));
}

/** The named services and all that depend on them. */
export function withDependents(
  services: ReadonlyMap<string, RunService>,
  names: readonly string[],
): Map<string, RunService> {
  if (names.length === 0) return new Map(services);
  const wanted = new Set(names);
  for (let grew = true; grew;) {
    grew = false;
    for (const { name, dependsOn } of services.values()) {
      if (wanted.has(name) || ![...dependsOn.keys()].some((each) => wanted.has(each))) continue;
      wanted.add(name);
      grew = true;
    }
  }
  return new Map([...services].filter(([name]) => wanted.has(name)));
}
