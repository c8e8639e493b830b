// A Dockerfile to a state and an image config, for one target platform: stages in file order, bases resolved side by side.
// Counterpart: toDispatchState of moby/buildkit frontend/dockerfile/dockerfile2llb/convert.go.

import { TaskScope } from "../../../base/index.ts";
import { normalizePlatform, parsePlatform } from "../../../formats/oci/index.ts";
import { PatternMatcher } from "../../../formats/patterns/index.ts";
import { DeferredOutput, State } from "../../../graph/llb/index.ts";
import type { Platform, SourceMapFile } from "../../../graph/llb/index.ts";
import type { BuildClient } from "../context/client.ts";
import { parseStages } from "../instructions/parse.ts";
import type { ArgCommand, Stage } from "../instructions/types.ts";
import { Linter, parseLintOptions } from "../lint/linter.ts";
import type { LintWarning } from "../lint/linter.ts";
import { findDirective } from "../parse/directives.ts";
import { parseDockerfile } from "../parse/parser.ts";
import { Lex } from "../shell/lex.ts";
import { FrontendError, linesOf, setLocation, withLocation, withSuggestion, wrapError } from "../source-error.ts";
import { defaultArgs, metaArgs, proxyEnvOf } from "./arguments.ts";
import { contextOf, resolveBase } from "./base-image.ts";
import { addDependencies, addTriggers, bindCommand, checkCircles } from "./bind.ts";
import type { Conversion } from "./context.ts";
import { followPathsOf } from "./context-paths.ts";
import { dispatchStage } from "./dispatch.ts";
import { resolveEpoch } from "./epoch.ts";
import { emptyImage } from "./image.ts";
import { lintBaseNames, lintCommandCasing, lintFromArgs, lintFromPlatform, lintStageNames } from "./lint-checks.ts";
import { Outline } from "./outline.ts";
import { reachableFrom, StageList, StageState } from "./stage-state.ts";

export interface ConvertOptions {
  readonly client: BuildClient;
  readonly file: SourceMapFile;
  /** Undefined means: whatever the first worker is for. */
  readonly targetPlatform: Platform | undefined;
  readonly warn: ((warning: LintWarning) => void) | undefined;
  /** Convert stages that the target does not need as well. */
  readonly allStages: boolean;
}

/** A converted target. */
export interface Converted {
  readonly stage: StageState;
  readonly conversion: Conversion;
}

/** Converts. @throws FrontendError with BuildKit's sentences and lines */
export async function convert(options: ConvertOptions, signal: AbortSignal): Promise<Converted> {
  const { file } = options;
  if (file.data.length === 0) throw new FrontendError("the Dockerfile cannot be empty");
  const linter = newLinter(options);
  const parsed = parseDockerfile(file.data);
  for (const line of parsed.emptyContinuationLines) linter.run("NoEmptyContinuation", linesOf(line, line));
  const { stages, metaArgs: argCommands } = parseStages(parsed, linter);
  if (stages.length === 0) throw new FrontendError("dockerfile contains no stages to build");
  lintStageNames(stages, linter);
  lintCommandCasing(stages, linter);
  const conversion = await newConversion(options, { stages, argCommands, linter, escape: parsed.escape, signal });
  return new Converter(conversion, options).run(stages);
}

function newLinter({ client, file, warn }: ConvertOptions): Linter {
  if (client.config.lint !== undefined) return new Linter(client.config.lint, warn);
  const text = findDirective("check", file.data)?.value.split(" ", 1)[0] ?? "";
  try {
    return new Linter(parseLintOptions(text), warn);
  } catch (error) {
    throw wrapError(error, "failed to parse check options");
  }
}

interface ConversionWithOutline extends Conversion {
  readonly outline: Outline;
  readonly knownArgs: ReadonlySet<string>;
  readonly lateContext: { resolved: State | undefined };
}

async function newConversion(
  options: ConvertOptions,
  facts: {
    stages: readonly Stage[];
    argCommands: readonly ArgCommand[];
    linter: Linter;
    escape: string;
    signal: AbortSignal;
  },
): Promise<ConversionWithOutline> {
  const { client, file, targetPlatform } = options;
  const { stages, argCommands, linter, signal } = facts;
  const { config } = client;
  const buildPlatform = config.buildPlatforms[0]!;
  const target = targetPlatform ?? buildPlatform;
  const buildArgs = new Map(config.buildArgs);
  const lex = new Lex({ escape: facts.escape });
  const defaults = defaultArgs(buildPlatform, target, buildArgs, config.target || stages.at(-1)!.name);
  lintDefaultBases(stages, lex, defaults, argCommands, linter);
  const meta = metaArgs(defaults, lex, argCommands, buildArgs);
  const outline = new Outline();
  for (const [key, info] of meta.infos) outline.allArgs.set(key, info);
  const epoch = await resolveEpoch({ client, buildArgs, globalArgs: meta.args, stages, lex }, signal);
  const lateContext: { resolved: State | undefined } = { resolved: undefined };
  return {
    client,
    config,
    buildArgs,
    lex,
    linter,
    buildPlatform,
    buildPlatforms: config.buildPlatforms,
    targetPlatform: target,
    implicitTarget: targetPlatform === undefined,
    globalArgs: epoch.globalArgs,
    epoch: epoch.seconds,
    sourceFile: file,
    stages: new StageList(),
    proxyEnv: proxyEnvOf(buildArgs),
    mainContext: State.of(new DeferredOutput(() => lateContext.resolved!.output!)),
    ignoreMatcher: undefined,
    signal,
    outline,
    knownArgs: new Set([...epoch.globalArgs.keys(), ...outline.allArgs.keys()]),
    lateContext,
  };
}

