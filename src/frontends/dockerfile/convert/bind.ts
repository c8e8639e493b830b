// Which stages and images the instructions of a stage read from. Counterpart: toCommand, detectRunMount, initOnBuildTriggers,
// validateCircularDependency of dockerfile2llb.

import { parseInstruction } from "../instructions/parse.ts";
import type { Command } from "../instructions/types.ts";
import { DEFAULT_LINT_CONFIG, Linter } from "../lint/linter.ts";
import { encodeText } from "../go/text.ts";
import { parseDockerfile } from "../parse/parser.ts";
import { NO_ENV } from "../shell/lex.ts";
import type { Lex } from "../shell/lex.ts";
import { FrontendError, withLocation } from "../source-error.ts";
import type { Location } from "../source-error.ts";
import type { Outline } from "./outline.ts";
import type { BoundCommand, StageList } from "./stage-state.ts";
import { StageState } from "./stage-state.ts";

const SILENT = new Linter(DEFAULT_LINT_CONFIG, undefined);

/** Finds the sources of an instruction; images become unregistered stages. @throws FrontendError */
export function bindCommand(
  command: Command,
  stages: StageList,
  lex: Lex,
  outline: Outline,
  isOnbuild = false,
): BoundCommand {
  const image = (baseName: string, location: Location) =>
    new StageState(
      { name: "", platform: "", baseName, location, code: "", commands: [], docComment: "" },
      outline.clone(),
      true,
    );
  if (command.kind === "run") {
    const sources = command.mounts.map(({ from }) => {
      const name = from === "" ? "scratch" : from;
      return stages.byName(name) ?? image(name, []);
    });
    return { command, sources, isOnbuild };
  }
  if (command.kind !== "copy" || command.from === "") return { command, sources: [], isOnbuild };
  const { from } = command;
  if (lex.word(from, NO_ENV) !== from) {
    throw new FrontendError(
      "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
    );
  }
  const isIndex = /^[+-]?\d+$/.test(from);
  const source = isIndex ? stages.byIndex(Number(from)) : (stages.byName(from) ?? image(from, command.location));
  return { command, sources: [source], isOnbuild };
}

/** Notes what a stage depends on, registering images it needs. */
export function addDependencies(stage: StageState, bound: BoundCommand, stages: StageList): void {
  for (const source of bound.sources) {
    stage.deps.set(source, bound.command);
    if (source.unregistered) stages.add(source);
  }
}

/** Puts the triggers of a base in front of a stage's instructions. Returns whether they read from other stages. @throws FrontendError */
export function addTriggers(stage: StageState, triggers: readonly string[], stages: StageList, lex: Lex): boolean {
  const bound: BoundCommand[] = [];
  for (const trigger of triggers) {
    const { nodes } = parseDockerfile(encodeText(trigger));
    const [node] = nodes;
    if (node === undefined || nodes.length !== 1) {
      throw new FrontendError("onbuild trigger should be a single expression");
    }
    const lines = stage.stage.location;
    node.startLine = lines[0]?.start ?? 0;
    node.endLine = lines.at(-1)?.end ?? 0;
    const command = parseInstruction(node, SILENT);
    if (command.kind === "from") {
      throw withLocation(new FrontendError("*instructions.Stage is not a command type"), lines);
    }
    const one = bindCommand(command, stages, lex, stage.outline, true);
    bound.push(one);
    addDependencies(stage, one, stages);
  }
  stage.commands = [...bound, ...stage.commands];
  stage.commandTotal += bound.length;
  return bound.some(({ sources }) => sources.length > 0);
}

/** @throws FrontendError with the lines of the instructions that form the circle */
export function checkCircles(states: readonly StageState[]): void {
  const visited = new Set<StageState>();
  const path = new Set<StageState>();
  const visit = (state: StageState, above: readonly Command[]): readonly Command[] | undefined => {
    if (visited.has(state)) return undefined;
    visited.add(state);
    path.add(state);
    for (const [dependency, command] of state.deps) {
      const next = [...above, command];
      const circle = path.has(dependency) ? next : visit(dependency, next);
      if (circle !== undefined) return circle;
    }
    path.delete(state);
    return undefined;
  };
  for (const state of states) {
    const circle = visit(state, []);
    if (circle === undefined) continue;
    let error: unknown = new FrontendError(`circular dependency detected on stage: ${state.stageName}`);
    for (const command of circle) error = withLocation(error, command.location);
    throw error;
  }
}
