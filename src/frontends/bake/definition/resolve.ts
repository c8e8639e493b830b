// Works out what a request names: groups, globs, inheritance, overrides, links between targets.
// Counterpart: docker/buildx bake/bake.go ReadTargets.

import { BuildError } from "../../../base/index.ts";
import { compareText } from "../values/value.ts";
import { matchesGlob } from "./glob.ts";
import { applyOverrides } from "./overrides.ts";
import type { Overrides } from "./overrides.ts";
import { rebased } from "./paths.ts";
import { copyTarget, mergeTarget, normalizeTarget } from "./target.ts";
import type { Group, Target } from "./target.ts";
import type { Definition } from "./evaluator.ts";

export interface Resolved {
  /** As `--print` shows them: those reached, and `default`. */
  readonly groups: Map<string, Group>;
  readonly targets: Map<string, Target>;
}

function fail(message: string, code = "BAKE_TARGET"): BuildError {
  return new BuildError(message, { code, status: "InvalidArgument" });
}

/** Dots of service names become underscores. */
export function targetName(name: string): string {
  return name.replaceAll(".", "_");
}

/** @throws BAKE_TARGET and what overrides throw. */
export function resolveTargets(definition: Definition, requested: readonly string[], overrides: Overrides): Resolved {
  const names = unique(requested.flatMap((name) => matchNames(definition, targetName(name))));
  const targets = new Map<string, Target>();
  const groups = new Map<string, Group>();
  for (const name of names) {
    const reached = reach(definition, name, new Map());
    for (const target of unique(reached.targets)) {
      if (!targets.has(target)) targets.set(target, resolveTarget(definition, target, overrides));
    }
    for (const group of unique(reached.groups)) {
      groups.set(
        group,
        definition.groups.find((each) => each.name === group)!,
      );
    }
  }
  for (const name of names) {
    const defaults = groups.get("default");
    if (defaults !== undefined && name === "default") continue;
    groups.set("default", { ...(defaults ?? { name: "default" }), targets: [...(defaults?.targets ?? []), name] });
  }
  const defaults = groups.get("default");
  if (defaults !== undefined)
    groups.set("default", { ...defaults, targets: unique(defaults.targets).sort(compareText) });
  for (const [name, target] of [...targets]) loadLinks(definition, { name, target, targets, overrides }, []);
  return { groups, targets };
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

function matchNames({ groups, targets }: Definition, pattern: string): string[] {
  if (!/[*?[\]]/.test(pattern)) return [pattern];
  const matches = ({ name }: { name: string }) => {
    try {
      return matchesGlob(pattern, name, () => "");
    } catch {
      return false;
    }
  };
  const names = [...groups.filter(matches), ...targets.filter(matches)].map(({ name }) => name);
  if (names.length === 0) throw fail(`could not find any target matching ${JSON.stringify(pattern)}`);
  return names;
}

interface Reached {
  readonly targets: readonly string[];
  readonly groups: readonly string[];
}

function reach(definition: Definition, name: string, visited: Map<string, Reached>): Reached {
  const known = visited.get(name);
  if (known !== undefined) return known;
  const group = definition.groups.find((each) => each.name === name);
  if (group === undefined) return { targets: [name], groups: [] };
  visited.set(name, { targets: [], groups: [] });
  const targets: string[] = [];
  const groups = [name];
  for (const member of group.targets) {
    const reached = reach(definition, member, visited);
    targets.push(...(reached.targets.length > 0 ? reached.targets : [member]));
    groups.push(...reached.groups);
  }
  const reached = { targets, groups };
  visited.set(name, reached);
  return reached;
}

/** A target with what it inherits, its overrides and its defaults. */
function resolveTarget(definition: Definition, name: string, overrides: Overrides): Target {
  const target = copyTarget(inherited(definition, name, new Map(), overrides)!);
  delete target.inherits;
  target.context ??= target.bases?.useDefault === true ? rebased(target.bases.default ?? "", ".") : ".";
  if (target.dockerfile === undefined || target.dockerfile === "") target.dockerfile = "Dockerfile";
  return target;
}

/** Undefined for a target that is being resolved already: a cycle adds nothing. */
function inherited(
  definition: Definition,
  name: string,
  visited: Map<string, Target | undefined>,
  overrides: Overrides,
): Target | undefined {
  if (visited.has(name)) return visited.get(name);
  visited.set(name, undefined);
  const own = definition.targets.find((each) => each.name === name);
  if (own === undefined) throw fail(`failed to find target ${name}`, "BAKE_TARGET_UNKNOWN");
  const parents: Target = { name };
  for (const parent of own.inherits ?? []) {
    const resolved = inherited(definition, parent, visited, overrides);
    if (resolved !== undefined) mergeTarget(parents, copyTarget(resolved));
  }
  const target: Target = { name };
  mergeTarget(target, parents);
  mergeTarget(target, copyTarget(own));
  applyOverrides(target, overrides.get(name));
  normalizeTarget(target);
  visited.set(name, target);
  return target;
}

interface Linking {
  readonly name: string;
  readonly target: Target;
  readonly targets: Map<string, Target>;
  readonly overrides: Overrides;
}

/** Targets that others take as a context are resolved as well; nobody gets their output. */
function loadLinks(
  definition: Definition,
  { name, target, targets, overrides }: Linking,
  above: readonly string[],
): void {
  const path = [...above, name];
  for (const context of target.contexts?.values() ?? []) {
    if (!context.startsWith("target:")) continue;
    const linkedName = context.slice("target:".length);
    if (linkedName === name) throw fail(`target ${linkedName} cannot link to itself`);
    if (path.includes(linkedName)) throw fail(`infinite loop from ${name} to ${linkedName}`);
    let linked = targets.get(linkedName);
    if (linked === undefined) {
      linked = resolveTarget(definition, linkedName, overrides);
      linked.output = [{ type: "cacheonly", dest: "", attributes: {} }];
      linked.linked = true;
      targets.set(linkedName, linked);
    }
    loadLinks(definition, { name: linkedName, target: linked, targets, overrides }, path);
    for (const entitlement of linked.entitlements ?? []) {
      if (!target.entitlements?.includes(entitlement)) (target.entitlements ??= []).push(entitlement);
    }
    const [ours, theirs] = [target.platforms ?? [], linked.platforms ?? []];
    if (ours.length > 1 && theirs.length > 1 && !ours.every((each) => theirs.includes(each))) {
      throw fail(
        `target ${linkedName} can't be used by ${name} because its platforms [${ours.join(" ")}] are not a subset of [${theirs.join(" ")}]`,
      );
    }
  }
}