function lintDefaultBases(
  stages: readonly Stage[],
  lex: Lex,
  defaults: Conversion["globalArgs"],
  argCommands: readonly ArgCommand[],
  linter: Linter,
): void {
  let args: Conversion["globalArgs"];
  try {
    args = metaArgs(defaults, lex, argCommands, new Map()).args;
  } catch {
    return; // the real pass will report it
  }
  lintBaseNames(stages, lex, args, linter);
}

class Converter {
  readonly #conversion: ConversionWithOutline;
  readonly #options: ConvertOptions;

  constructor(conversion: ConversionWithOutline, options: ConvertOptions) {
    this.#conversion = conversion;
    this.#options = options;
  }

  async run(stages: readonly Stage[]): Promise<Converted> {
    this.#addStages(stages);
    const target = this.#target();
    this.#bindCommands();
    const reachable = await this.#resolveBases(target);
    const conversion = { ...this.#conversion, ignoreMatcher: await this.#ignoreMatcher() };
    const contextPaths = new Set<string>();
    for (const stage of conversion.stages.states) {
      if (!this.#options.allStages && (!reachable.has(stage) || stage.dispatched)) continue;
      dispatchStage(conversion, stage);
      for (const path of stage.contextPaths) contextPaths.add(path);
    }
    target.paths.add("/");
    await this.#finish(target, contextPaths);
    return { stage: target, conversion };
  }

  #addStages(stages: readonly Stage[]): void {
    const { lex, globalArgs, knownArgs, outline, stages: list, client, config } = this.#conversion;
    for (const [index, stage] of stages.entries()) {
      const linter = this.#conversion.linter.mergedWithComments(stage.comments);
      const used = new Set<string>();
      let baseName: string;
      try {
        const expansion = lex.tryExpand(stage.baseName, globalArgs);
        lintFromArgs(knownArgs, expansion, stage.location, linter);
        if (expansion.error !== undefined) throw expansion.error;
        for (const name of expansion.matched) used.add(name);
        baseName = expansion.result;
        if (baseName === "") throw new FrontendError(`base name (${stage.baseName}) should not be blank`);
      } catch (error) {
        throw withLocation(error, stage.location);
      }
      const state = new StageState({ ...stage, baseName }, outline.clone());
      if (stage.platform !== "") state.platform = this.#stagePlatform(stage, linter, used);
      if (stage.name !== "") {
        state.namedContext = contextOf(this.#conversion, stage.name, {
          platform: state.platform,
          resolveMode: config.resolveMode,
          followPaths: () => followPathsOf(state.paths),
        });
        if (state.namedContext !== undefined) {
          list.add(state);
          state.base = undefined;
          continue;
        }
      } else state.stageName = `stage-${index}`;
      list.add(state);
      for (const name of used) state.outline.usedArgs.add(name);
      const steps = stage.commands.filter(({ kind }) => ["add", "copy", "run", "workdir"].includes(kind)).length;
      state.commandTotal = steps + (baseName !== "scratch" && state.base === undefined ? 1 : 0);
      state.ignoreCache = client.isNoCache(stage.name);
    }
  }

