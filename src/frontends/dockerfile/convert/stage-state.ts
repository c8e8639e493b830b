// A stage while it is converted: where it starts from, what it has become so far, and which other stages it needs.
// Images named by `--from` are stages too, without a name and never built ("unregistered").
// Counterpart: dispatchState and dispatchStates of frontend/dockerfile/dockerfile2llb/convert.go.

import { State } from "../../../graph/llb/index.ts";
import type { Platform } from "../../../graph/llb/index.ts";
import type { NamedContext } from "../context/named-context.ts";
import type { ArgPair, Command, Stage } from "../instructions/types.ts";
import { FrontendError } from "../source-error.ts";
import type { Location } from "../source-error.ts";
import { cloneImage } from "./image.ts";
import type { Image } from "./image.ts";
import { emptyImage } from "./image.ts";
import type { Outline } from "./outline.ts";

/** An instruction with the stages it reads from. */
export interface BoundCommand {
  readonly command: Command;
  /** By position: COPY has at most one; RUN has one for each mount. */
  readonly sources: readonly StageState[];
  /** Set by an ONBUILD trigger of the base. */
  readonly isOnbuild: boolean;
}

/** What a stage needs to know of its FROM. */
export type StageFacts = Pick<Stage, "name" | "platform" | "location" | "code" | "commands" | "docComment"> & {
  baseName: string;
};

/** Where an instruction that should occur once was seen before. */
export interface UsedOnce {
  location: Location | undefined;
}

export class StageState {
  readonly stage: StageFacts;
  stageName: string;
  state: State = State.scratch();
  image: Image;
  /** The base's config as it was found; never changed. */
  baseImage: Image | undefined;
  platform: Platform | undefined;
  base: StageState | undefined;
  namedContext: NamedContext | undefined;
  /** Converted, or never to be: its state can be used. */
  dispatched = false;
  resolved = false;
  onbuildInit = false;
  readonly unregistered: boolean;
  readonly deps = new Map<StageState, Command>();
  buildArgs: ArgPair[] = [];
  commands: BoundCommand[] = [];
  /** Paths of the main context that this stage reads. */
  readonly contextPaths = new Set<string>();
  /** Paths of this stage that others read; shared with the base, which they belong to. */
  paths = new Set<string>();
  ignoreCache = false;
  /** Steps done and steps in all, for their names. */
  commandIndex = 0;
  commandTotal = 0;
  currentIsOnbuild = false;
  workdirSet = false;
  outline: Outline;
  scanStage = false;
  scanContext = false;
  readonly entrypoint: UsedOnce = { location: undefined };
  readonly cmd: UsedOnce = { location: undefined };
  readonly healthcheck: UsedOnce = { location: undefined };

  constructor(stage: StageFacts, outline: Outline, unregistered = false) {
    this.stage = stage;
    this.stageName = stage.name;
    this.outline = outline;
    this.unregistered = unregistered;
    this.image = { ...emptyImage({ os: "", architecture: "" }), rootfsType: "" };
    this.image.config.env = [];
    this.image.config.workingDir = "";
  }

  /** Takes over what the base stage has become. */
  init(): void {
    const { base } = this;
    if (base === undefined) return;
    this.state = base.state;
    this.platform = base.platform;
    this.image = cloneImage(base.image);
    this.image.config.onBuild = [];
    this.baseImage = base.baseImage;
    this.paths = base.paths;
    this.workdirSet = base.workdirSet;
    this.buildArgs.push(...base.buildArgs);
  }
}

/** All stages of a file in order, and the pseudo stages that instructions add. */
export class StageList {
  readonly states: StageState[] = [];
  readonly #byName = new Map<string, StageState>();

  add(state: StageState): void {
    this.states.push(state);
    const base = this.#byName.get(state.stage.baseName);
    if (base !== undefined) {
      state.base = base;
      state.outline = base.outline.clone();
    }
    if (state.stage.name !== "") this.#byName.set(state.stage.name.toLowerCase(), state);
  }

  byName(name: string): StageState | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** @throws FrontendError `invalid stage index N` */
  byIndex(index: number): StageState {
    const state = this.states[index];
    if (state === undefined) throw new FrontendError(`invalid stage index ${index}`);
    return state;
  }

  names(): string[] {
    return this.states.map((state) => state.stageName).filter((name) => name !== "");
  }
}

/** The stage itself and everything it needs. */
export function reachableFrom(target: StageState): Set<StageState> {
  const reached = new Set<StageState>();
  const open = [target];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (reached.has(state)) continue;
    reached.add(state);
    if (state.base !== undefined) open.push(state.base);
    open.push(...state.deps.keys());
  }
  return reached;
}