  #stagePlatform(stage: Stage, linter: Linter, used: Set<string>): Platform {
    const { lex, globalArgs, knownArgs } = this.#conversion;
    const expansion = lex.tryExpand(stage.platform, globalArgs);
    lintFromArgs(knownArgs, expansion, stage.location, linter);
    lintFromPlatform(stage, expansion, globalArgs, linter);
    if (expansion.error !== undefined) {
      throw withLocation(wrapError(expansion.error, "failed to process arguments for platform "), stage.location);
    }
    const suggest = (error: unknown) => {
      for (const name of expansion.unmatched) {
        const suggested = withSuggestion(error, name, globalArgs.keys());
        if (suggested !== error) return suggested;
      }
      return error;
    };
    if (expansion.result === "") {
      const empty = new FrontendError(`empty platform value from expression ${stage.platform}`);
      throw suggest(withLocation(empty, stage.location));
    }
    for (const name of expansion.matched) used.add(name);
    try {
      return parsePlatform(expansion.result);
    } catch (error) {
      const suggested = suggest(withLocation(error, stage.location));
      throw withLocation(wrapError(suggested, `failed to parse platform ${stage.platform}`), stage.location);
    }
  }

  #target(): StageState {
    const { stages, config } = this.#conversion;
    if (config.target === "") return stages.states.at(-1)!;
    const target = stages.byName(config.target);
    if (target !== undefined) return target;
    const error = new FrontendError(`target stage ${JSON.stringify(config.target)} could not be found`);
    throw withSuggestion(error, config.target, stages.names());
  }

  #bindCommands(): void {
    const { stages, lex, outline } = this.#conversion;
    // Images that instructions add along the way come last and have no instructions.
    for (const stage of stages.states.slice()) {
      for (const command of stage.stage.commands) {
        const bound = bindCommand(command, stages, lex, outline);
        stage.commands.push(bound);
        addDependencies(stage, bound, stages);
      }
    }
    checkCircles(stages.states);
    if (stages.states.length === 1) stages.states[0]!.stageName = "";
  }

  // Triggers of a base may need further stages, so this goes round until nothing new turns up.
  async #resolveBases(target: StageState): Promise<Set<StageState>> {
    const { stages, lex } = this.#conversion;
    for (;;) {
      const reachable = reachableFrom(target);
      await this.#resolveReachable(reachable);
      let hasNew = false;
      for (const stage of reachable) {
        stage.init();
        const triggers = [...stage.image.config.onBuild];
        if (stage.base !== undefined && !stage.onbuildInit) {
          for (const { command } of stage.base.commands)
            if (command.kind === "onbuild") triggers.push(command.expression);
          stage.onbuildInit = true;
        }
        if (triggers.length === 0) continue;
        try {
          if (addTriggers(stage, triggers, stages, lex)) hasNew = true;
        } catch (error) {
          throw setLocation(error, stage.stage.location);
        }
        stage.image.config.onBuild = [];
      }
      if (!hasNew) return reachable;
    }
  }

  async #resolveReachable(reachable: ReadonlySet<StageState>): Promise<void> {
    const conversion = this.#conversion;
    await using scope = new TaskScope(conversion.signal);
    for (const stage of conversion.stages.states) {
      if (stage.base !== undefined || stage.dispatched || stage.resolved) continue;
      const needed = this.#options.allStages || reachable.has(stage);
      stage.resolved = needed;
      if (stage.stage.baseName === "scratch" && stage.namedContext === undefined) {
        stage.state = State.scratch();
        stage.image = emptyImage(conversion.targetPlatform);
        stage.platform = conversion.targetPlatform;
        if (stage.unregistered) stage.dispatched = true;
        continue;
      }
      scope.run((signal) => resolveBase(conversion, stage, needed, signal));
    }
    await scope.join();
  }

  async #ignoreMatcher(): Promise<PatternMatcher | undefined> {
    const { client, signal } = this.#conversion;
    const patterns = await client.ignorePatterns(signal);
    return patterns.length === 0 ? undefined : new PatternMatcher(patterns);
  }

  async #finish(target: StageState, contextPaths: ReadonlySet<string>): Promise<void> {
    const { client, config, linter, signal, implicitTarget, targetPlatform, lateContext } = this.#conversion;
    const { image } = target;
    for (const [key, value] of config.labels) image.config.labels.set(key, value);
    linter.check();
    lateContext.resolved = await client.mainContext(followPathsOf(contextPaths), signal);
    if (!implicitTarget) {
      const same = targetPlatform.os === image.os && targetPlatform.architecture === image.architecture;
      image.os = targetPlatform.os;
      image.architecture = targetPlatform.architecture;
      if (targetPlatform.variant || !same) image.variant = targetPlatform.variant ?? "";
      if (targetPlatform.osVersion || !same) image.osVersion = targetPlatform.osVersion ?? "";
      if (targetPlatform.osFeatures !== undefined) image.osFeatures = [...targetPlatform.osFeatures];
    }
    const normalized = normalizePlatform({
      os: image.os,
      architecture: image.architecture,
      ...(image.variant === "" ? {} : { variant: image.variant }),
      ...(image.osVersion === "" ? {} : { osVersion: image.osVersion }),
      ...(image.osFeatures.length === 0 ? {} : { osFeatures: image.osFeatures }),
    });
    image.os = normalized.os;
    image.architecture = normalized.architecture;
    image.variant = normalized.variant ?? "";
    image.osVersion = normalized.osVersion ?? "";
    image.osFeatures = normalized.osFeatures ?? [];
  }
}
